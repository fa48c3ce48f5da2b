//! Functions and variables that the server exports and pgrx 0.18.1 does not bind.
//!
//! The functions raise by `longjmp`, so each is called inside `pg_guard_ffi_boundary`, which turns that
//! into a Rust panic that runs destructors.

use pgrx::pg_sys::{self, Datum};
use std::ffi::{c_char, c_int};

unsafe extern "C-unwind" {
    // commands/async.h
    fn Async_Notify(channel: *const c_char, payload: *const c_char);
    fn Async_Listen(channel: *const c_char);
    fn Async_Unlisten(channel: *const c_char);
    // common/hashfn.h
    fn hash_bytes_extended(key: *const u8, length: c_int, seed: u64) -> u64;
    // libpq/libpq.h
    fn pq_check_connection() -> bool;
    // utils/datum.h
    fn datum_image_eq(one: Datum, other: Datum, by_value: bool, length: c_int) -> bool;
    // utils/elog.h
    fn err_generic_string(field: c_int, value: *const c_char) -> c_int;

    // tcop/tcopprot.h; pgrx binds it, but not so that it can be a signal handler.
    pub fn die(signal: c_int);
    // utils/bytea.h
    pub static mut bytea_output: c_int;
}

/// # Safety
/// Both are NUL-terminated; a transaction is open.
pub unsafe fn async_notify(channel: *const c_char, payload: *const c_char) {
    // SAFETY: the caller's promise; the guard handles an ERROR.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| Async_Notify(channel, payload)) }
}

/// # Safety
/// The channel is NUL-terminated; a transaction is open.
pub unsafe fn async_listen(channel: *const c_char) {
    // SAFETY: the caller's promise; the guard handles an ERROR.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| Async_Listen(channel)) }
}

/// # Safety
/// The channel is NUL-terminated; a transaction is open.
pub unsafe fn async_unlisten(channel: *const c_char) {
    // SAFETY: the caller's promise; the guard handles an ERROR.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| Async_Unlisten(channel)) }
}

/// The server's own 64-bit hash, which it uses for hash partitions and so never changes.
pub fn hash_bytes(key: &[u8]) -> i64 {
    // SAFETY: the pointer and the length are of one slice; the function neither raises nor allocates.
    unsafe { hash_bytes_extended(key.as_ptr(), key.len() as c_int, 0) as i64 }
}

/// Whether two values of a type of this length have the same image, compressed or not.
///
/// # Safety
/// Both are non-null values of a type with this by-value flag and length.
pub unsafe fn image_eq(one: Datum, other: Datum, by_value: bool, length: i16) -> bool {
    // SAFETY: the caller's promise; the guard handles an ERROR of detoasting.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| datum_image_eq(one, other, by_value, length.into()))
    }
}

/// Sets a field of the error that is being reported.
///
/// # Safety
/// Called from an error context callback; the value is NUL-terminated.
pub unsafe fn error_field(field: u8, value: *const c_char) {
    // SAFETY: the caller's promise. The function copies the value and does not raise for the five object
    // name fields, which are all that we pass.
    unsafe { err_generic_string(field.into(), value) };
}

/// Whether the client is still there, as far as the operating system says.
///
/// # Safety
/// The backend has a client.
pub unsafe fn check_connection() -> bool {
    // SAFETY: the caller's promise; the guard handles an ERROR.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| pq_check_connection()) }
}
