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
    let mut waiting = unsequenced::waiting(FEW);
    let changes = waiting.first.iter();
    let changes = changes.map(|one| one.contents.logged_changes());
    let is_much = !waiting.rest.is_empty() || changes.sum::<u64>() > FEW_CHANGES;
    if is_much && sequencer::start() {
        return Done::Left;
    }
    // Nobody else can do it.
    if !waiting.rest.is_empty() {
        waiting = unsequenced::waiting(usize::MAX);
    }
    let is_free = |one: &Unsequenced| lock::try_relation_row_exclusive(one.segment.log);
    if !waiting.first.iter().all(is_free) {
        return Done::Left;
    }
    Done::All(give_places(&waiting, has_skipped))
}

/// Gives so many of the transactions that have been committed by now their places, and sends their notifications. The caller, who
/// is no writer, holds the commit lock. Whether there are more.
pub fn at_most(most: usize) -> bool {
    let _snapshot = ActiveSnapshot::push_latest();
    let waiting = unsequenced::waiting(most);
    for one in &waiting.first {
        lock::relation_row_exclusive(one.segment.log);
    }
    let last = give_places(&waiting, false);
    last.iter().for_each(last_place::set);
    !waiting.rest.is_empty()
}

/// To the first ones. What they have written to is locked, so that it stays open until this transaction has ended. Returns the last
/// place.
fn give_places(all: &Waiting, has_skipped: bool) -> Option<Placed> {
    let mut last: Option<Placed> = None;
    for waiting in &all.first {
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
        sequenced::insert(&all.seen, &all.rest);
    }
    last
}
