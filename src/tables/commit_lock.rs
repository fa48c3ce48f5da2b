//! The commit lock.
//!
//! It locks a sub-object of our row of pg_extension: an advisory lock could be taken by anybody, and so could
//! the extension itself (`ALTER … DEPENDS ON EXTENSION`); a relation lock would be sent to standbys.

use pgrx::pg_sys;

use super::registry::registry;
use crate::pg::lock;

/// Waits for the commit lock and keeps it to the end of the transaction.
pub fn take() {
    lock::object_exclusive(pg_sys::ExtensionRelationId, registry().extension);
}
