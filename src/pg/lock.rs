//! Heavyweight locks, held to the end of the transaction.

use pgrx::pg_sys::{self, Oid};

/// The sub-object that our locks name: SQL commands lock the whole of an object, so that none of them can be
/// in our way, or we in theirs.
const SUB_OBJECT: u16 = 1;

/// Locks a database object for us alone.
pub fn object_exclusive(class: Oid, object: Oid) {
    // SAFETY: plain values; the server raises if the wait is cancelled.
    unsafe { pg_sys::LockDatabaseObject(class, object, SUB_OBJECT, pg_sys::ExclusiveLock as i32) }
}

/// As [`object_exclusive`], if nobody has it. (`ConditionalLockDatabaseObject` is missing in early minor releases.)
pub fn try_object_exclusive(class: Oid, object: Oid) -> bool {
    // SAFETY: plain values; the tag is the one that LockDatabaseObject makes.
    unsafe {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: class.to_u32(),
            locktag_field3: object.to_u32(),
            locktag_field4: SUB_OBJECT,
            locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
            locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        };
        let result = pg_sys::LockAcquire(&tag, pg_sys::ExclusiveLock as i32, false, true);
        pg_sys::AcceptInvalidationMessages();
        result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }
}

/// Takes SHARE ROW EXCLUSIVE on a relation, which CREATE TRIGGER needs, if nobody is in the way.
pub fn try_relation_share_row_exclusive(relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, pg_sys::ShareRowExclusiveLock as i32) }
}

/// Takes ACCESS EXCLUSIVE on a relation, which DROP TRIGGER needs, if nobody is in the way.
pub fn try_relation_access_exclusive(relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, pg_sys::AccessExclusiveLock as i32) }
}

/// Keeps the writer's own `lock_timeout` from failing its commit in the locks that are left to take: ours
/// and NOTIFY's.
pub fn wait_without_timeout() {
    // SAFETY: the variable is the backend's own.
    if unsafe { pg_sys::LockTimeout } != 0 {
        super::setting::set_local(c"lock_timeout", c"0");
    }
}

/// Sleeps for some milliseconds; raises if the query is cancelled.
pub fn sleep(milliseconds: i64) {
    // SAFETY: the latch is the backend's own.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            (pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH) as i32,
            milliseconds as _,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}

/// As [`relation_access_share`], if that needs no wait.
pub fn try_relation_access_share(relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, pg_sys::AccessShareLock as i32) }
}

/// Keeps a relation from being altered or dropped until the end of the transaction, as reading it would.
pub fn relation_access_share(relation: Oid) {
    // SAFETY: plain values; the server raises if the wait is cancelled.
    unsafe { pg_sys::LockRelationOid(relation, pg_sys::AccessShareLock as i32) }
}
