//! The triggers of a relation.

use std::ffi::CString;

use pgrx::pg_sys::{self, Oid};

use super::bytes::c_string;
use super::relation::with_unlocked;

/// A trigger of a relation.
pub struct Trigger {
    pub oid: Oid,
    pub name: Vec<u8>,
    pub function: Oid,
    pub fires: Fires,
    /// The server has made it from a partitioned table's.
    pub is_clone: bool,
    /// What it fires for, if that is just what one that [`create`] makes does: always, at once and for every column.
    pub after: Option<After>,
}

/// `tgenabled`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fires {
    /// Whatever the writer's `session_replication_role` is.
    Always,
    /// For some writers only.
    Sometimes,
    Never,
}

/// The triggers of a relation, in the order in which they fire. Takes no lock.
pub fn of(relation: Oid) -> Vec<Trigger> {
    // SAFETY: the relation is open.
    with_unlocked(relation, |open| unsafe { of_open(open) }).unwrap_or_default()
}

/// The triggers of a relation that is open, in the order in which they fire.
///
/// # Safety
/// The relation is open.
pub unsafe fn of_open(relation: pg_sys::Relation) -> Vec<Trigger> {
    // SAFETY: the descriptor belongs to the relation while it is open; the array has as many triggers as it
    // says.
    unsafe {
        let descriptor = (*relation).trigdesc;
        if descriptor.is_null() {
            return Vec::new();
        }
        let triggers =
            std::slice::from_raw_parts((*descriptor).triggers, (*descriptor).numtriggers as usize);
        let trigger = |trigger: &pg_sys::Trigger| Trigger {
            oid: trigger.tgoid,
            name: c_string(trigger.tgname),
            function: trigger.tgfoid,
            fires: match trigger.tgenabled as u8 {
                pg_sys::TRIGGER_FIRES_ALWAYS => Fires::Always,
                pg_sys::TRIGGER_DISABLED => Fires::Never,
                _ => Fires::Sometimes,
            },
            is_clone: trigger.tgisclone,
            after: After::of(trigger),
        };
        triggers.iter().map(trigger).collect()
    }
}

/// What a new trigger fires for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// For each row that is inserted, updated or deleted.
    RowChange,
    Truncate,
}

impl After {
    fn events(self) -> u32 {
        match self {
            Self::RowChange => {
                pg_sys::TRIGGER_TYPE_INSERT
                    | pg_sys::TRIGGER_TYPE_UPDATE
                    | pg_sys::TRIGGER_TYPE_DELETE
            }
            Self::Truncate => pg_sys::TRIGGER_TYPE_TRUNCATE,
        }
    }

    fn level(self) -> u32 {
        match self {
            Self::RowChange => pg_sys::TRIGGER_TYPE_ROW,
            Self::Truncate => pg_sys::TRIGGER_TYPE_STATEMENT,
        }
    }

    fn of(trigger: &pg_sys::Trigger) -> Option<Self> {
        let is_plain = trigger.tgqual.is_null() && trigger.tgnattr == 0 && !trigger.tgdeferrable;
        [Self::RowChange, Self::Truncate].into_iter().find(|after| {
            let kind = after.events() | after.level() | pg_sys::TRIGGER_TYPE_AFTER;
            is_plain && trigger.tgtype == kind as i16
        })
    }
}

/// Creates a trigger that fires for every writer, on the relation and, for rows, on its partitions; DROP EXTENSION
/// takes it along. Neither the caller nor the owner of the relation needs any privilege on the function, and no event
/// trigger hears of it: no code but the server's runs here, so it runs with all rights. Raises if the name is taken.
pub fn create(relation: Oid, name: &str, after: After, function: Oid, extension: Oid) {
    let name = CString::new(name).expect("a name holds no NUL");
    let mut statement = pg_sys::CreateTrigStmt {
        type_: pg_sys::NodeTag::T_CreateTrigStmt,
        trigname: name.as_ptr().cast_mut(),
        row: after == After::RowChange,
        timing: pg_sys::TRIGGER_TYPE_AFTER as i16,
        events: after.events() as i16,
        ..Default::default()
    };
    super::role::with_all_rights(|| {
        // SAFETY: the statement is what the parser would have made, but for the names of the relation and of the
        // function, which are given by oid; the server copies what it keeps.
        let trigger = unsafe {
            pg_sys::CreateTriggerFiringOn(
                &mut statement,
                std::ptr::null(),
                relation,
                Oid::INVALID,
                Oid::INVALID,
                Oid::INVALID,
                function,
                Oid::INVALID,
                std::ptr::null_mut(),
                false,
                false,
                pg_sys::TRIGGER_FIRES_ALWAYS as std::ffi::c_char,
            )
        };
        depend_on_extension(&trigger, extension);
    });
    super::transaction::next_command();
}

/// Drops a trigger, and the server's clones of it with it. The caller has locked their relations for itself alone. Like
/// [`create`], it asks for no privilege.
pub fn drop(trigger: Oid) {
    let trigger = pg_sys::ObjectAddress {
        classId: pg_sys::TriggerRelationId,
        objectId: trigger,
        objectSubId: 0,
    };
    // SAFETY: the trigger exists; nothing depends on it but its clones.
    unsafe {
        pg_sys::performDeletion(
            &trigger,
            pg_sys::DropBehavior::DROP_RESTRICT,
            pg_sys::PERFORM_DELETION_INTERNAL as i32,
        );
    }
    super::transaction::next_command();
}

/// As `ALTER TRIGGER … DEPENDS ON EXTENSION` does; that command would lock the extension until the transaction ends.
fn depend_on_extension(trigger: &pg_sys::ObjectAddress, extension: Oid) {
    let extension = pg_sys::ObjectAddress {
        classId: pg_sys::ExtensionRelationId,
        objectId: extension,
        objectSubId: 0,
    };
    // SAFETY: both objects exist.
    unsafe {
        pg_sys::recordDependencyOn(
            trigger,
            &extension,
            pg_sys::DependencyType::DEPENDENCY_AUTO_EXTENSION,
        );
    }
}
