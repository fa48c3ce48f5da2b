//! `event.session_definition` and `event.session_position`.

use std::ffi::{CStr, CString};
use std::rc::Rc;

use pgrx::datum::Interval;
use pgrx::pg_sys::Oid;

use super::registry::registry;
use super::{inbox_size, lost_event, permission_loss};
use crate::change::cursor::Cursor;
use crate::change::operation::SessionId;
use crate::change::payload::Format;
use crate::pg::bytes::{datum, text};
use crate::pg::row::Row;
use crate::pg::scan_key::{Key, uuid};
use crate::pg::table::{Read, Table};

const ID: i16 = 1;
const NAME: i16 = 2;
const NOTIFY: i16 = 3;
const FORMAT: i16 = 4;
const OWNER: i16 = 5;
const CREATED_AT: i16 = 6;
const CHANNEL: i16 = 7;
const TTL: i16 = 8;

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

/// What a commit and a reader have to know of a session.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub notify: Notify,
    pub format: Format,
    pub owner: Oid,
    pub channel: Channel,
}

/// The channel of a session's notifications.
#[derive(Clone, Debug)]
pub struct Channel {
    pub name: Rc<CStr>,
    /// Whether other sessions can have the same one.
    pub is_shared: bool,
}

impl Channel {
    /// The one that a session has unless it was given another.
    pub fn own(id: SessionId) -> Self {
        Self {
            name: CString::new(id.to_string())
                .expect("a uuid holds no NUL")
                .into(),
            is_shared: false,
        }
    }

    pub fn shared(name: CString) -> Self {
        Self {
            name: name.into(),
            is_shared: true,
        }
    }

    /// Its name, if others can have the same one.
    pub fn shared_name(&self) -> Option<&Rc<CStr>> {
        self.is_shared.then_some(&self.name)
    }
}

impl Session {
    fn of(row: &Row) -> Self {
        let known = "the column holds what we wrote";
        let id = row.uuid(ID);
        let shared = row
            .bytes(CHANNEL)
            .map(|channel| CString::new(channel).expect("a text holds no NUL"));
        Self {
            id,
            notify: row
                .text(NOTIFY)
                .and_then(|name| Notify::parse(&name))
                .expect(known),
            format: row
                .text(FORMAT)
                .and_then(|name| Format::parse(&name))
                .expect(known),
            owner: row.oid(OWNER),
            channel: shared.map_or_else(|| Channel::own(id), Channel::shared),
        }
    }
}

/// All that is stored of a session.
pub struct Definition {
    pub session: Session,
    pub name: Option<Vec<u8>>,
    /// `None` for `reldiff.session_ttl`.
    pub ttl: Option<Interval>,
    /// Microseconds since 2000-01-01 UTC.
    pub created_at: i64,
}

impl Definition {
    fn of(row: &Row) -> Self {
        Self {
            session: Session::of(row),
            name: row.bytes(NAME),
            ttl: row.interval(TTL),
            created_at: row.int8(CREATED_AT),
        }
    }
}

/// So often a session is looked for before it is taken to be gone. It is altered by replacing its row, and a look without a
/// snapshot that comes across the commit can miss both; the next one sees the new row, unless the session is
/// altered once more within these few microseconds.
const LOOKS: usize = 3;

/// The session as of now: its latest committed definition, or the own one.
pub fn find(id: SessionId) -> Option<Session> {
    find_row(id, Session::of)
}

/// As [`find`], with all that is stored.
pub fn definition(id: SessionId) -> Option<Definition> {
    find_row(id, Definition::of)
}

fn find_row<T>(id: SessionId, read: impl Fn(&Row) -> T) -> Option<T> {
    let table = Table::open_to_read(registry().session_definition);
    (0..LOOKS).find_map(|_| {
        let keys = [Key::uuid(ID, id)];
        let mut scan = table.scan(registry().session_definition_id, &keys, Read::Latest);
        scan.next().map(|row| read(&row))
    })
}

/// The sessions that the role owns, at most `limit`.
pub fn of_owner(owner: Oid, limit: usize) -> Vec<SessionId> {
    let table = Table::open_to_read(registry().session_definition);
    let keys = [Key::oid(OWNER, owner)];
    let mut scan = table.scan(registry().session_definition_owner, &keys, Read::Latest);
    let mut sessions = Vec::new();
    while sessions.len() < limit
        && let Some(row) = scan.next()
    {
        sessions.push(row.uuid(ID));
    }
    sessions
}

/// Whether some session is on this channel. Looks at all sessions.
pub fn is_shared(channel: &CStr) -> bool {
    let table = Table::open_to_read(registry().session_definition);
    let mut scan = table.scan(registry().session_definition_id, &[], Read::Latest);
    while let Some(row) = scan.next() {
        if row.bytes(CHANNEL).as_deref() == Some(channel.to_bytes()) {
            return true;
        }
    }
    false
}

/// Stores a new session.
pub fn insert(definition: &Definition) {
    insert_definition(definition);
    Table::open_to_write(registry().session_position)
        .insert_row(&[Some(uuid(definition.session.id)), None]);
}

fn insert_definition(definition: &Definition) {
    let session = &definition.session;
    let shared_channel = session.channel.shared_name();
    Table::open_to_write(registry().session_definition).insert_row(&[
        Some(uuid(session.id)),
        definition.name.as_deref().map(text),
        Some(text(session.notify.name().as_bytes())),
        Some(text(session.format.name().as_bytes())),
        Some(session.owner.into()),
        Some(definition.created_at.into()),
        shared_channel.map(|channel| text(channel.to_bytes())),
        definition.ttl.map(datum),
    ]);
}

/// Gives a session that exists another definition, and tells the writers that know it. The caller holds its lock.
pub fn replace(definition: &Definition) {
    crate::pg::relation::invalidate(registry().session_definition);
    delete_definition(definition.session.id);
    insert_definition(definition);
}

/// Deletes the session, and tells the writers that know it. The caller holds its lock.
pub fn delete(id: SessionId) {
    crate::pg::relation::invalidate(registry().session_definition);
    delete_definition(id);
    delete_from(
        Table::open_to_write(registry().session_position),
        registry().session_position_id,
        Key::uuid(POSITION_ID, id),
    );
    delete_from(
        Table::open_to_write(registry().permission_loss),
        registry().permission_loss_session,
        permission_loss::key(id),
    );
    delete_from(
        Table::open_to_write(registry().lost_event),
        registry().lost_event_session,
        lost_event::key(id),
    );
    delete_from(
        Table::open_to_write(registry().inbox_size),
        registry().inbox_size_session,
        inbox_size::key(id),
    );
}

fn delete_definition(id: SessionId) {
    delete_from(
        Table::open_to_write(registry().session_definition),
        registry().session_definition_id,
        Key::uuid(ID, id),
    );
}

fn delete_from(table: Table, index: Oid, key: Key) {
    let mut scan = table.scan(index, &[key], Read::Latest);
    while let Some(row) = scan.next() {
        table.delete(row.id);
    }
}

/// How far the session has acknowledged, as `read` sees it; the outer `None` if there is no session.
pub fn acknowledged(id: SessionId, read: Read) -> Option<Option<Cursor>> {
    let table = Table::open_to_read(registry().session_position);
    let mut scan = table.scan(
        registry().session_position_id,
        &[Key::uuid(POSITION_ID, id)],
        read,
    );
    scan.next()
        .map(|row| row.text(ACKNOWLEDGED).and_then(|text| Cursor::parse(&text)))
}

/// Records how far the session has acknowledged. The caller holds its lock.
pub fn acknowledge(id: SessionId, cursor: Cursor) {
    let table = Table::open_to_write(registry().session_position);
    let mut scan = table.scan(
        registry().session_position_id,
        &[Key::uuid(POSITION_ID, id)],
        Read::Latest,
    );
    if let Some(row) = scan.next() {
        table.replace(row.id, &[Some(uuid(id)), Some(text(&cursor.text()))]);
    }
}

/// Locks the session's definition, subscriptions and position until the end of the transaction. Two connections of one
/// session take turns; nobody else takes this lock.
pub fn lock(id: SessionId) {
    let (class, object) = lock_object(id);
    crate::pg::lock::object_exclusive(class, object);
}

/// As [`lock`], if nobody has it.
pub fn try_lock(id: SessionId) -> bool {
    let (class, object) = lock_object(id);
    crate::pg::lock::try_object_exclusive(class, object)
}

fn lock_object(id: SessionId) -> (Oid, Oid) {
    let hash = crate::pg::ffi::hash_bytes(id.as_bytes());
    (registry().session_definition, Oid::from_u32(hash as u32))
}
