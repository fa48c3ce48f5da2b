//! `event.inbox_size`: how much each inbox holds at most.

use super::registry::registry;
use crate::change::operation::SessionId;
use crate::pg::row::{Row, RowId};
use crate::pg::scan_key::{Key, uuid};
use crate::pg::table::{Read, Table};

const SESSION: i16 = 1;
const EVENTS: i16 = 2;
const BYTES: i16 = 3;

/// How much an inbox, or a part of it, holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub events: u64,
    /// Of the keys and values that are recorded.
    pub bytes: u64,
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

/// Adds to what the session's inbox holds.
pub fn add(session: SessionId, more: Size) {
    let table = Table::open_to_write(registry().inbox_size);
    let mut size = more;
    if let Some((known, row)) = find(&table, session) {
        size += known;
        table.delete_unless_busy(row);
    }
    insert(&table, session, size);
}

/// Says what the session's inbox holds.
pub fn set(session: SessionId, size: Size) {
    let table = Table::open_to_write(registry().inbox_size);
    if let Some((_, row)) = find(&table, session) {
        table.delete_unless_busy(row);
    }
    insert(&table, session, size);
}

/// Visits what all inboxes hold, and forgets it of those for which `keep` returns false.
pub fn visit(mut keep: impl FnMut(SessionId, Size) -> bool) {
    let table = Table::open_to_write(registry().inbox_size);
    let mut scan = table.scan(registry().inbox_size_session, &[], Read::Latest);
    while let Some(row) = scan.next() {
        if !keep(row.uuid(SESSION), size(&row)) {
            table.delete_unless_busy(row.id);
        }
    }
}

/// Forgets what all inboxes hold.
pub fn clear() {
    visit(|_, _| false);
}

fn find(table: &Table, session: SessionId) -> Option<(Size, RowId)> {
    let mut scan = table.scan(registry().inbox_size_session, &[key(session)], Read::Latest);
    scan.next().map(|row| (size(&row), row.id))
}

fn size(row: &Row) -> Size {
    Size {
        events: row.int8(EVENTS) as u64,
        bytes: row.int8(BYTES) as u64,
    }
}

fn insert(table: &Table, session: SessionId, size: Size) {
    table.insert_row(&[
        Some(uuid(session)),
        Some((size.events as i64).into()),
        Some((size.bytes as i64).into()),
    ]);
}

/// The key of a session's rows.
pub fn key(session: SessionId) -> Key {
    Key::uuid(SESSION, session)
}
