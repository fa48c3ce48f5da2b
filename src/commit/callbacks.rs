//! The transaction callbacks.
//!
//! They are registered once per backend and stay. `_PG_init` can run late, inside a savepoint, so nothing
//! counts the starts of subtransactions: each change carries its nesting level.
//!
//! Order at commit: deferred triggers, then PRE_COMMIT, then the server's own notification step, then the
//! commit itself. An ERROR in PRE_COMMIT aborts cleanly. One in COMMIT would be a PANIC, and so would be a lack of memory: nothing
//! is done there but clearing vectors and setting latches, which allocates nothing, and what is raised nevertheless stays there.

use std::cell::Cell;

use pgrx::pg_guard;
use pgrx::pg_sys::{self, SubXactEvent, XactEvent};

use super::{append, interned, notify, position, spill};
use crate::change::event::Source;
use crate::change::replay::{self, Replay, Replays};
use crate::change::{gaps, outbox};
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::report::never_raise;
use crate::pg::transaction::{
    ActiveSnapshot, accept_invalidations, is_exiting, nest_level, top_xid, wal_position,
};
use crate::pg::{fault, lock, worker};
use crate::tables::transaction::{self, Feed};
use crate::tables::{commit_lock, epoch, maintenance, segment, wakeups};

/// Queues a session's pending events as notifications of this transaction; called under the commit lock. False if the
/// server's queue had no room for them.
pub type SendReplay = fn(Replay) -> bool;

thread_local! {
    static REPLAY: Cell<Option<SendReplay>> = const { Cell::new(None) };
    static AT_ROLLBACK: Cell<Option<fn()>> = const { Cell::new(None) };
    static TELL_GAPS: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Registers the callbacks. `replay` reads the inbox for a session that attaches; `at_rollback` is told of
/// every rollback of a transaction or savepoint, and of every PREPARE, since what the own changes had made
/// true is so no longer. `tell_gaps` puts the last events of the transaction into the outbox.
pub fn init(replay: SendReplay, at_rollback: fn(), tell_gaps: fn()) {
    REPLAY.set(Some(replay));
    AT_ROLLBACK.set(Some(at_rollback));
    TELL_GAPS.set(Some(tell_gaps));
    outbox::set_spill(spill::spill);
    // SAFETY: called once per backend; the functions live as long as the library, which is never unloaded.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(
    event: XactEvent::Type,
    _arg: *mut std::ffi::c_void,
) {
    match event {
        XactEvent::XACT_EVENT_PRE_COMMIT => pre_commit(),
        XactEvent::XACT_EVENT_PRE_PREPARE => pre_prepare(),
        XactEvent::XACT_EVENT_COMMIT => {
            never_raise(|| fault::point("commit_callback"));
            never_raise(interned::at_commit);
            never_raise(wakeups::at_commit);
            never_raise(clear);
        }
        // What is in the process's own memory goes with it, and it may have ended in the middle of a change to that.
        XactEvent::XACT_EVENT_ABORT if is_exiting() => {}
        XactEvent::XACT_EVENT_ABORT | XactEvent::XACT_EVENT_PREPARE => {
            clear();
            rolled_back();
        }
        // A parallel worker changes nothing.
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_event(
    event: SubXactEvent::Type,
    _subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut std::ffi::c_void,
) {
    let level = nest_level();
    match event {
        SubXactEvent::SUBXACT_EVENT_PRE_COMMIT_SUB => spill::before_sub_commit(),
        SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => {
            spill::at_sub_commit(level);
            segment::at_sub_commit(level);
            outbox::with(|outbox| outbox.at_sub_commit(level));
            replay::with(|replays| replays.at_sub_commit(level));
            gaps::with(|gaps| gaps.at_sub_commit(level));
        }
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB if is_exiting() => {}
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            spill::at_sub_abort(level);
            segment::at_sub_abort(level);
            outbox::with(|outbox| outbox.at_sub_abort(level));
            replay::with(|replays| replays.at_sub_abort(level));
            gaps::with(|gaps| gaps.at_sub_abort(level));
            rolled_back();
        }
        _ => {}
    }
}

/// What the own changes had made true is so no longer.
fn rolled_back() {
    interned::at_rollback();
    epoch::at_rollback();
    if let Some(at_rollback) = AT_ROLLBACK.get() {
        at_rollback();
    }
}

fn clear() {
    drop(outbox::take());
    drop(spill::take());
    drop(replay::take());
    drop(gaps::take());
    segment::clear();
    wakeups::clear();
}

fn has_events() -> bool {
    outbox::with(|outbox| !outbox.is_empty()) || !spill::is_empty()
}

fn tell_gaps() {
    if let Some(tell_gaps) = TELL_GAPS.get() {
        tell_gaps();
    }
}

fn pre_prepare() {
    tell_gaps();
    if has_events() || replay::with(|replays| !replays.is_empty()) {
        raise(Error::TwoPhase);
    }
}

/// The last thing of ours that a transaction does. One whose changes matched nobody is not here.
fn pre_commit() {
    tell_gaps();
    let has_events = has_events();
    let replays = replay::take();
    if (!has_events && replays.is_empty()) || !segment::exists() {
        return;
    }
    // What the owners may read now decides what they are told.
    accept_invalidations();
    if maintenance::is_due() {
        // Without a free process the next one does.
        let _ = worker::start(maintenance::WHEN_DUE);
    }
    lock::wait_without_timeout();
    let flushed = has_events.then(flush);
    let segment = segment::own();
    // The last lock but NOTIFY's own, and held until the commit is visible to all.
    fault::point("before_lock");
    commit_lock::take();
    fault::point("after_lock");
    let has_skipped = send_replays(&replays);
    if flushed.is_none() && !has_skipped {
        return;
    }
    // What was skipped is remembered by the newest transaction, if need be by one without events.
    let flushed = flushed.unwrap_or_else(Flushed::nothing);
    let feed = Feed::open(segment);
    let mut placed = position::next(&feed, flushed.epoch, flushed.source);
    placed.has_skips |= has_skipped;
    placed.has_skips = flushed.notifications.send(&placed, placed.has_skips);
    transaction::insert(&feed, &placed, flushed.noted, &flushed.contents);
    fault::point("pre_commit_end");
}

/// Whether some replay was skipped.
fn send_replays(replays: &Replays) -> bool {
    let Some(replay) = REPLAY.get() else {
        return false;
    };
    if replays.is_empty() {
        return false;
    }
    let _snapshot = ActiveSnapshot::push();
    let skipped = replays.iter().filter(|session| !replay(*session)).count();
    skipped > 0
}

/// A transaction whose changes are in the log and whose notifications are rendered.
struct Flushed {
    epoch: u16,
    source: Source,
    noted: u64,
    contents: transaction::Contents,
    notifications: notify::Notifications,
}

impl Flushed {
    fn nothing() -> Self {
        Self {
            epoch: epoch::begin(),
            source: source(),
            noted: wal_position(),
            contents: transaction::Contents::logged([]),
            notifications: notify::Notifications::default(),
        }
    }
}

/// This transaction, as it says at its end who it is.
fn source() -> Source {
    Source {
        xid: top_xid(),
        origin: gucs::origin(),
    }
}

/// Everything that can be done before the lock is taken.
fn flush() -> Flushed {
    let mut changes = outbox::take().take_all();
    changes.sort();
    let (epoch, source) = (epoch::begin(), source());
    let segment = segment::own();
    let (contents, notifications) = if spill::is_empty() {
        let contents = append::small(&segment, &changes).unwrap_or_else(|| {
            transaction::Contents::logged(append::append(&segment, &changes, epoch, source.xid))
        });
        (
            contents,
            notify::Notifications::of_changes(&changes, source.clone()),
        )
    } else {
        spill::store(nest_level(), changes);
        let mut spilled = spill::take();
        let _snapshot = ActiveSnapshot::push();
        let notifications =
            notify::Notifications::of_log(&segment, &mut spilled, epoch, source.clone());
        (transaction::Contents::logged(spilled.sets), notifications)
    };
    Flushed {
        epoch,
        source,
        noted: wal_position(),
        contents,
        notifications,
    }
}
