//! LISTEN and NOTIFY.

use super::{compat, fault, ffi};
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::{CStr, CString};

/// What a notification carries.
pub fn payload(bytes: Vec<u8>) -> CString {
    CString::new(bytes).expect("values of the server hold no NUL")
}

thread_local! {
    /// How many bytes the running transaction has queued: the server's queue gets them at its commit.
    static QUEUED: Cell<usize> = const { Cell::new(0) };
}

/// About so much of the server's queue a notification takes beside its payload: the channel and the entry's header.
pub const ENTRY_BYTES: usize = 100;

/// The transaction has ended.
pub fn clear() {
    QUEUED.set(0);
}

/// Queues a notification for the commit of this transaction. The payload is at most 7,999 bytes long.
pub fn notify(channel: &CStr, payload: &CStr) {
    fault::point("notify");
    QUEUED.set(QUEUED.get() + ENTRY_BYTES + payload.count_bytes());
    // SAFETY: both are NUL-terminated; events are sent inside a transaction.
    unsafe { ffi::async_notify(channel.as_ptr(), payload.as_ptr()) }
}

/// LISTEN, when this transaction commits.
pub fn listen(channel: &CStr) {
    // SAFETY: NUL-terminated; functions run inside a transaction.
    unsafe { ffi::async_listen(channel.as_ptr()) }
}

/// UNLISTEN, when this transaction commits.
pub fn unlisten(channel: &CStr) {
    // SAFETY: NUL-terminated; functions run inside a transaction.
    unsafe { ffi::async_unlisten(channel.as_ptr()) }
}

/// Whether the server's notification queue can take so many more bytes, beside what this transaction has queued, and stay
/// below this share of itself. A full one makes every commit that notifies fail.
pub fn queue_has_room(bytes: usize, share: f64) -> bool {
    // SAFETY: the function takes no argument and returns a float8.
    let usage: f64 = unsafe {
        pgrx::fcinfo::direct_function_call(pg_sys::pg_notification_queue_usage, &[])
            .expect("the usage is not null")
    };
    usage + (QUEUED.get() + bytes) as f64 / compat::notify_queue_bytes() <= share
}
