//! Commits of a kind that others have to look for, counted in the shared memory, so that those others see without a look that
//! there has been none.
//!
//! 1. Who commits counts itself as one that is on its way, and only then as one that has begun; when it is visible to all, or
//!    rolled back, it is no longer on its way.
//! 2. Who looks reads how many have begun, and only then that none is on its way. All that are counted are visible to what is
//!    looked at afterwards; and as long as the number stays the same, there are no others.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use super::shared_memory::{self, database};

/// How many have begun, of all databases, at a moment at which none of this database was on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u32);

thread_local! {
    static IS_ON_ITS_WAY: Cell<bool> = const { Cell::new(false) };
}

/// The running transaction is of that kind.
pub fn begin() {
    if let Some(shared) = shared_memory::attach()
        && !IS_ON_ITS_WAY.replace(true)
    {
        shared.header.on_their_way[database()].fetch_add(1, Ordering::SeqCst);
        shared.header.begun.fetch_add(1, Ordering::SeqCst);
    }
}

/// The running transaction has ended. Makes no backend call: it may be the end of the process.
pub fn end() {
    if let Some(shared) = shared_memory::attached()
        && IS_ON_ITS_WAY.replace(false)
    {
        shared.header.on_their_way[database()].fetch_sub(1, Ordering::SeqCst);
    }
}

/// `None` while one is on its way, or if there is no shared memory.
pub fn mark() -> Option<Mark> {
    let shared = shared_memory::attach()?;
    let begun = shared.header.begun.load(Ordering::SeqCst);
    let on_their_way = shared.header.on_their_way[database()].load(Ordering::SeqCst);
    (on_their_way == 0).then_some(Mark(begun))
}
