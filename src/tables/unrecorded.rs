//! Changes that cannot be recorded, since our tables are not those that this library knows: an index of theirs has been dropped, our
//! schema has been renamed, the library is newer than they are. No writer fails for that, but it is not kept from him.

use std::cell::Cell;

use super::segment;
use crate::error::{self, Error};
use crate::pg::name;

thread_local! {
    static HAS_WARNED: Cell<bool> = const { Cell::new(false) };
}

/// Whether changes can be recorded. If not, it warns.
pub fn can_record() -> bool {
    let can = segment::exists();
    if !can {
        warn();
    }
    can
}

/// Warns, once in a transaction. Nobody misses anything if there is no extension any more.
pub fn warn() {
    if name::extension().is_some() && !HAS_WARNED.replace(true) {
        error::warn(Error::ChangesNotRecorded);
    }
}

/// The transaction has ended.
pub fn clear() {
    HAS_WARNED.set(false);
}
