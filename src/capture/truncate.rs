//! `event.capture_truncate`: the AFTER TRUNCATE trigger of every tracked table.

use pgrx::pg_guard;
use pgrx::pg_sys::{self, Datum, Oid};

use super::control::{self, Reset};
use super::gap;
use super::protocol;
use crate::change::operation::Control;
use crate::gucs;
use crate::pg::transaction::{current_command, statement_command};
use crate::pg::{inheritance, relation as catalog, tuple};
use crate::tables::{registry, unrecorded};

/// Tells the server how `capture_truncate` is called.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_capture_truncate() -> &'static pg_sys::Pg_finfo_record {
    &protocol::VERSION_1
}

/// Tells the relation's subscribers that it has been emptied, and those of what stands above it that they have to
/// load it anew.
///
/// # Safety
/// Called by the server as a function of this SQL signature.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn capture_truncate(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
    // SAFETY: the server's call data; the trigger manager's is checked for before it is used. The relation is open.
    let (relation, is_partitioned) = unsafe {
        let trigger = protocol::trigger_data(fcinfo, protocol::Kind::Truncate);
        let relation = (*trigger).tg_relation;
        (
            (*relation).rd_id,
            (*(*relation).rd_rel).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE,
        )
    };
    if !gucs::CAPTURE.get() {
        gap::note(relation);
    } else if registry::exists() {
        truncated(relation, is_partitioned);
    } else {
        unrecorded::warn();
    }
    Datum::null()
}

fn truncated(relation: Oid, is_partitioned: bool) {
    let command = emptied_by(relation);
    // TRUNCATE ONLY leaves the rows of inheritance children.
    let is_emptied =
        |member: Oid| tuple::emptied_by(member).is_some() || catalog::is_known_to_be_empty(member);
    let is_whole = is_partitioned
        || inheritance::descendants(relation)
            .into_iter()
            .all(is_emptied);
    let control = if is_whole {
        Control::Truncate
    } else {
        Control::Resync
    };
    control::reset(relation, &Reset::new(control, command));
    let resync = Reset::new(Control::Resync, command);
    for ancestor in inheritance::ancestors(relation) {
        control::reset(ancestor.oid, &resync);
    }
}

/// The command that emptied the relation. User's triggers of the statement have made their changes before it or
/// after it, whatever their names are. A partitioned table has no storage of its own, but its partitions were
/// emptied with it. One that is emptied where it is says nothing: then it is the statement's first command, since
/// triggers that fill an emptied table are more likely than such that fill one that is about to be.
fn emptied_by(relation: Oid) -> u32 {
    let own = tuple::emptied_by(relation);
    let of_partitions = || {
        let partitions = inheritance::descendants(relation);
        partitions.into_iter().find_map(tuple::emptied_by)
    };
    own.or_else(of_partitions)
        .or_else(statement_command)
        .unwrap_or_else(current_command)
}
