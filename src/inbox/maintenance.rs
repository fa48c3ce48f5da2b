//! What is done to the inboxes every now and then, by a background process that a writer starts, or `event.maintain()`:
//! sessions whose time is over go, old segments go, inboxes that hold too much are emptied.
//!
//! Each step is a short transaction. None of them waits for a writer, and no writer waits for one, but for the moment
//! in which a segment is opened.

use pgrx::prelude::*;

use super::{quota, retention};
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::transaction::clock;
use crate::pg::{setting, worker};
use crate::tables::maintenance::{self, Run};
use crate::tables::registry;

#[pg_extern(sql = false)]
fn maintain_now() {
    setting::prevent_if_read_only(c"event.maintain()");
    if worker::run(maintenance::NOW).is_err() {
        raise(Error::MaintenanceWorker);
    }
}

/// What the background process does. `remove_expired` removes sessions that nobody has used for too long.
pub fn maintain(job: &str, remove_expired: fn()) {
    if step(|| begin(job == maintenance::NOW)) != Some(true) {
        return;
    }
    step(remove_expired);
    remove_old();
    // What has been removed has made room; and the one that was written to until now can be closed.
    if step(retention::open_next) == Some(true) {
        remove_old();
    }
    for session in step(quota::exceeded).unwrap_or_default() {
        step(|| quota::enforce(session));
    }
}

fn remove_old() {
    step(retention::close);
    while step(retention::remove_oldest) == Some(true) {}
}

/// Does a step in a transaction of its own, unless another process does one just now.
fn step<T>(body: impl FnOnce() -> T) -> Option<T> {
    worker::transaction(|| (registry::exists() && maintenance::try_lock()).then(body))
}

/// Notes the run; false if there has been one just now.
fn begin(in_any_case: bool) -> bool {
    let before = maintenance::newest();
    let now = clock();
    // Several writers may have started one at the same time.
    let pause = i64::from(gucs::MAINTENANCE_INTERVAL.get()) * 1_000 / 2;
    if !in_any_case && before.is_some_and(|before| now < before.began_at + pause) {
        return false;
    }
    maintenance::insert(Run {
        began_at: now,
        counted: before.and_then(|before| before.counted),
    });
    true
}
