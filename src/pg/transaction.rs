//! Facts of the running transaction and of the server's clocks.

use std::time::Duration;

use pgrx::pg_sys;

use super::{compat, raw};
use crate::change::digits::decimal;
use crate::change::event::AT_LENGTH;

/// The nesting level: 1 outside any subtransaction.
pub fn nest_level() -> i32 {
    raw::nest_level()
}

/// The id of the command that is running.
pub fn current_command() -> u32 {
    // SAFETY: a transaction is open; the id is only read.
    unsafe { pg_sys::GetCurrentCommandId(false) }
}

/// The id of the command that is running; the next statement gets a higher one.
pub fn used_command() -> u32 {
    // SAFETY: a transaction is open and not in parallel mode, which our writing functions are marked for.
    unsafe { pg_sys::GetCurrentCommandId(true) }
}

/// The id of the command with which the running statement began, if it has a snapshot.
pub fn statement_command() -> Option<u32> {
    // SAFETY: the active snapshot, if there is one, stays while the statement runs.
    unsafe { pg_sys::ActiveSnapshotSet().then(|| (*pg_sys::GetActiveSnapshot()).curcid) }
}

/// The 64-bit id of the top-level transaction; it is assigned if it has none yet.
pub fn top_xid() -> u64 {
    // SAFETY: a transaction is open.
    unsafe { pg_sys::GetTopFullTransactionId() }.value
}

/// Whether a top-level transaction of this id, as its last 32 bits, has begun and not ended.
pub fn is_running(xid: u32) -> bool {
    // SAFETY: a plain value; reads shared memory.
    unsafe { pg_sys::TransactionIdIsInProgress(xid.into()) }
}

/// Every transaction that is still running, or will begin, has a top-level id of at least this.
pub fn oldest_running_xid() -> u64 {
    // SAFETY: a transaction is open and has taken its first snapshot; the server keeps the latest one.
    let (xmin, next) = unsafe {
        let xmin = u32::from((*pg_sys::GetLatestSnapshot()).xmin);
        (xmin, pg_sys::ReadNextFullTransactionId().value)
    };
    // The xmin is at most 2^31 before the next id, so it belongs to its epoch or to the one before.
    let epoch = if xmin > next as u32 {
        (next >> 32) - 1
    } else {
        next >> 32
    };
    epoch << 32 | u64::from(xmin)
}

/// Whether the transaction can change anything: it is not read-only, not in a parallel query, and not on a standby.
pub fn may_write() -> bool {
    // SAFETY: reads variables of the backend, and shared memory.
    unsafe { !(pg_sys::XactReadOnly || pg_sys::IsInParallelMode() || pg_sys::RecoveryInProgress()) }
}

/// Whether all of the transaction's statements have the same snapshot.
pub fn has_one_snapshot() -> bool {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// The current WAL insert position. A standby never gets here, since it cannot write.
pub fn wal_position() -> u64 {
    raw::wal_position()
}

/// The clock, in microseconds since 2000-01-01 UTC.
pub fn clock() -> i64 {
    raw::clock()
}

/// A time (microseconds since 2000-01-01 UTC) as `2026-01-01T00:00:00.000000Z`.
pub fn utc_text(time: i64) -> [u8; AT_LENGTH] {
    let mut parts = pg_sys::pg_tm::default();
    let mut microseconds = 0;
    // SAFETY: the out-parameters are ours; without a time zone the function splits the time as it is.
    let status = unsafe {
        pg_sys::timestamp2tm(
            time,
            std::ptr::null_mut(),
            &mut parts,
            &mut microseconds,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    assert_eq!(status, 0, "the server's clock is within its own range");
    let pg_sys::pg_tm {
        tm_year,
        tm_mon,
        tm_mday,
        tm_hour,
        tm_min,
        tm_sec,
        ..
    } = parts;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    for (place, digits, number) in [
        (0, 4, tm_year),
        (5, 2, tm_mon),
        (8, 2, tm_mday),
        (11, 2, tm_hour),
        (14, 2, tm_min),
        (17, 2, tm_sec),
        (20, 6, microseconds),
    ] {
        decimal(&mut text[place..place + digits], number as u64);
    }
    text
}

/// Makes the own changes of this command visible to its next ones, and its invalidations effective here.
pub fn next_command() {
    // SAFETY: a transaction is open and not in parallel mode, which our writing functions are marked for.
    unsafe { pg_sys::CommandCounterIncrement() }
}

/// Keeps a snapshot active while it lives: a callback at commit runs without one, and the server wants one
/// where it reads TOASTed values.
pub struct ActiveSnapshot(());

impl ActiveSnapshot {
    pub fn push() -> Self {
        // SAFETY: a transaction is open; popped once, below.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) }
        Self(())
    }

    /// One that sees all that has been committed by now, in REPEATABLE READ and SERIALIZABLE, too.
    pub fn push_latest() -> Self {
        // SAFETY: a transaction is open and not in parallel mode; popped once, below.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) }
        Self(())
    }
}

impl Drop for ActiveSnapshot {
    fn drop(&mut self) {
        // After an ERROR the transaction's abort pops it.
        if !std::thread::panicking() {
            // SAFETY: pushed by us.
            unsafe { pg_sys::PopActiveSnapshot() }
        }
    }
}

/// Bytes from the server's strong random source.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: the pointer and the length are of one array.
    if !unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), N) } {
        pgrx::error!("could not generate random values");
    }
    bytes
}

/// A number that repeats only by chance, also after a crash. Not a secret, so the server's fast generator
/// does: the strong one costs a system call.
pub fn nonce() -> u32 {
    raw::random_number()
}

/// Hears of what other transactions have changed in the catalog and committed, as taking a lock does.
pub fn accept_invalidations() {
    // SAFETY: a transaction is open.
    unsafe { pg_sys::AcceptInvalidationMessages() }
}

/// Whether the process is ending.
pub fn is_exiting() -> bool {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::proc_exit_inprogress }
}

/// What is left of the transaction's time until `transaction_timeout`; `None` if it has no end.
pub fn transaction_time_left() -> Option<Duration> {
    let milliseconds = compat::transaction_timeout();
    if milliseconds == 0 {
        return None;
    }
    // SAFETY: a transaction is open.
    let begun = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    let left = begun + i64::from(milliseconds) * 1_000 - clock();
    Some(Duration::from_micros(left.max(0) as u64))
}

/// Whether the server is a standby.
pub fn is_standby() -> bool {
    // SAFETY: reads shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// The system identifier of the server, and the oid of the database.
pub fn database() -> (u64, pg_sys::Oid) {
    // SAFETY: reads the control file's copy.
    let system = unsafe { pg_sys::GetSystemIdentifier() };
    (system, database_oid())
}

/// The oid of the database.
pub fn database_oid() -> pg_sys::Oid {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::MyDatabaseId }
}
