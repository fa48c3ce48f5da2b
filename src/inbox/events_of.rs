//! `event.events_of`: the inboxes of several sessions, for a process that serves them all.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use pgrx::prelude::*;
use pgrx::{Uuid, name};

use super::acknowledge::{self, Start};
use super::change::{self, Change};
use super::functions::count;
use super::permissions;
use super::reader::Reader;
use super::shares::LoadedSets;
use crate::change::cursor::Cursor;
use crate::change::operation::SessionId;
use crate::change::payload::Format;
use crate::error::{Error, raise};
use crate::pg::result::Composite;
use crate::pg::table::Read;
use crate::tables::access;
use crate::tables::registry::registry;

/// Of one session so many events are read at once, at least.
const FEW: usize = 4;

/// A session's inbox, read bit by bit.
struct Inbox {
    session: SessionId,
    format: Format,
    reader: Reader,
    read: VecDeque<(Cursor, Change)>,
    /// Whether there is more behind what has been read.
    has_next: bool,
}

impl Inbox {
    fn open(id: SessionId, after: Option<Cursor>, loaded: &LoadedSets) -> Self {
        let session = access::session(Some(id));
        permissions::judge(&session);
        let start = match after {
            Some(after) => Start::passed(after),
            None => acknowledge::start(&session, None),
        };
        Self {
            session: id,
            format: session.format,
            reader: Reader::sharing(&session, Read::Inserted, start, loaded.clone()),
            read: VecDeque::new(),
            has_next: true,
        }
    }

    /// The next event's cursor, if there is one; `many` are read when they are needed.
    fn next(&mut self, many: usize) -> Option<Cursor> {
        if self.read.is_empty() && self.has_next {
            let (rows, page) = change::rows(&mut self.reader, self.format, many);
            self.read = rows.into();
            self.has_next = page.has_next;
        }
        self.read.front().map(|(cursor, _)| *cursor)
    }
}

#[pg_extern(sql = false)]
fn events_of(
    sessions: Option<Vec<Option<Uuid>>>,
    after: Option<String>,
    max_events: Option<i32>,
) -> TableIterator<'static, (name!(session_id, Uuid), name!(change, Composite<Change>))> {
    let limit = count("max_events", max_events.unwrap_or(1000));
    let null = || {
        raise(Error::NullArgument {
            argument: "sessions",
        })
    };
    let ids: BTreeSet<SessionId> = sessions
        .unwrap_or_else(null)
        .into_iter()
        .map(access::required)
        .collect();
    let named: Vec<SessionId> = ids.iter().copied().collect();
    let after = after.map(|after| acknowledge::parse(&after, &named));
    let loaded = LoadedSets::default();
    let mut inboxes: Vec<Inbox> = ids
        .into_iter()
        .map(|id| Inbox::open(id, after, &loaded))
        .collect();
    let kind = registry().change;
    let rows = merge(&mut inboxes, limit);
    TableIterator::new(
        rows.into_iter()
            .map(move |(session, change)| (access::uuid(session), Composite { kind, row: change })),
    )
}

/// The next events in the order of their cursors, at least `limit` if there are: whoever passes the last cursor gets none of them
/// again, so that an event of several sessions is there for all of them.
fn merge(inboxes: &mut [Inbox], limit: usize) -> Vec<(SessionId, Change)> {
    let many = (2 * limit / inboxes.len().max(1)).clamp(FEW.min(limit), limit);
    let mut heads: BinaryHeap<Reverse<(Cursor, usize)>> = BinaryHeap::new();
    for (at, inbox) in inboxes.iter_mut().enumerate() {
        heads.extend(inbox.next(many).map(|cursor| Reverse((cursor, at))));
    }
    let mut found: Vec<(SessionId, Change)> = Vec::new();
    let mut last = None;
    while let Some(Reverse((cursor, at))) = heads.pop() {
        if found.len() >= limit && last != Some(cursor) {
            break;
        }
        let inbox = &mut inboxes[at];
        if let Some((_, change)) = inbox.read.pop_front() {
            found.push((inbox.session, change));
            last = Some(cursor);
        }
        heads.extend(inbox.next(many).map(|cursor| Reverse((cursor, at))));
    }
    found
}
