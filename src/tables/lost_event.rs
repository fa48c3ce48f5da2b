//! `event.lost_event`: the last event of each session that is gone.
//!
//! Whoever reads on from there or from behind it has lost nothing, however much of the log has been removed. Rows are
//! inserted, and taken away only when a later one has been committed: a look without a snapshot always finds one.

use super::registry::registry;
use crate::change::cursor::Cursor;
use crate::change::operation::SessionId;
use crate::pg::bytes::text;
use crate::pg::row::Row;
use crate::pg::scan_key::{Key, uuid};
use crate::pg::table::{Read, Table};

const SESSION: i16 = 1;
const LAST: i16 = 2;
const RESUME: i16 = 3;
const AT: i16 = 4;

/// What a session has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The session's last event that is gone.
    pub last: Cursor,
    /// From here on the inbox is whole.
    pub resume: Cursor,
    /// When it went; microseconds since 2000-01-01 UTC.
    pub at: i64,
}

impl Lost {
    fn of(row: &Row) -> Option<Self> {
        let cursor = |column| Cursor::parse(&row.text(column)?);
        Some(Self {
            last: cursor(LAST)?,
            resume: cursor(RESUME)?,
            at: row.int8(AT),
        })
    }
}

/// What the session has lost, as of now.
pub fn of(session: SessionId) -> Option<Lost> {
    let table = Table::open_to_read(registry().lost_event);
    let mut newest: Option<Lost> = None;
    visit(&table, session, |row| {
        let lost = Lost::of(row);
        if newest.map(|newest| newest.last) < lost.map(|lost| lost.last) {
            newest = lost;
        }
    });
    newest
}

/// Says what the session has lost now. Returns whether that is more than before.
pub fn insert(session: SessionId, lost: Lost) -> bool {
    let table = Table::open_to_write(registry().lost_event);
    let known = of(session).map(|known| known.last);
    if known >= Some(lost.last) {
        return false;
    }
    visit(&table, session, |row| {
        if Lost::of(row).map(|earlier| earlier.last) < known {
            table.delete_unless_busy(row.id);
        }
    });
    table.insert_row(&[
        Some(uuid(session)),
        Some(text(lost.last.to_string().as_bytes())),
        Some(text(lost.resume.to_string().as_bytes())),
        Some(lost.at.into()),
    ]);
    true
}

/// Takes away what sessions have lost for which `keep` returns false.
pub fn retain(keep: impl Fn(SessionId) -> bool) {
    let table = Table::open_to_write(registry().lost_event);
    let mut scan = table.scan(registry().lost_event_session, &[], Read::Latest);
    while let Some(row) = scan.next() {
        if !keep(row.uuid(SESSION)) {
            table.delete_unless_busy(row.id);
        }
    }
}

fn visit(table: &Table, session: SessionId, mut visit: impl FnMut(&Row)) {
    let mut scan = table.scan(registry().lost_event_session, &[key(session)], Read::Latest);
    while let Some(row) = scan.next() {
        visit(&row);
    }
}

/// The key of a session's rows.
pub fn key(session: SessionId) -> Key {
    Key::uuid(SESSION, session)
}
