//! Attaching to a session: LISTEN, and its pending events as notifications of the attaching transaction.

use std::rc::Rc;

use pgrx::Uuid;
use pgrx::prelude::*;

use super::reader::Reader;
use super::{acknowledge, permissions};
use crate::change::operation::SessionId;
use crate::change::payload::{self, Notification};
use crate::change::replay::{self, Replay};
use crate::gucs;
use crate::pg::notify::{self, ENTRY_BYTES};
use crate::pg::table::Read;
use crate::pg::{setting, transaction};
use crate::tables::session::{self, Notify, Session};
use crate::tables::transaction as feed;
use crate::tables::{access, session_expiry, skipped};

#[pg_extern(sql = false)]
fn session_attach(session_id: Option<Uuid>, replay: Option<bool>) -> i64 {
    setting::prevent_during_recovery(c"event.session_attach()");
    let session = access::session(Some(access::required(session_id)));
    let id = session.id;
    permissions::judge(&session);
    access::set_current(Some(id), false);
    notify::listen(&session.channel.name);
    session_expiry::note_use(id);
    let start = acknowledge::start(&session, None);
    let pending = Reader::new(&session, Read::Inserted, start).count();
    if replay.unwrap_or(true) {
        let replay = Replay {
            session: id,
            pending,
        };
        replay::with(|replays| replays.push(transaction::nest_level(), replay));
    }
    pending as i64
}

/// The least that a replay takes of the server's queue.
const NUDGE_BYTES: usize = 250;

/// Queues the pending events of a session. The caller holds the commit lock, so that every other
/// notification on the connection has a greater cursor. Where it does not, where the usual limits forbid it, or where an event
/// cannot be notified, one nudge stands for all of them: many events are never read under the lock. So it does where
/// events were kept back on the channel: if one listener has acknowledged them, another one would not hear of them. False if the
/// server's queue had no room for them: then the next notification on the channel is a nudge.
pub fn replay(
    Replay {
        session: id,
        pending,
    }: Replay,
    has_lock: bool,
) -> bool {
    let Some(session) = session::find(id).filter(|session| session.notify != Notify::Off) else {
        return true;
    };
    let channel = Rc::clone(&session.channel.name);
    let has_room = |bytes| notify::queue_has_room(bytes, gucs::NOTIFY_QUEUE_LIMIT.get());
    if !has_room(NUDGE_BYTES) {
        let is_skipped = has_lock && pending > 0;
        if is_skipped {
            skipped::add(&channel, pending as u64);
        }
        return !is_skipped;
    }
    let named = session.channel.is_shared.then_some([id]);
    let named = named.as_ref().map(|id| id.as_slice());
    let found = if has_lock {
        events(session, pending, named)
    } else {
        Pending::default()
    };
    let bytes: usize = found.payloads.iter().map(Vec::len).sum();
    let few = bytes <= gucs::NOTIFY_BYTES.get() as usize * 1024;
    let may_send =
        few && has_room(bytes + ENTRY_BYTES * found.count) && !skipped::is_known(&channel);
    if found.is_whole && may_send {
        for payload in found.payloads {
            notify::notify(&channel, &notify::Payload::new(payload));
        }
    } else if let Some(newest) = feed::newest(Read::Latest) {
        let nudge = payload::nudge(newest.cursor(), pending.max(found.count) as u64, named);
        notify::notify(&channel, &notify::Payload::new(nudge));
    }
    true
}

/// What was found of a session's pending events.
#[derive(Default)]
struct Pending {
    payloads: Vec<Vec<u8>>,
    count: usize,
    /// Whether each of them has a payload here.
    is_whole: bool,
}

/// The pending events as notifications, if they may be notified one by one.
fn events(session: Session, pending: usize, named: Option<&[SessionId]>) -> Pending {
    let most = match (session.notify, gucs::NOTIFY_LIMIT.get()) {
        (Notify::Nudge | Notify::Off, _) => 0,
        (Notify::Payload, 0) => usize::MAX,
        (Notify::Payload, limit) => limit as usize,
    };
    let mut payloads = Vec::new();
    if pending > most {
        return Pending::default();
    }
    let format = session.format;
    // With a snapshot: a connection that acknowledges replaces the row that is read for it.
    let start = acknowledge::start(&session, None);
    let mut reader = Reader::without_waiting(&session, Read::Latest, start);
    let page = reader.read(
        most,
        |event, place| {
            (
                Notification::render(event, format, place.source),
                place.stamp.clone(),
                place.cursor,
            )
        },
        |(event, stamp, cursor), last| {
            payloads.extend(
                event
                    .finish(last, named)
                    .map(|payload| payload.stamped(&stamp, cursor)),
            );
        },
    );
    let count = page.events + usize::from(page.has_next);
    Pending {
        is_whole: payloads.len() == count && !reader.has_passed_over(),
        payloads,
        count,
    }
}
