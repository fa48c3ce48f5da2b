//! LISTEN and NOTIFY.

use super::{compat, fault, ffi, raw};
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

/// What a notification carries, with a NUL at the end. There is none before it, since values of the server hold none.
pub struct Payload(Vec<u8>);

impl Payload {
    pub fn new(mut bytes: Vec<u8>) -> Self {
        bytes.push(0);
        Self(bytes)
    }
}

thread_local! {
    /// How many bytes the running transaction has queued: the server's queue gets them at its commit.
    static QUEUED: Cell<usize> = const { Cell::new(0) };
    /// When this backend has looked at the server's queue last, and the bytes in it then.
    static LOOKED: Cell<(i64, f64)> = const { Cell::new((i64::MIN, 0.0)) };
}

/// For so many microseconds a look is good for, as long as there is room for [`RESERVE`] beside all: the server does not copy
/// as many bytes into its queue in that time.
const LOOK: i64 = 10_000;
const RESERVE: f64 = (64 << 20) as f64;

/// About so much of the server's queue a notification takes beside its payload: the channel and the entry's header.
pub const ENTRY_BYTES: usize = 100;

/// The transaction has ended.
pub fn clear() {
    QUEUED.set(0);
}

/// Queues a notification for the commit of this transaction. The payload is at most 7,999 bytes long.
pub fn notify(channel: &CStr, payload: &Payload) {
    fault::point("notify");
    QUEUED.set(QUEUED.get() + ENTRY_BYTES + payload.0.len());
    // SAFETY: both are NUL-terminated; events are sent inside a transaction.
    unsafe { ffi::async_notify(channel.as_ptr(), payload.0.as_ptr().cast()) }
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
    let capacity = compat::notify_queue_bytes();
    let fits = |used: f64| used + (QUEUED.get() + bytes) as f64 <= share * capacity;
    let (looked_at, used) = LOOKED.get();
    let now = raw::clock();
    if (looked_at..looked_at.saturating_add(LOOK)).contains(&now) && fits(used + RESERVE) {
        return true;
    }
    // SAFETY: the function takes no argument and returns a float8.
    let usage: f64 = unsafe {
        pgrx::fcinfo::direct_function_call(pg_sys::pg_notification_queue_usage, &[])
            .expect("the usage is not null")
    };
    let used = usage * capacity;
    LOOKED.set((now, used));
    fits(used)
}
