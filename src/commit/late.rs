//! What is changed after our pre-commit, by another callback of the same kind: those that were registered before ours run after
//! it. It is stored at once, and told by nudges.

use std::cell::RefCell;

use super::append;
use super::notify::Notifications;
use super::pre_commit::own;
use super::spill::{self, Spilled};
use crate::change::outbox;
use crate::pg::memory::in_own_context;
use crate::pg::transaction::{ActiveSnapshot, next_command};
use crate::tables::contents::Contents;
use crate::tables::feed::Feed;
use crate::tables::transaction::Placed;
use crate::tables::{last_place, own_segment, sequencer, unsequenced};

thread_local! {
    /// The place that the running transaction has taken.
    static PLACED: RefCell<Option<Placed>> = const { RefCell::new(None) };
}

/// What comes from now on is late.
pub fn begin() {
    outbox::with(|outbox| outbox.is_late = true);
}

/// The running transaction has this place.
pub fn placed(placed: Placed) {
    PLACED.set(Some(placed));
}

/// The transaction has ended.
pub fn clear() {
    PLACED.set(None);
}

/// Makes the transaction's row tell of what the running subtransaction has just stored.
pub fn tell() {
    let mut spilled = spill::take();
    if spilled.sets.is_empty() {
        return;
    }
    in_own_context(|| {
        let _snapshot = ActiveSnapshot::push();
        // The row may be of this command.
        next_command();
        let log = |contents: &Contents| append::from_row(&own(Contents::nothing()), contents);
        match PLACED.with_borrow(Clone::clone) {
            Some(placed) => extend(placed, &mut spilled, log),
            None => {
                unsequenced::extend(own(Contents::logged(spilled.sets, spilled.changes)), log);
                sequencer::need();
            }
        }
    });
}

fn extend(mut placed: Placed, spilled: &mut Spilled, log: impl FnOnce(&Contents)) {
    let nudges = Notifications::nudges(placed.source.clone(), std::mem::take(&mut spilled.tally));
    nudges.send(&placed, placed.has_skips);
    // Whatever becomes of the running subtransaction: the next one looks.
    placed.has_skips = true;
    Feed::open(own_segment::get()).extend(&placed, &spilled.sets, log);
    last_place::set(&placed);
    PLACED.set(Some(placed));
}
