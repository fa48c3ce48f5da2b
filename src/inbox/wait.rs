//! `event.wait_events`: `event.events` that waits until there is something, without asking again and again.
//!
//! Each look is made with a snapshot of its own, since the statement's would never see what commits while it waits, and
//! judges session, owner and privileges anew. A look that finds nothing leaves no locks on our tables behind: a wait is
//! long, and somebody may want to empty or drop them.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::prelude::*;
use pgrx::{Uuid, name};

use super::change::Change;
use super::functions::{changes, count};
use super::permissions;
use crate::change::operation::SessionId;
use crate::pg::memory::in_own_context;
use crate::pg::result::{Json, Text, Xid8};
use crate::pg::subtransaction;
use crate::pg::transaction::{ActiveSnapshot, accept_invalidations};
use crate::pg::waiting;
use crate::tables::{access, wakeups};

#[allow(
    clippy::type_complexity,
    reason = "pgrx wants the columns spelt out where they are returned"
)]
#[pg_extern(sql = false)]
fn wait_events(
    session_id: Option<Uuid>,
    after: Option<String>,
    max_events: Option<i32>,
    timeout: Option<Interval>,
) -> TableIterator<
    'static,
    (
        name!(cursor, Text),
        name!(kind, Text),
        name!(relation, Option<Text>),
        name!(key, Option<Json>),
        name!(column_name, Option<Text>),
        name!(value, Option<Json>),
        name!(old_value, Option<Json>),
        name!(subscription_type, Option<Text>),
        name!(xid, Option<Xid8>),
        name!(at, TimestampWithTimeZone),
        name!(event, Json),
    ),
> {
    let deadline = access::deadline(timeout, "'5s'");
    let limit = count("max_events", max_events.unwrap_or(1000));
    let id = access::named_or_current(session_id.map(access::id));
    let judge = || permissions::judge(&access::session(Some(id))).then_some(());
    // The event that it records can be found only when this transaction has ended.
    if subtransaction::look(judge).is_some() {
        return TableIterator::new([]);
    }
    let found = waiting::until(wakeups::topic(id), &deadline, || {
        look(id, after.as_deref(), limit)
    });
    TableIterator::new(found.unwrap_or_default())
}

/// The session's events after the cursor as of now, if there are any.
fn look(session: SessionId, after: Option<&str>, limit: usize) -> Option<Vec<Change>> {
    subtransaction::look(|| {
        in_own_context(|| {
            accept_invalidations();
            let _snapshot = ActiveSnapshot::push_latest();
            let session = access::session(Some(session));
            let found = changes(session, after, limit);
            (!found.is_empty()).then_some(found)
        })
    })
}
