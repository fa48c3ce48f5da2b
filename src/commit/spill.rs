//! The changes of the running transaction that have gone to the log before its commit, because they were too many to
//! keep in memory.
//!
//! Only the changes of the innermost open subtransaction go: they are stored by it, so that its rollback undoes them
//! and nothing else. What has to be known of them at the commit is kept here, by level.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::audience::{Audience, Tally};
use super::{append, late};
use crate::change::outbox::{self, Changes};
use crate::gucs;
use crate::pg::memory::in_own_context;
use crate::pg::transaction::{ActiveSnapshot, nest_level, top_xid};
use crate::tables::{epoch, invalidation, own_segment, unrecorded};

/// What the subtransactions of one level have stored.
struct OfLevel {
    level: i32,
    spilled: Spilled,
}

/// What has been stored.
#[derive(Default)]
pub struct Spilled {
    /// The recipient sets that it is for.
    pub sets: BTreeSet<i64>,
    /// How many changes they are.
    pub changes: u64,
    /// How many events each session gets of it.
    pub tally: Tally,
    /// When all of it was counted, as [`invalidation::generation`] says; `None` if not all at a time.
    counted: Option<u64>,
}

impl Spilled {
    fn add(&mut self, other: Self) {
        self.counted = if self.sets.is_empty() || self.counted == other.counted {
            other.counted
        } else {
            None
        };
        self.sets.extend(other.sets);
        self.changes += other.changes;
        self.tally.add(other.tally);
    }

    /// Takes the tally away; `None` if a session, a relation or a privilege has changed since.
    pub fn take_tally(&mut self) -> Option<Tally> {
        let is_current = self.counted == Some(invalidation::generation());
        is_current.then(|| std::mem::take(&mut self.tally))
    }
}

thread_local! {
    static SPILLED: RefCell<Vec<OfLevel>> = const { RefCell::new(Vec::new()) };
}

/// Stores the changes of the running subtransaction, whose level it is.
pub fn spill(level: i32) {
    store(level, outbox::with(|outbox| outbox.take_level(level)));
    if outbox::with(|outbox| outbox.is_late) {
        late::tell();
    }
}

/// Stores these changes of the running subtransaction.
pub fn store(level: i32, changes: Changes) {
    if changes.is_empty() || !unrecorded::can_record() {
        return;
    }
    // There can be a great many subtransactions, and none may leave memory to its parent.
    let stored = in_own_context(|| {
        let _snapshot = ActiveSnapshot::push();
        let sets = append::append(&own_segment::get(), &changes, epoch::begin(), top_xid());
        let counted = Some(invalidation::generation());
        Spilled {
            sets,
            changes: changes.len() as u64,
            tally: Tally::of(&changes, &mut Audience::default()),
            counted,
        }
    });
    SPILLED.with_borrow_mut(|levels| match levels.last_mut() {
        Some(last) if last.level == level => last.spilled.add(stored),
        _ => levels.push(OfLevel {
            level,
            spilled: stored,
        }),
    });
}

/// The subtransaction that is running is about to be released. Many small ones would fill the memory of their
/// parent, which could not be stored then.
pub fn before_sub_commit() {
    if outbox::with(|outbox| outbox.bytes() > gucs::outbox_bytes()) {
        spill(nest_level());
    }
}

pub fn at_sub_abort(level: i32) {
    SPILLED.with_borrow_mut(|levels| levels.retain(|of_level| of_level.level < level));
}

pub fn at_sub_commit(level: i32) {
    SPILLED.with_borrow_mut(|levels| {
        let Some(mut released) = levels.pop_if(|last| last.level >= level) else {
            return;
        };
        match levels.last_mut() {
            Some(parent) if parent.level == level - 1 => parent.spilled.add(released.spilled),
            _ => {
                released.level = level - 1;
                levels.push(released);
            }
        }
    });
}

pub fn is_empty() -> bool {
    SPILLED.with_borrow(Vec::is_empty)
}

/// Takes what has been stored away, which leaves nothing.
pub fn take() -> Spilled {
    let mut all = Spilled::default();
    for of_level in SPILLED.take() {
        all.add(of_level.spilled);
    }
    all
}
