//! Who waits for a session is woken when a transaction commits that has events for it, or that has deleted it; and the
//! sequencer when one commits that waits for its place.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::change::operation::SessionId;
use crate::pg::{ffi, shared_memory, transaction, waiting};

thread_local! {
    /// The topics of the running transaction. What a savepoint has taken back stays: a look for nothing is harmless.
    static TOPICS: RefCell<HashSet<u32>> = RefCell::default();
}

/// What a wait for this session is called among the backends of all databases.
pub fn topic(session: SessionId) -> u32 {
    topic_of(session.as_bytes())
}

/// As [`topic`], for something else of this name.
pub fn topic_of(name: &[u8]) -> u32 {
    let database = transaction::database_oid();
    let mut of_all = [0; 20];
    of_all[..name.len()].copy_from_slice(name);
    of_all[16..].copy_from_slice(&database.to_u32().to_ne_bytes());
    (ffi::hash_bytes(&of_all) as u32).max(1)
}

/// This transaction, if it commits, wakes whoever waits for the session.
pub fn add(session: SessionId) {
    add_topic(topic(session));
}

/// As [`add`], whoever waits for this topic.
pub fn add_topic(topic: u32) {
    // Now, since it is too late when the transaction has been committed.
    if shared_memory::attach().is_some() {
        TOPICS.with_borrow_mut(|topics| topics.insert(topic));
    }
}

/// The transaction is visible to all. Nothing here may raise.
pub fn at_commit() {
    TOPICS.with_borrow_mut(|topics| {
        if !topics.is_empty() {
            waiting::wake(|topic| topics.contains(&topic));
            topics.clear();
        }
    });
}

/// The transaction wakes nobody.
pub fn clear() {
    TOPICS.with_borrow_mut(HashSet::clear);
}
