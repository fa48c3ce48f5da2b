//! `event.await_ready`: until who was already writing when a session subscribed has ended.
//!
//! A transaction that began to write to a table before a subscription to it committed may have made changes of which the
//! session is not told, and go on. When it has ended, these are in every snapshot; and whoever came later knows the
//! subscription. The table of locks says who is writing. It is looked at again and again: waiting for somebody's lock
//! would queue others behind us.

use std::collections::HashSet;
use std::time::Duration;

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;

use crate::error::{Error, raise};
use crate::pg::{inheritance, lock, setting, subtransaction, transaction, writers};
use crate::tables::{access, subscription};

/// Between two looks, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

#[pg_extern(sql = false)]
fn await_ready(session_id: Option<Uuid>, timeout: Option<Interval>) -> bool {
    // A standby does not know who writes on the primary.
    setting::prevent_during_recovery(c"event.await_ready()");
    let deadline = access::deadline(timeout, "'10s'");
    if transaction::has_one_snapshot() {
        raise(Error::AwaitReady {
            problem: "Its isolation level is REPEATABLE READ or SERIALIZABLE: its snapshot is older than the end of the wait.",
        });
    }
    let relations = relations(session_id);
    if relations.iter().copied().any(writers::is_own) {
        raise(Error::AwaitReady {
            problem: "The transaction has written to a table that the session has subscribed to.",
        });
    }
    let mut writing = writers::of(&relations);
    let mut pause = FIRST_PAUSE;
    while !writing.is_empty() {
        let left = deadline.left();
        if left.is_zero() {
            return false;
        }
        lock::sleep(pause.min(left).as_millis().max(1) as i64);
        pause = (pause * 2).min(LONGEST_PAUSE);
        // Who has come since knows the subscriptions.
        let still = writers::of(&relations);
        writing.retain(|writer| still.contains(writer));
    }
    true
}

/// What the session has subscribed to, and all that it contains now. Keeps no lock, since a wait is long.
fn relations(session_id: Option<Uuid>) -> HashSet<Oid> {
    let mut relations = HashSet::new();
    subtransaction::attempt(|| {
        let session = access::session(session_id.map(access::id));
        let subscribed = subscription::subscribed(session.id);
        if subscribed.is_new {
            raise(Error::AwaitReady {
                problem: "The transaction has made a subscription of the session itself.",
            });
        }
        for relation in subscribed.relations {
            relations.insert(relation);
            relations.extend(inheritance::descendants(relation));
        }
        false
    });
    relations
}
