//! What is done at the end of a transaction that has changes for somebody, before the server commits it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::audience::Tally;
use super::notify::Notifications;
use super::{append, late, position, sequence, spill};
use crate::change::event::Source;
use crate::change::outbox::{self, Changes};
use crate::change::replay::{self, Replay, Replays};
use crate::gucs::{self, Delivery};
use crate::pg::memory::in_own_context;
use crate::pg::transaction::{
    ActiveSnapshot, accept_invalidations, nest_level, top_xid, transaction_time_left, wal_position,
};
use crate::pg::{fault, lock, worker};
use crate::tables::contents::Contents;
use crate::tables::feed::Feed;
use crate::tables::unsequenced::{self, Unsequenced};
use crate::tables::{
    commit_lock, epoch, last_place, maintenance, own_segment, sequencer, unrecorded,
};

/// Queues a session's pending events as notifications of this transaction. Without the commit lock a nudge stands for
/// them. False if the server's queue had no room for them.
pub type SendReplay = fn(Replay, has_lock: bool) -> bool;

thread_local! {
    static REPLAY: Cell<Option<SendReplay>> = const { Cell::new(None) };
    static TELL_GAPS: Cell<Option<fn()>> = const { Cell::new(None) };
}

pub fn init(replay: SendReplay, tell_gaps: fn()) {
    REPLAY.set(Some(replay));
    TELL_GAPS.set(Some(tell_gaps));
}

fn has_events() -> bool {
    outbox::with(|outbox| !outbox.is_empty()) || !spill::is_empty()
}

fn tell_gaps() {
    if let Some(tell_gaps) = TELL_GAPS.get() {
        tell_gaps();
    }
}

/// What [`run`] is to a transaction that is being prepared. It keeps no lock that others need: the sequencer gives it its
/// place when it has been committed, by whomever.
pub fn before_prepare() {
    tell_gaps();
    if has_events() && unrecorded::can_record() {
        accept_invalidations();
        lock::wait_without_timeout();
        commit_unsequenced(Stored::now().transaction);
    }
    late::begin();
}

/// The last thing of ours that a transaction does, unless another callback changes something afterwards. One whose changes
/// matched nobody is not here for long.
pub fn run() {
    tell_gaps();
    let has_events = has_events();
    let replays = replay::take();
    if (!has_events && replays.is_empty()) || !unrecorded::can_record() {
        return late::begin();
    }
    // A procedure that commits again and again has one context for all of its transactions.
    in_own_context(|| tell(has_events, &replays));
    fault::point("pre_commit_end");
}

fn tell(has_events: bool, replays: &Replays) {
    // What the owners may read now decides what they are told.
    accept_invalidations();
    if maintenance::is_due() {
        // Without a free process the next one does.
        let _ = worker::start(maintenance::WHEN_DUE);
    }
    lock::wait_without_timeout();
    let stored = has_events.then(Stored::now);
    late::begin();
    match stored {
        Some(stored) if gucs::DELIVERY.get() == Delivery::Sequencer => {
            if !replays.is_empty() {
                in_order(None, replays);
            }
            commit_unsequenced(stored.transaction);
        }
        stored => in_order(stored, replays),
    }
}

/// Gives this transaction its place, if the commit lock is to be had.
fn in_order(stored: Option<Stored>, replays: &Replays) {
    let rendered = stored.map(Stored::render);
    // The last lock but NOTIFY's own, and held until the commit is visible to all.
    fault::point("before_lock");
    let has_lock = commit_lock::take_within(patience());
    if has_lock {
        fault::point("after_lock");
    }
    // First: what others are given a place for now comes behind what is pending.
    let has_skipped = send_replays(replays, has_lock);
    if has_lock && sequence::those_that_wait(has_skipped) {
        place(rendered, has_skipped);
    } else {
        place(None, has_skipped);
        if let Some((transaction, _)) = rendered {
            commit_unsequenced(transaction);
        }
    }
}

/// How long the commit lock is waited for: a `transaction_timeout` of the writer's own must not strike meanwhile.
fn patience() -> Duration {
    let patience = gucs::commit_lock_timeout();
    transaction_time_left().map_or(patience, |left| patience.min(left / 2))
}

/// The caller holds the commit lock. What was skipped is remembered by the newest transaction, if need be by one without
/// events.
fn place(rendered: Option<(Unsequenced, Notifications)>, has_skipped: bool) {
    let has_changes = rendered.is_some();
    if !has_changes && !has_skipped {
        return;
    }
    let nothing = || (own(Contents::nothing()), Notifications::default());
    let (transaction, notifications) = rendered.unwrap_or_else(nothing);
    // First: a session that is altered while this waits for somebody is followed.
    let feed = Feed::open(Rc::clone(&transaction.segment));
    let last = last_place::get(transaction.epoch);
    let mut placed = position::next(last, &transaction);
    placed.has_skips |= has_skipped;
    placed.has_skips = notifications.send(&placed, placed.has_skips);
    feed.insert(&placed, &transaction.contents);
    last_place::set(&placed);
    if has_changes {
        late::placed(placed);
    }
}

/// Whoever sequences next gives this transaction its place, and sends its notifications.
fn commit_unsequenced(transaction: Unsequenced) {
    fault::point("unsequenced");
    unsequenced::insert(&transaction);
    sequencer::need();
}

/// Whether some replay was skipped, which happens under the lock only.
fn send_replays(replays: &Replays, has_lock: bool) -> bool {
    let Some(replay) = REPLAY.get() else {
        return false;
    };
    if replays.is_empty() {
        return false;
    }
    let _snapshot = ActiveSnapshot::push();
    let skipped = replays.iter().filter(|session| !replay(*session, has_lock));
    skipped.count() > 0
}

/// The running transaction as it is now, with these contents.
pub fn own(contents: Contents) -> Unsequenced {
    Unsequenced {
        segment: own_segment::get(),
        epoch: epoch::begin(),
        source: source(),
        noted: wal_position(),
        contents,
    }
}

/// This transaction, as it says at its end who it is.
fn source() -> Source {
    Source {
        xid: top_xid(),
        origin: gucs::origin(),
    }
}

/// This transaction, with its changes stored.
struct Stored {
    transaction: Unsequenced,
    /// The changes, if all of them were in memory.
    changes: Option<Changes>,
    /// The events, if the changes were not and these are known.
    tally: Option<Tally>,
}

impl Stored {
    fn now() -> Self {
        let mut changes = outbox::with(|outbox| outbox.take_all());
        changes.sort();
        if spill::is_empty() {
            let contents = append::small_or_logged(&changes);
            return Self {
                transaction: own(contents),
                changes: Some(changes),
                tally: None,
            };
        }
        spill::store(nest_level(), changes);
        let mut spilled = spill::take();
        let tally = spilled.take_tally();
        Self {
            transaction: own(Contents::logged(spilled.sets, spilled.changes)),
            changes: None,
            tally,
        }
    }

    /// Everything that can be done before the lock is taken.
    fn render(self) -> (Unsequenced, Notifications) {
        let transaction = self.transaction;
        let notifications = match &self.changes {
            Some(changes) => Notifications::of_changes(changes, &transaction.source),
            None => {
                let _snapshot = ActiveSnapshot::push();
                Notifications::of_stored(&transaction, self.tally)
            }
        };
        (transaction, notifications)
    }
}
