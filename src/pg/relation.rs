//! What the catalog says of relations.

use pgrx::pg_sys::{self, Oid};

use super::bytes::c_string;
use super::{catalog, compat, name};
use crate::change::relation::RelationNames;

/// A column of a relation.
#[derive(Clone, Debug)]
pub struct Column {
    pub number: i16,
    pub name: Vec<u8>,
    pub kind: Oid,
    pub modifier: i32,
    pub length: i16,
    pub by_value: bool,
    /// Virtual generated columns have no stored value, so nothing can be told of them.
    pub is_virtual: bool,
}

/// What the catalog says of a relation.
#[derive(Clone, Debug)]
pub struct Description {
    pub oid: Oid,
    pub schema: Vec<u8>,
    pub name: Vec<u8>,
    /// `schema.name`, quoted where SQL needs it.
    pub qualified: Vec<u8>,
    pub kind: Kind,
    pub persistence: Persistence,
    pub owner: Oid,
    pub namespace: Oid,
    pub row_security: bool,
    /// Live columns, ascending by number.
    pub columns: Vec<Column>,
    /// The primary key's columns in key order; empty without one.
    pub key: Vec<i16>,
}

impl Description {
    pub fn is_partitioned(&self) -> bool {
        self.kind == Kind::PartitionedTable
    }

    pub fn column(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }

    /// Whether a row of the other relation has the key that it has as a row of this one: the same columns, in the
    /// same order.
    pub fn has_key_of(&self, other: &Self) -> bool {
        let names = |relation: &Self| -> Vec<Option<Vec<u8>>> {
            let columns = relation.key.iter();
            columns
                .map(|&column| Some(relation.column(column)?.name.clone()))
                .collect()
        };
        names(self) == names(other)
    }

    /// The number of a live column by its exact name.
    pub fn column_number(&self, name: &str) -> Option<i16> {
        let column = self
            .columns
            .iter()
            .find(|column| column.name == name.as_bytes())?;
        Some(column.number)
    }

    /// The qualified name, for messages.
    pub fn display(&self) -> String {
        String::from_utf8_lossy(&self.qualified).into_owned()
    }

    /// The names that events carry.
    pub fn names(&self) -> RelationNames {
        let columns = self.columns.iter();
        RelationNames::new(
            &self.schema,
            &self.name,
            &self.qualified,
            columns.map(|column| (column.number, &column.name[..])),
        )
    }
}

/// `relkind`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Table,
    PartitionedTable,
    View,
    MaterializedView,
    ForeignTable,
    Other,
}

impl Kind {
    fn of(relkind: std::ffi::c_char) -> Self {
        match relkind as u8 {
            b'r' => Self::Table,
            b'p' => Self::PartitionedTable,
            b'v' => Self::View,
            b'm' => Self::MaterializedView,
            b'f' => Self::ForeignTable,
            _ => Self::Other,
        }
    }
}

/// `relpersistence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    Permanent,
    Unlogged,
    Temporary,
}

impl Persistence {
    fn of(relpersistence: std::ffi::c_char) -> Self {
        match relpersistence as u8 {
            b'u' => Self::Unlogged,
            b't' => Self::Temporary,
            _ => Self::Permanent,
        }
    }
}

/// `None` if there is no such relation.
pub fn describe(relation: Oid) -> Option<Description> {
    // SAFETY: an open relation's entry stays valid until it is closed, at the end of the block.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return None;
        }
        let description = of_open(open);
        pg_sys::relation_close(open, pg_sys::AccessShareLock as i32);
        Some(description)
    }
}

/// As [`describe`], without any lock: what has been committed is told even while somebody is altering the relation.
/// For a writer's backend, which must wait for nobody.
pub fn peek(relation: Oid) -> Option<Description> {
    // SAFETY: the relation is open.
    with_unlocked(relation, |open| unsafe { of_open(open) })
}

/// Calls `read` with the open relation, which nobody has locked for this; `None` if there is no such relation.
pub(super) fn with_unlocked<T>(
    relation: Oid,
    read: impl FnOnce(pg_sys::Relation) -> T,
) -> Option<T> {
    // SAFETY: the server counts the use of the entry, which stays valid until it is closed.
    unsafe {
        let open = pg_sys::RelationIdGetRelation(relation);
        if open.is_null() {
            return None;
        }
        let taken = read(open);
        pg_sys::RelationClose(open);
        Some(taken)
    }
}

/// What the catalog says of a relation, unless somebody is altering or dropping it.
pub enum Glimpse {
    Known(Box<Description>),
    Gone,
    Locked,
}

/// As [`describe`], without waiting for a lock.
pub fn glimpse(relation: Oid) -> Glimpse {
    if !super::lock::try_relation_access_share(relation) {
        return Glimpse::Locked;
    }
    describe(relation).map_or(Glimpse::Gone, |description| {
        Glimpse::Known(Box::new(description))
    })
}

/// What the catalog says of a relation that is open.
///
/// # Safety
/// The relation is open.
pub unsafe fn of_open(relation: pg_sys::Relation) -> Description {
    // SAFETY: the caller's promise; the form, the descriptor and the index list belong to the open entry.
    unsafe {
        let form = &*(*relation).rd_rel;
        let descriptor = (*relation).rd_att;
        let schema = c_string(pg_sys::get_namespace_name(form.relnamespace));
        let name = c_string(form.relname.data.as_ptr());
        let qualified = name::qualified(&schema, &name);
        let columns = (0..(*descriptor).natts as usize)
            .map(|at| compat::tuple_desc_attr(descriptor, at))
            .filter(|attribute| !attribute.attisdropped)
            .map(|attribute| Column {
                number: attribute.attnum,
                name: c_string(attribute.attname.data.as_ptr()),
                kind: attribute.atttypid,
                modifier: attribute.atttypmod,
                length: attribute.attlen,
                by_value: attribute.attbyval,
                is_virtual: compat::is_virtual(attribute),
            })
            .collect();
        Description {
            oid: (*relation).rd_id,
            schema,
            name,
            qualified,
            kind: Kind::of(form.relkind),
            persistence: Persistence::of(form.relpersistence),
            owner: form.relowner,
            namespace: form.relnamespace,
            row_security: form.relrowsecurity,
            columns,
            key: primary_key(relation),
        }
    }
}

/// The columns of the primary key, a deferrable one too, in key order. Takes no lock on its index.
unsafe fn primary_key(relation: pg_sys::Relation) -> Vec<i16> {
    // SAFETY: the caller's promise; a row of pg_index begins with its form, and the key columns with the array.
    unsafe {
        let indexes = pgrx::PgList::<Oid>::from_pg(pg_sys::RelationGetIndexList(relation));
        let mut keys = indexes.iter_oid().filter_map(|index| {
            let row = pg_sys::SearchSysCache1(
                pg_sys::SysCacheIdentifier::INDEXRELID as i32,
                index.into(),
            );
            catalog::cached(row, |form: &pg_sys::FormData_pg_index| {
                let columns = form.indkey.values.as_slice(form.indnkeyatts as usize);
                form.indisprimary.then(|| columns.to_vec())
            })?
        });
        keys.next().unwrap_or_default()
    }
}

/// Whether the relation is one of the server's own or of ours.
pub fn is_system(description: &Description) -> bool {
    // SAFETY: plain values.
    unsafe {
        description.oid.to_u32() < pg_sys::FirstNormalObjectId
            || name::extension().is_some_and(|ours| {
                pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, description.oid) == ours
            })
    }
}

/// `relkind` and `relpersistence` of a relation, without opening it.
pub fn kind_and_persistence(relation: Oid) -> Option<(Kind, Persistence)> {
    // SAFETY: a plain value; a row of pg_class begins with its form.
    unsafe {
        let row =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, relation.into());
        catalog::cached(row, |form: &pg_sys::FormData_pg_class| {
            (Kind::of(form.relkind), Persistence::of(form.relpersistence))
        })
    }
}

/// Whether the relation has no storage to speak of, as far as this transaction knows: it has locked the relation for
/// itself alone.
pub fn is_known_to_be_empty(relation: Oid) -> bool {
    // SAFETY: the relation is open. Under such a lock nobody else can take the storage away.
    let is_empty = with_unlocked(relation, |open| unsafe {
        pg_sys::CheckRelationLockedByMe(open, pg_sys::AccessExclusiveLock as i32, true)
            && pg_sys::RelationGetNumberOfBlocksInFork(open, pg_sys::ForkNumber::MAIN_FORKNUM) == 0
    });
    is_empty.unwrap_or(false)
}

/// Raises 55006 if a query of this session is using the relation, or a trigger of it is still to fire, so that `command`
/// must not change it.
pub fn prevent_if_in_use(relation: Oid, command: &std::ffi::CStr) {
    // SAFETY: the relation is open, for this alone; the string is NUL-terminated.
    with_unlocked(relation, |open| unsafe {
        pg_sys::CheckTableNotInUse(open, command.as_ptr())
    });
}

/// Tells every backend, when this transaction commits, that what it knows of the relation is void; this one
/// at its next command.
pub fn invalidate(relation: Oid) {
    // SAFETY: a plain value; the server raises if there is no such relation.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) }
}
