//! Heavyweight locks, held to the end of the transaction.

use std::time::{Duration, Instant};

use pgrx::pg_sys::{self, Oid};

use super::{compat, raw, setting, subtransaction};

/// The sub-object that our locks name: SQL commands lock the whole of an object, so that none of them can be
/// in our way, or we in theirs.
const SUB_OBJECT: u16 = 1;

/// Locks a database object for us alone.
pub fn object_exclusive(class: Oid, object: Oid) {
    // SAFETY: plain values; the server raises if the wait is cancelled.
    unsafe { pg_sys::LockDatabaseObject(class, object, SUB_OBJECT, pg_sys::ExclusiveLock as i32) }
}

/// The tag that LockDatabaseObject makes, but for the method.
fn object_tag(class: Oid, object: Oid, method: u32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a variable of the backend.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: class.to_u32(),
        locktag_field3: object.to_u32(),
        locktag_field4: SUB_OBJECT,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: method as u8,
    }
}

/// As [`object_exclusive`], if nobody has it. (`ConditionalLockDatabaseObject` is missing in early minor releases.)
pub fn try_object_exclusive(class: Oid, object: Oid) -> bool {
    try_object(
        &object_tag(class, object, pg_sys::DEFAULT_LOCKMETHOD),
        false,
    )
}

/// The tag of a lock that is kept beyond transactions. A process that ends outside of a transaction gives back only those of
/// this method, as those that `pg_advisory_lock` takes; with the other one nobody would ever get it again.
fn session_tag(class: Oid, object: Oid) -> pg_sys::LOCKTAG {
    object_tag(class, object, pg_sys::USER_LOCKMETHOD)
}

/// Locks a database object against those who do the same, until [`release_object`] or the end of the process, if nobody has.
pub fn try_object_for_session(class: Oid, object: Oid) -> bool {
    try_object(&session_tag(class, object), true)
}

fn try_object(tag: &pg_sys::LOCKTAG, for_session: bool) -> bool {
    // SAFETY: plain values; nothing inside has a destructor.
    unsafe {
        let mode = pg_sys::ExclusiveLock as i32;
        let result = raw::guarded(|| {
            let result = raw::LockAcquire(tag, mode, for_session, true);
            raw::AcceptInvalidationMessages();
            result
        });
        result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }
}

/// Gives back what [`try_object_for_session`] has taken.
pub fn release_object(class: Oid, object: Oid) {
    let tag = session_tag(class, object);
    // SAFETY: plain values; the lock is held.
    unsafe {
        pg_sys::LockRelease(&tag, pg_sys::ExclusiveLock as i32, true);
    }
}

/// Whether somebody else has got a database object by [`try_object_for_session`].
pub fn is_object_locked_for_session(class: Oid, object: Oid) -> bool {
    let tag = session_tag(class, object);
    let mut count = 0;
    // SAFETY: plain values; the array of the holders is ours to free.
    unsafe {
        let holders = pg_sys::GetLockConflicts(&tag, pg_sys::ExclusiveLock as i32, &mut count);
        pg_sys::pfree(holders.cast());
    }
    count > 0
}

/// As [`object_exclusive`], if whoever has it gives it back within this time. What else the wait would raise, but for what
/// concerns the whole backend, is no reason to fail either: it has not got it then.
pub fn object_exclusive_within(class: Oid, object: Oid, time: Duration) -> bool {
    if try_object_exclusive(class, object) {
        return true;
    }
    if time.is_zero() {
        return false;
    }
    let _timeout = LockTimeout::of(time);
    subtransaction::catch(|| {
        object_exclusive(class, object);
        // A timeout that has just struck must not do so later.
        pgrx::check_for_interrupts!();
    })
    .is_some()
}

/// What `lock_timeout` is while this lives. The variable itself is set, where no code but ours can see it: once the lock is had,
/// others wait for what the setting's own way would take.
struct LockTimeout {
    before: std::ffi::c_int,
}

impl LockTimeout {
    fn of(time: Duration) -> Self {
        let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the variable is the backend's own.
        let before =
            unsafe { std::ptr::replace(&raw mut pg_sys::LockTimeout, milliseconds.max(1)) };
        Self { before }
    }
}

impl Drop for LockTimeout {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { pg_sys::LockTimeout = self.before }
    }
}

/// Takes ROW EXCLUSIVE on a relation, as who writes to it does, if nobody is in the way. Accepts invalidations in any case.
pub fn try_relation_row_exclusive(relation: Oid) -> bool {
    // SAFETY: plain values; nothing inside has a destructor.
    unsafe {
        raw::guarded(|| {
            let mode = pg_sys::RowExclusiveLock as i32;
            let is_locked = raw::ConditionalLockRelationOid(relation, mode);
            raw::AcceptInvalidationMessages();
            is_locked
        })
    }
}

/// As [`try_relation_row_exclusive`], after those who are in the way.
pub fn relation_row_exclusive(relation: Oid) {
    // SAFETY: plain values; the server raises if the wait is cancelled.
    unsafe { pg_sys::LockRelationOid(relation, pg_sys::RowExclusiveLock as i32) }
}

/// Takes SHARE on a relation, which excludes who writes to it, if nobody is in the way.
pub fn try_relation_share(relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, pg_sys::ShareLock as i32) }
}

/// Takes SHARE ROW EXCLUSIVE on a relation, which CREATE TRIGGER needs, if nobody is in the way.
pub fn try_relation_share_row_exclusive(relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, pg_sys::ShareRowExclusiveLock as i32) }
}

/// Takes ACCESS EXCLUSIVE on a relation, which DROP TRIGGER and TRUNCATE need, if nobody is in the way.
pub fn try_relation_access_exclusive(relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, pg_sys::AccessExclusiveLock as i32) }
}

/// Takes SHARE ROW EXCLUSIVE on relations, after those who are in the way; who comes meanwhile waits behind us. Raises
/// 55P03 for the waits that would last longer than until `deadline`, also for those of what is done afterwards in the
/// same transaction.
pub fn relations_share_row_exclusive(relations: &[Oid], deadline: Instant) {
    for &relation in relations {
        let left = deadline.saturating_duration_since(Instant::now());
        // 0 would be without end.
        setting::set_local_number(c"lock_timeout", left.as_millis().max(1) as i32);
        // SAFETY: plain values; the server raises if the wait lasts too long.
        unsafe { pg_sys::LockRelationOid(relation, pg_sys::ShareRowExclusiveLock as i32) }
    }
    // A timeout that has just struck must not do so later.
    pgrx::check_for_interrupts!();
}

/// After so long a wait the server looks for deadlocks, and fails one of those who wait.
pub fn deadlock_timeout() -> Duration {
    // SAFETY: a setting's variable.
    Duration::from_millis(unsafe { pg_sys::DeadlockTimeout } as u64)
}

/// What the transaction has locked of a relation itself, as far as it concerns who takes SHARE ROW EXCLUSIVE on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Nothing that keeps others from taking it.
    Compatible,
    /// A lock that keeps others from taking it.
    InTheWay,
    /// The same lock, or more.
    Sufficient,
}

/// What the transaction has locked of a relation itself.
pub fn own(relation: Oid) -> Own {
    let has_one_of = |modes: [u32; 3]| modes.into_iter().any(|mode| is_own(relation, mode));
    if has_one_of([
        pg_sys::ShareRowExclusiveLock,
        pg_sys::ExclusiveLock,
        pg_sys::AccessExclusiveLock,
    ]) {
        Own::Sufficient
    } else if has_one_of([
        pg_sys::RowExclusiveLock,
        pg_sys::ShareUpdateExclusiveLock,
        pg_sys::ShareLock,
    ]) {
        Own::InTheWay
    } else {
        Own::Compatible
    }
}

/// Whether the transaction has this lock on a relation of the database. (`CheckRelationOidLockedByMe` is missing in early
/// minor releases.)
pub fn is_own(relation: Oid, mode: u32) -> bool {
    // SAFETY: plain values; the tag is the one that LockRelationOid makes.
    unsafe {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: relation.to_u32(),
            locktag_field3: 0,
            locktag_field4: 0,
            locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
            locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        };
        compat::lock_held_by_me(&tag, mode as i32)
    }
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
