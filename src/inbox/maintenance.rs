//! What is done to the inboxes every now and then, by a background process that a writer starts, or `event.maintain()`:
//! sessions whose time is over go, old segments go, inboxes that hold too much are emptied.
//!
//! Each step is a short transaction. None of them waits for a writer, and no writer waits for one, but for the moment
//! in which a segment is opened.

use pgrx::prelude::*;

use super::{quota, retention};
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::transaction::{ActiveSnapshot, clock};
use crate::pg::{setting, worker};
use crate::tables::maintenance::{self, Run};
use crate::tables::registry;

#[pg_extern(sql = false)]
fn maintain_now() {
    setting::prevent_if_read_only(c"event.maintain()");
    let begun = clock();
    if worker::run(maintenance::NOW).is_err() {
        raise(Error::MaintenanceWorker);
    }
    if maintenance::newest().is_none_or(|run| run.ended_at < Some(begun)) {
        raise(Error::MaintenanceFailed);
    }
}

/// What the background process does. `remove_expired` removes sessions that nobody has used for too long.
pub fn maintain(job: &str, remove_expired: fn()) {
    let step = Step {
        in_any_case: job == maintenance::NOW,
    };
    if step.run(|| begin(step.in_any_case)) != Some(true) {
        return;
    }
    step.run(remove_expired);
    step.remove_old();
    // What has been removed has made room; and the one that was written to until now can be closed.
    if step.run(retention::open_next) == Some(true) {
        step.remove_old();
    }
    for session in step.run(quota::exceeded).unwrap_or_default() {
        step.run(|| quota::enforce(session));
    }
    step.run(|| {
        note(|run| Run {
            ended_at: Some(clock()),
            ..run
        })
    });
}

/// How the steps of a run are done.
#[derive(Clone, Copy)]
struct Step {
    /// After what another process is doing; otherwise a step that another one does just now is left out.
    in_any_case: bool,
}

impl Step {
    /// Does a step in a transaction of its own.
    fn run<T>(self, body: impl FnOnce() -> T) -> Option<T> {
        worker::transaction(|| {
            if !registry::exists() {
                return None;
            }
            if self.in_any_case {
                maintenance::lock();
            } else if !maintenance::try_lock() {
                return None;
            }
            // As of now, and not of before the lock.
            let _snapshot = ActiveSnapshot::push_latest();
            Some(body())
        })
    }

    fn remove_old(self) {
        self.run(retention::close);
        while self.run(retention::remove_oldest) == Some(true) {}
    }
}

/// Notes the run; false if there has been one just now.
fn begin(in_any_case: bool) -> bool {
    let now = clock();
    // Several writers may have started one at the same time.
    let pause = i64::from(gucs::MAINTENANCE_INTERVAL.get()) * 1_000 / 2;
    let before = maintenance::newest();
    if !in_any_case && before.is_some_and(|before| now < before.began_at + pause) {
        return false;
    }
    note(|run| run);
    true
}

/// Stores what has become of the newest run.
pub fn note(change: impl FnOnce(Run) -> Run) {
    let before = maintenance::newest();
    maintenance::insert(change(Run {
        began_at: clock(),
        counted: before.and_then(|before| before.counted),
        ended_at: before.and_then(|before| before.ended_at),
    }));
}
