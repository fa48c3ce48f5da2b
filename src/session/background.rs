//! Creating a relation's triggers in a transaction of its own.
//!
//! It needs a lock that keeps writers away, and a subscriber may idle in its transaction for hours. So a background
//! process takes the lock, creates the triggers and commits, while the subscriber waits for it:
//!
//! 1. It takes what is free, on the relation and all that it contains, or nothing. That delays nobody.
//! 2. On a table that is never free it queues for a moment, so that short writers end while the next ones wait; then it
//!    lets everything go, and pauses longer each time.
//! 3. It gives up after `reldiff.track_timeout`, or when the subscriber's transaction has ended.
//!
//! The subscriber looks at the catalog afterwards, as it did before: nothing is handed over.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Oid;

use super::{subscriptions, tracking};
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::relation::{self, Description};
use crate::pg::worker::{self, NoWorker};
use crate::pg::{lock, setting, subtransaction, transaction};
use crate::tables::registry;

/// Between two attempts that delay nobody.
const LOOK: Duration = Duration::from_millis(20);

/// So long a writer may wait behind an attempt, and some more until the triggers are there: 100 ms in all.
const QUEUED: Duration = Duration::from_millis(60);

/// From one attempt that delays writers to the next one, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What to do when the server has no process left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutWorker {
    /// Wait for one, then raise 55P03: the caller may stay in its transaction.
    Raise,
    /// Create the triggers in the caller's transaction.
    CreateHere,
}

/// What a worker is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    relation: Oid,
    timeout: Duration,
    /// The transaction that waits, by the last 32 bits of its id.
    requester: u32,
}

impl Request {
    fn write(self) -> String {
        let milliseconds = self.timeout.as_millis();
        format!(
            "{} {milliseconds} {}",
            self.relation.to_u32(),
            self.requester
        )
    }

    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            relation: Oid::from_u32(next()?),
            timeout: Duration::from_millis(next()?.into()),
            requester: next()?,
        })
    }
}

/// Has the triggers created that the relation and what it contains need, and waits for it. Raises 55P03 if they could not
/// be created within `reldiff.track_timeout`; false without a background process.
pub fn create(description: &Description, without_worker: WithoutWorker) -> bool {
    let (begun, timeout) = (Instant::now(), gucs::track_timeout());
    let requester = transaction::top_xid() as u32;
    let ask = || {
        let left = timeout.saturating_sub(begun.elapsed());
        let request = Request {
            relation: description.oid,
            // Whole milliseconds: not before the time is over.
            timeout: left + Duration::from_millis(1),
            requester,
        };
        worker::run(&request.write())
    };
    while let Err(NoWorker) = ask() {
        if without_worker == WithoutWorker::CreateHere {
            return false;
        }
        if begun.elapsed() >= timeout {
            raise(Error::TrackWorker {
                relation: description.display(),
                problem: "No background process was free: SHOW max_worker_processes.",
            });
        }
        lock::sleep(LOOK.as_millis() as i64);
    }
    transaction::accept_invalidations();
    if tracking::is_tracked(description) {
        return true;
    }
    tracking::check_members(description);
    let relation = description.display();
    raise(if begun.elapsed() >= timeout {
        Error::TrackTimeout { relation }
    } else {
        Error::TrackWorker {
            relation,
            problem: "The background process that creates it has failed: the server's log says why.",
        }
    })
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// The triggers are there, or need not or cannot be any more.
    Over,
    /// Writers are in the way.
    Busy,
    /// The locks were to be had, but something else was not: somebody is altering the relation, or granting something on it.
    Blocked,
}

/// What the background process does, as [`Request::write`] asks for it.
pub fn work(argument: &str) {
    let Some(request) = Request::read(argument) else {
        return;
    };
    let begun = Instant::now();
    let (mut pause, mut next_queued) = (FIRST_PAUSE, begun);
    loop {
        let left = request.timeout.saturating_sub(begun.elapsed());
        // A writer that waits for one of our locks while we wait for the writer's must not be failed as a deadlock.
        let patience = QUEUED.min(lock::deadlock_timeout() / 2).min(left);
        let queues = Instant::now() >= next_queued && !patience.is_zero();
        let outcome = worker::transaction(|| match attempt(&request, None) {
            Attempt::Busy if queues => attempt(&request, Some(patience)),
            outcome => outcome,
        });
        if outcome == Attempt::Over || begun.elapsed() >= request.timeout {
            return;
        }
        let mut rest = LOOK;
        if queues || outcome == Attempt::Blocked {
            next_queued = Instant::now() + pause;
            // Writers have waited for what was locked meanwhile.
            if outcome == Attempt::Blocked {
                rest = pause.min(request.timeout.saturating_sub(begun.elapsed()));
            }
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
        lock::sleep(rest.as_millis() as i64);
    }
}

/// Takes the locks, those that are free or, with patience, all, and creates the triggers under them. Whatever else is
/// locked meanwhile is waited for as shortly.
fn attempt(request: &Request, patience: Option<Duration>) -> Attempt {
    if !registry::exists() || !transaction::is_running(request.requester) {
        return Attempt::Over;
    }
    let Some(description) = relation::peek(request.relation) else {
        return Attempt::Over;
    };
    if tracking::is_tracked(&description) {
        return Attempt::Over;
    }
    let (mut problem, is_locked) = (None, Cell::new(false));
    let create = || {
        setting::set_local_number(c"lock_timeout", QUEUED.as_millis() as i32);
        let relations = tracking::relations(request.relation);
        match patience {
            None => {
                if !relations
                    .iter()
                    .copied()
                    .all(lock::try_relation_share_row_exclusive)
                {
                    return false;
                }
            }
            Some(patience) => {
                lock::relations_share_row_exclusive(&relations, Instant::now() + patience);
            }
        }
        is_locked.set(true);
        // What came in before the relation was locked is not locked itself.
        tracking::relations(request.relation) == relations && create_under_locks(request.relation)
    };
    let is_over = subtransaction::attempt(|| {
        subtransaction::catch_report(create).unwrap_or_else(|caught| {
            problem = Some(caught);
            false
        })
    });
    match problem {
        _ if is_over => Attempt::Over,
        None
        | Some((
            PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
            | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED,
            _,
        )) => {
            if is_locked.get() {
                Attempt::Blocked
            } else {
                Attempt::Busy
            }
        }
        Some((_, message)) => {
            let relation = description.display();
            pgrx::warning!("pg_reldiff could not start to track {relation}: {message}");
            Attempt::Over
        }
    }
}

/// Creates the triggers, unless somebody has been faster or the relation cannot be tracked any more. Then the subscriber
/// says so.
fn create_under_locks(relation: Oid) -> bool {
    if let Some(description) = relation::describe(relation)
        && subscriptions::unwatchable(&description).is_none()
        && tracking::unwatchable_member(&description).is_none()
        && !tracking::is_tracked(&description)
    {
        tracking::create(&description);
    }
    true
}
