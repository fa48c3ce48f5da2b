//! Snapshots as values, of the server's type `pg_snapshot`.

use std::ffi::{CStr, CString};

use pgrx::fcinfo::{direct_function_call, direct_function_call_as_datum};
use pgrx::pg_sys::{self, Datum};

use super::transaction::top_xid;
use crate::change::snapshot::Snapshot;

/// The active snapshot. It does not see the running transaction, of which the server's own function says nothing.
pub fn active() -> Snapshot {
    // SAFETY: the function takes no argument; the caller has a snapshot active.
    let snapshot = unsafe {
        let snapshot = direct_function_call_as_datum(pg_sys::pg_current_snapshot, &[]);
        read(snapshot.expect("the snapshot is not null"))
    };
    snapshot.without(&[top_xid()])
}

/// # Safety
/// The datum is a `pg_snapshot`.
pub(super) unsafe fn read(snapshot: Datum) -> Snapshot {
    // SAFETY: the caller's promise; the function makes a string.
    let text: &CStr = unsafe {
        direct_function_call(pg_sys::pg_snapshot_out, &[Some(snapshot)]).expect("not null")
    };
    Snapshot::parse(&text.to_string_lossy()).expect("the form of the server")
}

pub fn datum(snapshot: &Snapshot) -> Datum {
    let text = CString::new(snapshot.to_string()).expect("digits hold no NUL");
    // SAFETY: NUL-terminated, and in the form of the type.
    unsafe {
        direct_function_call_as_datum(pg_sys::pg_snapshot_in, &[Some(Datum::from(text.as_ptr()))])
            .expect("not null")
    }
}
