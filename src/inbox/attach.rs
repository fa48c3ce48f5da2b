//! Attaching to a session: LISTEN, and its pending events as notifications of the attaching transaction.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::acknowledge;
use super::reader::Reader;
use crate::change::payload::{self, Notification};
use crate::change::replay::{self, Replay};
use crate::gucs;
use crate::pg::table::Read;
use crate::pg::{notify, setting, transaction};
use crate::tables::access;
use crate::tables::session::{self, Notify};
use crate::tables::transaction as feed;

#[pg_extern(sql = false)]
fn session_attach(session_id: Option<Uuid>, replay: Option<bool>) -> i64 {
    setting::prevent_during_recovery(c"event.session_attach()");
    let session = access::session(Some(access::required(session_id)));
    let id = session.id;
    access::set_current(Some(id), false);
    notify::listen(&session::channel(id));
    let after = acknowledge::acknowledged(&session, Read::Statement);
    let pending = Reader::new(session, Read::Statement).count(after);
    if replay.unwrap_or(true) {
        let replay = Replay {
            session: id,
            pending,
        };
        replay::with(|replays| replays.push(transaction::nest_level(), replay));
    }
    pending as i64
}

/// Queues the pending events of a session. The caller holds the commit lock, so that every other
/// notification on the connection has a greater cursor. Where the usual limits forbid it, or where an event
/// cannot be notified, one nudge stands for all of them: many events are never read under the lock.
pub fn replay(
    Replay {
        session: id,
        pending,
    }: Replay,
) {
    let Some(session) = session::find(id) else {
        return;
    };
    let share = gucs::NOTIFY_QUEUE_LIMIT.get();
    if session.notify == Notify::Off || !notify::queue_has_room(0, share) {
        return;
    }
    let most = match (session.notify, gucs::NOTIFY_LIMIT.get()) {
        (Notify::Nudge | Notify::Off, _) => 0,
        (Notify::Payload, 0) => usize::MAX,
        (Notify::Payload, limit) => limit as usize,
    };
    let (channel, format) = (session::channel(id), session.format);
    // With a snapshot: a connection that acknowledges replaces the row that is read here.
    let after = acknowledge::acknowledged(&session, Read::Statement);
    let mut payloads = Vec::new();
    let mut found = 0;
    let mut is_whole = pending <= most;
    if is_whole {
        let mut reader = Reader::under_commit_lock(session, Read::Latest);
        let page = reader.read(
            after,
            most,
            |event, place| {
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
        found = page.events + usize::from(page.has_next);
        is_whole = payloads.len() == found && !reader.has_passed_over();
    }
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    let few = bytes <= gucs::NOTIFY_BYTES.get() as usize * 1024;
    if is_whole && few && notify::queue_has_room(bytes + 100 * found, share) {
        payloads
            .into_iter()
            .for_each(|payload| notify::notify(&channel, payload));
    } else if let Some(newest) = feed::newest(Read::Latest) {
        notify::notify(
            &channel,
            payload::nudge(newest.end(), pending.max(found) as u64),
        );
    }
}
