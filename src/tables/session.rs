//! `event.session_definition` and `event.session_position`.

use pgrx::pg_sys::Oid;

use super::registry::registry;
use crate::change::cursor::Cursor;
use crate::change::operation::SessionId;
use crate::change::payload::Format;
use crate::pg::bytes::text;
use crate::pg::scan_key::{Key, uuid};
use crate::pg::table::{Read, Row, Table};

const ID: i16 = 1;
const NOTIFY: i16 = 3;
const FORMAT: i16 = 4;
const OWNER: i16 = 5;

const POSITION_ID: i16 = 1;
const ACKNOWLEDGED: i16 = 2;

/// How a session hears of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// A notification per event.
    Payload,
    /// One small notification per transaction.
    Nudge,
    /// Not at all: the session polls.
    Off,
}

impl Notify {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "payload" => Some(Self::Payload),
            "nudge" => Some(Self::Nudge),
            "off" => Some(Self::Off),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Nudge => "nudge",
            Self::Off => "off",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub notify: Notify,
    pub format: Format,
    pub owner: Oid,
}

/// The channel of a session's notifications.
pub fn channel(id: SessionId) -> std::ffi::CString {
    std::ffi::CString::new(id.to_string()).expect("a uuid holds no NUL")
}

impl Session {
    fn of(row: &Row) -> Self {
        let known = "the column holds what we wrote";
        Self {
            id: row.uuid(ID),
            notify: row
                .text(NOTIFY)
                .and_then(|name| Notify::parse(&name))
                .expect(known),
            format: row
                .text(FORMAT)
                .and_then(|name| Format::parse(&name))
                .expect(known),
            owner: row.oid(OWNER),
        }
    }
}

/// The session as of now: its latest committed definition, or the own one.
pub fn find(id: SessionId) -> Option<Session> {
    let registry = registry();
    let table = Table::open_to_read(registry.session_definition);
    let mut scan = table.scan(
        registry.session_definition_id,
        &[Key::uuid(ID, id)],
        Read::Latest,
    );
    scan.next().map(|row| Session::of(&row))
}

/// Stores a new session.
pub fn insert(session: &Session, name: Option<&str>) {
    let registry = registry();
    Table::open_to_write(registry.session_definition).insert_row(&[
        Some(uuid(session.id)),
        name.map(|name| text(name.as_bytes())),
        Some(text(session.notify.name().as_bytes())),
        Some(text(session.format.name().as_bytes())),
        Some(session.owner.into()),
        Some(crate::pg::transaction::clock().into()),
    ]);
    Table::open_to_write(registry.session_position).insert_row(&[Some(uuid(session.id)), None]);
}

/// Deletes the session, and tells the writers that know it. The caller holds its lock.
pub fn delete(id: SessionId) {
    let registry = registry();
    crate::pg::relation::invalidate(registry.session_definition);
    for (table, index, column) in [
        (
            registry.session_definition,
            registry.session_definition_id,
            ID,
        ),
        (
            registry.session_position,
            registry.session_position_id,
            POSITION_ID,
        ),
    ] {
        let table = Table::open_to_write(table);
        let mut scan = table.scan(index, &[Key::uuid(column, id)], Read::Latest);
        while let Some(row) = scan.next() {
            table.delete(row.id);
        }
    }
}

/// How far the session has acknowledged, as `read` sees it; the outer `None` if there is no session.
pub fn acknowledged(id: SessionId, read: Read) -> Option<Option<Cursor>> {
    let registry = registry();
    let table = Table::open_to_read(registry.session_position);
    let mut scan = table.scan(
        registry.session_position_id,
        &[Key::uuid(POSITION_ID, id)],
        read,
    );
    scan.next()
        .map(|row| row.text(ACKNOWLEDGED).and_then(|text| Cursor::parse(&text)))
}

/// Records how far the session has acknowledged. The caller holds its lock.
pub fn acknowledge(id: SessionId, cursor: Cursor) {
    let registry = registry();
    let table = Table::open_to_write(registry.session_position);
    let mut scan = table.scan(
        registry.session_position_id,
        &[Key::uuid(POSITION_ID, id)],
        Read::Latest,
    );
    if let Some(row) = scan.next() {
        table.replace(
            row.id,
            &[Some(uuid(id)), Some(text(cursor.to_string().as_bytes()))],
        );
    }
}

/// Locks the session's subscriptions and position until the end of the transaction. Two connections of one
/// session take turns; nobody else takes this lock.
pub fn lock(id: SessionId) {
    let registry = registry();
    let hash = crate::pg::ffi::hash_bytes(id.as_bytes());
    crate::pg::lock::object_exclusive(registry.session_definition, Oid::from_u32(hash as u32));
}
