//! Stretches of the feed, by which a set of recipients finds the transactions that concern it alone.
//!
//! 1. A stretch is as much of the feed as its positions share all but their last 16 bits: 64 kB of WAL.
//! 2. The first transaction of a stretch that concerns a set alone leads: it has an entry in an index by set. The others of the
//!    stretch are found by their place, from there.
//! 3. Who leads is kept in the shared memory. Whoever holds the commit lock reads it, and writes it when his commit is visible
//!    and he still has the lock: so who does not lead is seen by nobody who does not see the one that does.
//! 4. What has been forgotten there, or was never known, costs an index entry, as for each that leads.
//!
//! An index entry for each transaction by its set would be a fifth of what a small one costs under the lock. That an index has an
//! entry for the first of each stretch only is how Apache Kafka finds a message in a segment of its log.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxHashMap;

use super::epoch;
use crate::change::cursor::Position;
use crate::pg::shared_memory::{self, SharedMemory};

const BITS: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stretch {
    epoch: u16,
    number: u64,
}

impl Stretch {
    pub fn of(position: Position) -> Self {
        Self {
            epoch: position.epoch,
            number: position.lsn >> BITS,
        }
    }

    /// The first position that can be in it.
    pub fn first(self) -> Position {
        Position {
            epoch: self.epoch,
            lsn: self.number << BITS,
        }
    }

    /// The last position that can be in it.
    pub fn last(self) -> Position {
        Position {
            epoch: self.epoch,
            lsn: self.first().lsn | ((1 << BITS) - 1),
        }
    }
}

thread_local! {
    /// Where the running transaction leads: what the shared memory is to hold, and in which of its places.
    static OWN: RefCell<FxHashMap<u64, usize>> = RefCell::default();
}

/// Whether a transaction at this position, which concerns this set alone, leads. If it does, the caller, who holds the commit
/// lock, stores that it does in the same transaction.
pub fn leads(set: i64, position: Position) -> bool {
    // Now, since it is too late when the transaction has been committed.
    let (Some(shared), Some((mark, at))) = (shared_memory::attach(), mark(set, position)) else {
        return true;
    };
    if place(shared, at).load(Ordering::SeqCst) == mark {
        return false;
    }
    OWN.with_borrow_mut(|own| own.insert(mark, at).is_none())
}

/// The one at this position, of the running transaction, was to lead, and concerns others, too: the next one leads. None has got a
/// place after it.
pub fn does_not_lead(set: i64, position: Position) {
    if let Some((mark, _)) = mark(set, position) {
        OWN.with_borrow_mut(|own| own.remove(&mark));
    }
}

/// The transaction is visible to all, and has the commit lock still. Makes no call that could raise.
pub fn at_commit() {
    OWN.with_borrow_mut(|own| {
        for (mark, at) in own.drain() {
            if let Some(shared) = shared_memory::attached() {
                place(shared, at).store(mark, Ordering::SeqCst);
            }
        }
    });
}

/// What this transaction has stored is not there.
pub fn at_rollback() {
    OWN.with_borrow_mut(FxHashMap::clear);
}

/// What the shared memory holds where the set has one that leads at this position, and in which of its places. None in a copy of a
/// database that gives what it has been copied with a place before it begins its epoch.
fn mark(set: i64, position: Position) -> Option<(u64, usize)> {
    // Copies of a database have the same sets, and begin the same epoch; one that is made anew can have the same oid, too.
    let set = (epoch::nonce()?, set);
    let mark = shared_memory::mark((set, Stretch::of(position)));
    Some((mark, shared_memory::mark(set) as usize))
}

/// Sets that have the same place by chance take it from each other.
fn place(shared: SharedMemory, at: usize) -> &'static AtomicU64 {
    let places = shared.header.led.as_flattened();
    &places[at % places.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_begins_where_the_one_before_it_ends() {
        for lsn in [0, 1, 0xffff, 0x1_0000, 0x1_0001, 0x12_3456_789a, u64::MAX] {
            let position = Position { epoch: 3, lsn };
            let stretch = Stretch::of(position);
            assert!(stretch.first() <= position && position <= stretch.last());
            assert_eq!(Stretch::of(stretch.first()), stretch);
            assert_eq!(Stretch::of(stretch.last()), stretch);
            if let Some(next) = stretch.last().lsn.checked_add(1) {
                let next = Stretch::of(Position {
                    epoch: 3,
                    lsn: next,
                });
                assert_ne!(next, stretch);
                assert_eq!(next.first().lsn, stretch.last().lsn + 1);
            }
            assert_ne!(Stretch::of(Position { epoch: 4, lsn }), stretch);
        }
    }
}
