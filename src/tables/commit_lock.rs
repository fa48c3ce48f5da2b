//! The commit lock.
//!
//! It locks a sub-object of our row of pg_extension: an advisory lock could be taken by anybody, and so could
//! the extension itself (`ALTER … DEPENDS ON EXTENSION`); a relation lock would be sent to standbys.

use std::time::Duration;

use pgrx::pg_sys;

use super::registry::registry;
use crate::pg::lock;

/// Waits for the commit lock and keeps it to the end of the transaction. Not for a writer: who has it may be waiting for the
/// writer, without anybody knowing.
pub fn take() {
    lock::object_exclusive(pg_sys::ExtensionRelationId, registry().extension);
}

/// As [`take`], but waits for no longer than this. Whether it has got it.
pub fn take_within(time: Duration) -> bool {
    lock::object_exclusive_within(pg_sys::ExtensionRelationId, registry().extension, time)
}
