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

use super::{interned, late, pre_commit, spill};
use crate::change::{gaps, outbox, replay};
use crate::pg::report::never_raise;
use crate::pg::transaction::{is_exiting, nest_level};
use crate::pg::{fault, in_flight, notify};
use crate::tables::{epoch, last_place, own_segment, stretch, unrecorded, wakeups};

thread_local! {
    static AT_ROLLBACK: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Registers the callbacks. `replay` reads the inbox for a session that attaches; `at_rollback` is told of
/// every rollback of a transaction or savepoint, and of every PREPARE, since what the own changes had made
/// true is so no longer. `tell_gaps` puts the last events of the transaction into the outbox.
pub fn init(replay: pre_commit::SendReplay, at_rollback: fn(), tell_gaps: fn()) {
    pre_commit::init(replay, tell_gaps);
    AT_ROLLBACK.set(Some(at_rollback));
    outbox::set_spill(spill::spill);
    // What has a destructor asks for memory when it is first used, which must not be in the commit callback.
    clear();
    interned::at_rollback();
    stretch::at_rollback();
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
        XactEvent::XACT_EVENT_PRE_COMMIT => pre_commit::run(),
        XactEvent::XACT_EVENT_PRE_PREPARE => pre_commit::before_prepare(),
        XactEvent::XACT_EVENT_COMMIT => {
            never_raise(|| fault::point("commit_callback"));
            never_raise(in_flight::end);
            never_raise(last_place::at_commit);
            never_raise(interned::at_commit);
            never_raise(stretch::at_commit);
            never_raise(wakeups::at_commit);
            never_raise(clear);
        }
        // What is in the process's own memory goes with it, and it may have ended in the middle of a change to that.
        XactEvent::XACT_EVENT_ABORT if is_exiting() => in_flight::end(),
        XactEvent::XACT_EVENT_ABORT | XactEvent::XACT_EVENT_PREPARE => {
            in_flight::end();
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
            own_segment::at_sub_commit(level);
            outbox::with(|outbox| outbox.at_sub_commit(level));
            replay::with(|replays| replays.at_sub_commit(level));
            gaps::with(|gaps| gaps.at_sub_commit(level));
        }
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB if is_exiting() => {}
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            spill::at_sub_abort(level);
            own_segment::at_sub_abort(level);
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
    stretch::at_rollback();
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
    late::clear();
    last_place::clear();
    notify::clear();
    own_segment::clear();
    wakeups::clear();
    unrecorded::clear();
}
