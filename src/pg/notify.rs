//! LISTEN and NOTIFY.

use super::{compat, fault, ffi};
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// What a notification carries.
pub fn payload(bytes: Vec<u8>) -> CString {
    CString::new(bytes).expect("values of the server hold no NUL")
}

/// Queues a notification for the commit of this transaction. The payload is at most 7,999 bytes long.
pub fn notify(channel: &CStr, payload: &CStr) {
    fault::point("notify");
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

/// Whether the server's notification queue can take so many more bytes and stay below this share of itself. A
/// full one makes every commit that notifies fail.
pub fn queue_has_room(bytes: usize, share: f64) -> bool {
    // SAFETY: the function takes no argument and returns a float8.
    let usage: f64 = unsafe {
        pgrx::fcinfo::direct_function_call(pg_sys::pg_notification_queue_usage, &[])
            .expect("the usage is not null")
    };
    usage + bytes as f64 / compat::notify_queue_bytes() <= share
}
