//! Memory for Rust's own values.
//!
//! 1. Rust ends the process when there is no memory, by SIGABRT: the server takes that for a crash and restarts all of
//!    its processes.
//! 2. An allocator may not unwind, so there can be no ERROR either.
//! 3. FATAL ends this connection only: its transaction is rolled back, its locks are released, and everybody else goes on.
//! 4. After a transaction has been committed FATAL would be a PANIC: what runs there allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_char, c_int};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;

use super::fault;

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

unsafe extern "C-unwind" {
    // utils/elog.h; pgrx's fronts of these allocate.
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errcode(code: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

// SAFETY: the system's allocator, which is asked for just what we are asked for; or we do not return.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; so below.
        had(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        had(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        had(size, || unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What `get` gives, if it does.
#[inline]
fn had(size: usize, get: impl FnOnce() -> *mut u8) -> *mut u8 {
    if !fault::no_memory() {
        let memory = get();
        if !memory.is_null() {
            return memory;
        }
    }
    out_of_memory(size)
}

#[cold]
fn out_of_memory(size: usize) -> ! {
    // SAFETY: all texts are NUL-terminated, and the arguments are those of the formats. FATAL does not return: it neither
    // jumps nor unwinds, but runs what is to be done at the end of the process. The server keeps memory for such a message.
    unsafe {
        errstart(pg_sys::FATAL as i32, std::ptr::null());
        errcode(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as i32);
        errmsg_internal(c"out of memory".as_ptr());
        errdetail_internal(c"pg_reldiff asked for %zu bytes.".as_ptr(), size);
        errfinish(c"allocator.rs".as_ptr(), 0, c"out_of_memory".as_ptr());
    }
    std::process::abort()
}
