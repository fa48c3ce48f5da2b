//! The server's memory contexts.

use pgrx::pg_sys;

/// Runs `body` with a memory context of its own, which is gone afterwards. While a subtransaction ends, the current
/// context is the subtransaction's, and one in which anything was ever allocated stays until the top-level
/// transaction ends, with its first block of 8 kB.
pub fn in_own_context<T>(body: impl FnOnce() -> T) -> T {
    // SAFETY: the context is a child of the current one, which an ERROR's clean-up resets; otherwise the previous
    // context is current again before ours is deleted. What `body` returns is Rust's own memory: the caller's
    // promise is kept by its type having no pointers into the server's.
    unsafe {
        let context = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"pg_reldiff".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        let previous = pg_sys::MemoryContextSwitchTo(context);
        let result = body();
        pg_sys::MemoryContextSwitchTo(previous);
        pg_sys::MemoryContextDelete(context);
        result
    }
}
