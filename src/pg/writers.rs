//! Who is writing to a relation. Nothing here takes a lock on it, so nobody waits for who asks.

use std::collections::HashSet;

use pgrx::pg_sys::{self, Oid};

use super::compat;

/// The locks that a transaction has on a relation to which it has written, or may write without asking for another one:
/// ROW EXCLUSIVE and stronger, but for that of VACUUM and ANALYZE.
const WRITING: [u32; 5] = [
    pg_sys::RowExclusiveLock,
    pg_sys::ShareLock,
    pg_sys::ShareRowExclusiveLock,
    pg_sys::ExclusiveLock,
    pg_sys::AccessExclusiveLock,
];

/// A running or prepared transaction. Preparing it leaves it the one that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    process: i32,
    transaction: u32,
}

/// Whether the transaction itself has such a lock on the relation.
pub fn is_own(relation: Oid) -> bool {
    WRITING.iter().any(|&lock| {
        // SAFETY: plain values.
        unsafe { pg_sys::CheckRelationOidLockedByMe(relation, lock as i32, false) }
    })
}

/// Who has such a lock on one of these relations of this database, and has not ended.
pub fn of(relations: &HashSet<Oid>) -> HashSet<Writer> {
    let writing = WRITING.iter().fold(0, |mask, lock| mask | 1 << lock);
    // SAFETY: the server's copy of all locks, as many as it says, is ours to free; the database is a plain variable.
    unsafe {
        let database = pg_sys::MyDatabaseId.to_u32();
        let data = pg_sys::GetLockStatusData();
        let locks = std::slice::from_raw_parts((*data).locks, (*data).nelements as usize);
        let concerned = locks.iter().filter(|lock| {
            let tag = &lock.locktag;
            u32::from(tag.locktag_type) == pg_sys::LockTagType::LOCKTAG_RELATION
                && tag.locktag_field1 == database
                && relations.contains(&Oid::from_u32(tag.locktag_field2))
                && lock.holdMask & writing != 0
        });
        let writers = concerned
            .map(compat::vxid)
            // One that has ended is visible to all before it gives its locks back.
            .filter(|&(_, transaction)| transaction != 0)
            .map(|(process, transaction)| Writer {
                process,
                transaction,
            })
            .collect();
        pg_sys::pfree((*data).locks.cast());
        pg_sys::pfree(data.cast());
        writers
    }
}
