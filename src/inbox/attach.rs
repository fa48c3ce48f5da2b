//! Attaching to a session: LISTEN, and its pending events as notifications of the attaching transaction.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::acknowledge;
use super::reader::Reader;
use crate::change::operation::SessionId;
use crate::change::payload::{self, Notification};
use crate::change::replay;
use crate::gucs;
use crate::pg::table::Read;
use crate::pg::{notify, transaction};
use crate::tables::access;
use crate::tables::session::{self, Notify};

#[pg_extern(sql = false)]
fn session_attach(session_id: Option<Uuid>, replay: Option<bool>) -> i64 {
    let session = access::session(Some(access::required(session_id)));
    access::set_current(Some(session.id), false);
    notify::listen(&session.channel());
    if replay.unwrap_or(true) {
        replay::with(|replays| replays.push(transaction::nest_level(), session.id));
    }
    let after = acknowledge::acknowledged(&session, Read::Statement);
    Reader::new(session, Read::Statement).count(after) as i64
}

/// Queues the pending events of a session. The caller holds the commit lock, so that every other
/// notification on the connection has a greater cursor. Where the usual limits forbid it, or where an event
/// cannot be notified, one nudge stands for all of them.
pub fn replay(id: SessionId) {
    let Some(session) = session::find(id) else {
        return;
    };
    if session.notify == Notify::Off || notify::queue_usage() > gucs::NOTIFY_QUEUE_LIMIT.get() {
        return;
    }
    let after = acknowledge::acknowledged(&session, Read::Latest);
    let (channel, format) = (session.channel(), session.format);
    let most = match (session.notify, gucs::NOTIFY_LIMIT.get()) {
        (Notify::Nudge | Notify::Off, _) => 0,
        (Notify::Payload, 0) => usize::MAX,
        (Notify::Payload, limit) => limit as usize,
    };
    let mut reader = Reader::new(session, Read::Latest);
    let pending = reader.count(after);
    if pending == 0 {
        return;
    }
    let mut end = after;
    let mut payloads = Vec::new();
    if pending <= most {
        reader.read(
            after,
            usize::MAX,
            |event, place| {
                end = place.cursor;
                (
                    Notification::render(event, format, place.stamp.xid),
                    place.stamp.clone(),
                    place.cursor,
                )
            },
            |(event, stamp, cursor), last| {
                payloads.extend(
                    event
                        .finish(last)
                        .map(|payload| payload.stamped(&stamp, cursor)),
                );
            },
        );
    } else {
        reader.read(after, usize::MAX, |_, place| end = place.cursor, |(), _| ());
    }
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    if payloads.len() == pending && bytes <= gucs::NOTIFY_BYTES.get() as usize * 1024 {
        payloads
            .into_iter()
            .for_each(|payload| notify::notify(&channel, payload));
    } else {
        notify::notify(&channel, payload::nudge(end, pending as u64));
    }
}
