//! Gives their places to transactions that have been committed without one.

use std::rc::Rc;

use super::notify::Notifications;
use super::position;
use crate::pg::memory::in_own_context;
use crate::pg::transaction::ActiveSnapshot;
use crate::pg::{fault, lock, subtransaction};
use crate::tables::feed::Feed;
use crate::tables::last_place::{self, Last};
use crate::tables::transaction::Placed;
use crate::tables::unsequenced::{self, Unsequenced, Waiting};
use crate::tables::{sequenced, sequencer, wakeups};

/// A writer does as much for others; it leaves more to the sequencer, since all who commit wait for it meanwhile.
const FEW: usize = 100;
const FEW_CHANGES: u64 = 1_000;

/// What a writer has done for others.
enum Done {
    /// Nobody waits any more. The last one has this place, if there was one.
    All(Option<Placed>),
    /// That was too much.
    Left,
}

/// Does so before the caller, who holds the commit lock, takes a place of its own: it could have seen them. False if that
/// is not possible: then the caller must not take one. `has_skipped`: whether it has kept events back.
pub fn those_that_wait(has_skipped: bool) -> bool {
    if !unsequenced::may_wait() {
        return true;
    }
    match subtransaction::catch_error(|| for_others(has_skipped)) {
        Ok(Done::All(last)) => {
            last.iter().for_each(last_place::set);
            true
        }
        Ok(Done::Left) => false,
        Err(message) => {
            pgrx::log!(
                "pg_reldiff could not sequence the transactions that wait for it: {message}"
            );
            false
        }
    }
}

fn for_others(has_skipped: bool) -> Done {
    if !unsequenced::is_waiting() {
        return Done::All(None);
    }
    let _snapshot = ActiveSnapshot::push_latest();
    let Waiting { mut first, rest } = unsequenced::waiting(FEW);
    let changes = first.iter().map(|one| one.contents.logged_changes());
    let is_much = !rest.is_empty() || changes.sum::<u64>() > FEW_CHANGES;
    if is_much && sequencer::start() {
        return Done::Left;
    }
    // Nobody else can do it.
    if !rest.is_empty() {
        first = unsequenced::waiting(usize::MAX).first;
    }
    let is_free = |one: &Unsequenced| lock::try_relation_row_exclusive(one.segment.log);
    if !first.iter().all(is_free) {
        return Done::Left;
    }
    Done::All(give_places(&first, &[], has_skipped))
}

/// Gives so many of the transactions that have been committed by now their places, and sends their notifications. The caller, who
/// is no writer, holds the commit lock. Whether there are more.
pub fn at_most(most: usize) -> bool {
    let _snapshot = ActiveSnapshot::push_latest();
    let Waiting { first, rest } = unsequenced::waiting(most);
    for waiting in &first {
        lock::relation_row_exclusive(waiting.segment.log);
    }
    let last = give_places(&first, &rest, false);
    last.iter().for_each(last_place::set);
    !rest.is_empty()
}

/// `all` are those that the active snapshot sees, but for the rest; what they have written to is locked, so that it stays open
/// until this transaction has ended. Returns the last place.
fn give_places(all: &[Unsequenced], rest: &[u64], has_skipped: bool) -> Option<Placed> {
    let mut last: Option<Placed> = None;
    for waiting in all {
        fault::point("sequence");
        let before = last
            .as_ref()
            .filter(|last| last.position.epoch == waiting.epoch)
            .map_or_else(|| last_place::get(waiting.epoch), Last::from);
        last = Some(in_own_context(|| {
            let feed = Feed::open(Rc::clone(&waiting.segment));
            let notifications = Notifications::of_stored(waiting, None);
            let mut placed = position::next(before, waiting);
            placed.has_skips |= has_skipped;
            placed.has_skips = notifications.send(&placed, placed.has_skips);
            feed.insert(&placed, &waiting.contents);
            placed
        }));
    }
    if last.is_some() {
        wakeups::add_topic(sequencer::done());
        sequenced::insert(rest);
    }
    last
}
