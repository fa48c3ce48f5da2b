//! How long events are kept: `reldiff.retention`.
//!
//! A segment of the log takes what is written in half of that time. It goes as a whole, when its newest transaction is
//! older than `reldiff.retention`: so an event is kept for that time at least, and for half of it longer at most.

use super::acknowledge;
use super::reader::Reader;
use crate::change::chunk;
use crate::change::cursor::Cursor;
use crate::change::event::{self, Change};
use crate::change::operation::SessionId;
use crate::change::record::Record;
use crate::gucs;
use crate::pg::table::Read;
use crate::pg::transaction::clock;
use crate::pg::{command, fault, lock, role};
use crate::tables::lost_event::{self, Lost};
use crate::tables::segment::{self, End, Segment, State};
use crate::tables::segment_tables::{RING, Tables};
use crate::tables::session::{self, Session};
use crate::tables::set_transaction::{self, SetTransaction};
use crate::tables::{addressee, commit_lock, log, recipient_set, transaction, unsequenced};

/// `reldiff.retention` in microseconds; `None` for ever.
fn retention() -> Option<i64> {
    let seconds = i64::from(gucs::RETENTION.get());
    (seconds > 0).then_some(seconds * 1_000_000)
}

/// Opens the next segment, if the newest one has been written to for long enough and the ring has room. Whether it has done
/// so.
pub fn open_next() -> bool {
    let ring = segment::ring();
    let active = ring.active();
    let is_old = retention().is_some_and(|retention| active.opened_at + retention / 2 <= clock());
    let has_room = (ring.live.len() as i64) < RING;
    let is_due =
        is_old && has_room && transaction::newest_of(&active.tables(), Read::Latest).is_some();
    if is_due {
        commit_lock::take();
        segment::insert(active.number + 1);
    }
    is_due
}

/// Closes the segments that nobody writes to any more.
pub fn close() {
    let ring = segment::ring();
    let active = ring.active().number;
    let open = |segment: &&Segment| segment.number < active && segment.state == State::Open;
    for segment in ring.live.iter().filter(open) {
        let tables = segment.tables();
        // Who writes to it is gone, and so nobody is left who could leave something unsequenced there.
        if lock::try_relation_share(tables.log) && !unsequenced::is_waiting_in(&tables) {
            let newest = transaction::newest_of(&tables, Read::Latest);
            segment::close(segment.number, newest.map(|newest| newest.as_end()));
        }
    }
}

/// Removes the oldest segment, if all that is in it is older than `reldiff.retention` and nobody is reading it. Whether it has
/// done so.
pub fn remove_oldest() -> bool {
    let ring = segment::ring();
    let Some(oldest) = ring.live.first() else {
        return false;
    };
    let (State::Closed(end), Some(retention)) = (oldest.state, retention()) else {
        return false;
    };
    if end.is_some_and(|end| end.at + retention > clock()) {
        return false;
    }
    let tables = oldest.tables();
    // Before the locks: it takes a while, and nothing of a closed segment changes.
    let last = last_events(&tables);
    let locked = [
        tables.log,
        tables.transaction,
        tables.transaction_set,
        tables.unsequenced,
        tables.recipient_set,
        tables.recipient_set_member,
    ];
    if !locked.into_iter().all(lock::try_relation_access_exclusive) {
        return false;
    }
    fault::point("retention");
    let end = end.max(ring.removed);
    if let Some(end) = end {
        tell(&last, end);
    }
    segment::remove(oldest.number, end);
    truncate(&tables);
    true
}

/// Says what each session has lost.
fn tell(last: &[(SessionId, Cursor)], end: End) {
    // Those of sessions that have been deleted meanwhile.
    lost_event::retain(|session| session::find(session).is_some());
    let (resume, at) = (end.cursor(), clock());
    for &(session, last) in last {
        lost_event::insert(session, Lost { last, resume, at });
    }
}

fn truncate(tables: &Tables) {
    let slot = tables.number % RING;
    let truncate = format!(
        "TRUNCATE event.log_{slot}, event.transaction_{slot}, event.transaction_set_{slot}, \
         event.unsequenced_{slot}, event.recipient_set_{slot}, event.recipient_set_member_{slot}"
    );
    command::run_as(role::current(), &truncate);
}

/// The cursor of the last event of a closed segment, for each session that gets some of it.
fn last_events(segment: &Tables) -> Vec<(SessionId, Cursor)> {
    let mut found = Vec::new();
    recipient_set::visit_sessions(segment, Read::Latest, |id, sets| {
        let Some(session) = session::find(id) else {
            return;
        };
        let newest = sets.iter().filter_map(|&set| {
            let newest = set_transaction::newest_of(segment, set, Read::Latest)?;
            Some((set, newest))
        });
        let newest: Vec<(i64, SetTransaction)> = newest.collect();
        let position = newest
            .iter()
            .map(|(_, newest)| newest.placed.position)
            .max();
        let last = newest
            .iter()
            .filter(|(_, newest)| Some(newest.placed.position) == position)
            .filter_map(|(set, newest)| last_event(segment, &session, *set, newest))
            .max();
        found.extend(last.map(|last| (id, lost(session, last))));
    });
    found
}

/// What the session has lost with the events up to this one: of what is recorded, its owner may not be allowed to read all.
/// If nothing is left to be told behind what has been acknowledged, that is the last of what is gone.
fn lost(session: Session, last: Cursor) -> Cursor {
    let start = acknowledge::start(&session, None);
    if start.after >= last {
        return last;
    }
    let mut reader = Reader::without_waiting(&session, Read::Inserted, start);
    let mut next = None;
    reader.read(1, |_, place| next = Some(place.cursor), |(), _| ());
    if reader.has_passed_over() || next.is_some_and(|next| next <= last) {
        last
    } else {
        start.after
    }
}

/// The cursor of the last event of the transaction that the session gets as a member of the set.
fn last_event(
    segment: &Tables,
    session: &Session,
    set: i64,
    newest: &SetTransaction,
) -> Option<Cursor> {
    let recipients = recipient_set::load(segment, set, Read::Latest)?;
    let recipient = recipients.get(session.id)?;
    let placed = &newest.placed;
    let position = placed.position;
    let (relation, order, record) = match &newest.inline {
        Some((relation, changes)) => {
            let (order, record) = chunk::decode(changes)?.pop()?;
            (*relation, order, record.to_vec())
        }
        None => {
            let last = log::last(
                segment,
                position.epoch,
                placed.source.xid,
                set,
                Read::Latest,
            )?;
            (last.relation, last.order, last.record)
        }
    };
    let record = Record::decode(&record)?;
    let told = addressee::relation(relation).and_then(|relation| {
        let change = Change {
            order,
            relation: &relation.names,
            record: &record,
        };
        let mut last = None;
        let readable = relation.readable(session.owner);
        event::for_each(change, recipient, &readable, |event| {
            last = Some(event.field());
        });
        last
    });
    Some(Cursor {
        position,
        order,
        field: told.unwrap_or_else(|| event::last_field(&record, recipient)),
        nonce: placed.nonce,
    })
}
