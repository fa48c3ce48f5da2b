//! What the next place in the feed has to know of the last one: kept in the shared memory, since each commit asks.
//!
//! Whoever holds the commit lock reads it, and writes it when his commit is visible and he still has the lock. What is not there
//! (the server has just been started, another database has the same place, there is no shared memory) is looked up.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use super::transaction::Placed;
use super::{epoch, feed, skipped};
use crate::pg::shared_memory;

/// Of the last transaction of an epoch that has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Last {
    pub lsn: u64,
    /// Microseconds since 2000-01-01 UTC.
    pub at: i64,
    /// As [`Placed::has_skips`].
    pub has_skips: bool,
}

impl From<&Placed> for Last {
    fn from(placed: &Placed) -> Self {
        Self {
            lsn: placed.position.lsn,
            at: placed.at,
            has_skips: placed.has_skips,
        }
    }
}

thread_local! {
    /// What the running transaction will leave, with the mark of its owner.
    static OWN: Cell<Option<(u64, Last)>> = const { Cell::new(None) };
}

/// The last one of this epoch. The caller holds the commit lock.
pub fn get(epoch: u16) -> Last {
    // Now, since it is too late when the transaction has been committed.
    let shared = shared_memory::attach().filter(|_| epoch == epoch::current());
    if let Some(shared) = shared {
        let [owner, lsn, at] = shared.header.last_place[shared_memory::database()]
            .each_ref()
            .map(|value| value.load(Ordering::SeqCst));
        for has_skips in [false, true] {
            let at = at as i64;
            let last = Last { lsn, at, has_skips };
            if Some(owner) == mark(epoch, last) {
                return last;
            }
        }
    }
    feed::newest(epoch).as_ref().map_or_else(
        || Last {
            lsn: 0,
            at: i64::MIN,
            has_skips: skipped::any(),
        },
        Last::from,
    )
}

/// The running transaction has this place, as the last one.
pub fn set(placed: &Placed) {
    let last = Last::from(placed);
    OWN.set(mark(placed.position.epoch, last).map(|mark| (mark, last)));
}

/// The transaction is visible to all, and has the commit lock still. Makes no call that could raise.
pub fn at_commit() {
    if let Some((mark, last)) = OWN.take()
        && let Some(shared) = shared_memory::attached()
    {
        let [owner, lsn, at] = &shared.header.last_place[shared_memory::database()];
        lsn.store(last.lsn, Ordering::SeqCst);
        at.store(last.at as u64, Ordering::SeqCst);
        owner.store(mark, Ordering::SeqCst);
    }
}

/// The transaction leaves nothing.
pub fn clear() {
    OWN.set(None);
}

/// By the database itself: one that is made anew can have the same oid and begin the same epoch. And by what it marks: two databases
/// that have the same place can write there at once.
fn mark(epoch: u16, last: Last) -> Option<u64> {
    Some(shared_memory::mark((epoch::nonce()?, epoch, last)))
}
