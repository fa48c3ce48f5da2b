//! How much an inbox may hold that has not been acknowledged: `reldiff.events_per_session`, `reldiff.bytes_per_session`.
//!
//! What comes in is added up for each session, at each run of the maintenance. What is acknowledged is not taken off: an
//! inbox is counted exactly only when the sum exceeds a quota. So a reader that keeps up is counted once for each quota's
//! worth of events, however many sessions there are.

use std::collections::HashMap;

use super::acknowledge;
use super::reader::Reader;
use crate::change::chunk;
use crate::change::cursor::Position;
use crate::change::operation::SessionId;
use crate::change::payload;
use crate::change::record::Record;
use crate::gucs;
use crate::pg::notify;
use crate::pg::table::Read;
use crate::pg::transaction::{self, ActiveSnapshot, clock};
use crate::tables::inbox_size::{self, Size};
use crate::tables::lost_event::{self, Lost};
use crate::tables::maintenance::{self, Run};
use crate::tables::segment;
use crate::tables::segment_tables::Tables;
use crate::tables::session::{self, Notify};
use crate::tables::transaction as feed;
use crate::tables::{log, recipient_set, wakeups};

/// What an inbox may hold.
#[derive(Clone, Copy)]
struct Quota {
    events: u64,
    bytes: u64,
}

impl Quota {
    /// As the settings say; `None` if it is unlimited.
    fn current() -> Option<Self> {
        let events = gucs::EVENTS_PER_SESSION.get() as u64;
        let bytes = gucs::BYTES_PER_SESSION.get() as u64 * 1024;
        let limit = |quota| if quota == 0 { u64::MAX } else { quota };
        (events > 0 || bytes > 0).then(|| Self {
            events: limit(events),
            bytes: limit(bytes),
        })
    }

    fn is_exceeded_by(self, size: Size) -> bool {
        size.events > self.events || size.bytes > self.bytes
    }
}

/// Adds up what has come in since the last run. Returns the sessions that may hold too much.
pub fn exceeded() -> Vec<SessionId> {
    let counted = maintenance::newest().and_then(|run| run.counted);
    let Some(quota) = Quota::current() else {
        if counted.is_some() {
            inbox_size::clear();
            note(None);
        }
        return Vec::new();
    };
    let (sizes, newest) = received(counted.unwrap_or_default());
    note(Some(newest));
    for (session, size) in sizes {
        inbox_size::add(session, size);
    }
    transaction::next_command();
    let mut exceeded = Vec::new();
    inbox_size::visit(|session, size| {
        // What is left of one that has been deleted goes.
        let is_there = session::find(session).is_some();
        if is_there && quota.is_exceeded_by(size) {
            exceeded.push(session);
        }
        is_there
    });
    exceeded
}

fn note(counted: Option<Position>) {
    super::maintenance::note(|run| Run { counted, ..run });
}

/// What each session has received, at most, by transactions behind this position; and the position of the last one.
fn received(after: Position) -> (HashMap<SessionId, Size>, Position) {
    let mut sessions: HashMap<SessionId, Size> = HashMap::new();
    let mut newest = after;
    let opened = segment::open_from(after);
    for tables in &opened.segments {
        let mut sets: HashMap<i64, Size> = HashMap::new();
        feed::visit(tables, after, Read::Inserted, |recorded| {
            newest = newest.max(recorded.placed.position);
            match &recorded.inline {
                Some((set, changes)) => {
                    let size = sets.entry(*set).or_default();
                    let changes = chunk::decode(changes).unwrap_or_default();
                    changes
                        .into_iter()
                        .for_each(|(_, record)| count(record, size));
                }
                None => {
                    let (epoch, xid) = (recorded.placed.position.epoch, recorded.placed.source.xid);
                    log::visit(tables, epoch, xid, Read::Inserted, |set, record| {
                        count(record, sets.entry(set).or_default());
                    });
                }
            }
        });
        distribute(tables, &sets, &mut sessions);
    }
    (sessions, newest)
}

fn count(record: &[u8], size: &mut Size) {
    if let Some(record) = Record::decode(record) {
        *size += Size {
            events: record.most_events() as u64,
            bytes: record.bytes() as u64,
        };
    }
}

/// What the sets have received, their members have.
fn distribute(tables: &Tables, sets: &HashMap<i64, Size>, sessions: &mut HashMap<SessionId, Size>) {
    for (&set, &size) in sets {
        let recipients = recipient_set::load(tables, set, Read::Latest);
        for recipient in recipients.iter().flat_map(|recipients| recipients.iter()) {
            *sessions.entry(recipient.session).or_default() += size;
        }
    }
}

/// Counts what the inbox holds. If it is too much, the session loses all of it: its next read begins with an overflow
/// event, of which it is told now.
pub fn enforce(id: SessionId) {
    let (Some(session), Some(quota)) = (session::find(id), Quota::current()) else {
        return;
    };
    // Who is just acknowledging may have few events left: the next run sees.
    if !session::try_lock(id) {
        return;
    }
    let _snapshot = ActiveSnapshot::push_latest();
    let start = acknowledge::start(&session, None);
    let mut reader = Reader::without_waiting(&session, Read::Inserted, start);
    let mut size = Size::default();
    let mut last = None;
    reader.read(
        usize::try_from(quota.events)
            .unwrap_or(usize::MAX)
            .saturating_add(1),
        |event, place| {
            size.events += 1;
            // The events of a row's fields stand side by side.
            let change = (place.cursor.position, place.cursor.order);
            if last.replace(change) != Some(change) {
                size.bytes += event.change.record.bytes() as u64;
            }
        },
        |(), _| (),
    );
    if !quota.is_exceeded_by(size) {
        // Of a relation that somebody is altering it is not known what is told: the next run sees.
        if !reader.has_passed_over() {
            inbox_size::set(id, size);
        }
        return;
    }
    let Some(newest) = feed::newest(Read::Inserted) else {
        return;
    };
    let resume = newest.cursor();
    let lost = Lost {
        last: resume,
        resume,
        at: clock(),
    };
    if !lost_event::insert(id, lost) {
        return;
    }
    // The overflow.
    let size = Size {
        events: 1,
        bytes: 0,
    };
    inbox_size::set(id, size);
    wakeups::add(id);
    let named = session.channel.is_shared.then_some([id]);
    let nudge = payload::nudge(resume, 1, named.as_ref().map(|id| id.as_slice()));
    if session.notify != Notify::Off
        && notify::queue_has_room(nudge.len(), gucs::NOTIFY_QUEUE_LIMIT.get())
    {
        notify::notify(&session.channel.name, &notify::Payload::new(nudge));
    }
}
