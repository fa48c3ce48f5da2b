//! `event.session_expiry`: until when a session is kept that nobody uses.
//!
//! Whatever counts as a use adds a row, unless the last use was only just now; the latest row counts. So a use waits for
//! nobody, and two of them do not disturb each other.

use pgrx::datum::Interval;

use super::registry::registry;
use super::session::{self, Definition};
use crate::change::operation::SessionId;
use crate::gucs;
use crate::pg::scan_key::{Key, uuid};
use crate::pg::table::{Read, Table};
use crate::pg::transaction;

const SESSION: i16 = 1;
const EXPIRES_AT: i16 = 2;

/// The time of a session that never expires: `infinity`.
const NEVER: i64 = i64::MAX;

/// A use is not noted if it keeps the session by less than this longer (microseconds), or by less than a tenth of its time.
const PRECISION: i64 = 60_000_000;

/// Notes that the session is used, where anything can be written: a read-only transaction uses it unnoticed.
pub fn note_use(id: SessionId) {
    if transaction::may_write()
        && let Some(definition) = session::definition(id)
    {
        let lifetime = lifetime(definition.ttl);
        let expires_at = after(lifetime);
        let least = PRECISION.min(lifetime.unwrap_or(i64::MAX) / 10);
        if of(id, Read::Latest).is_none_or(|known| expires_at.saturating_sub(known) > least) {
            set(id, expires_at);
            transaction::next_command();
        }
    }
}

/// Keeps the session for the whole of its time from now on, longer or shorter than before.
pub fn renew(definition: &Definition) {
    set(definition.session.id, after(lifetime(definition.ttl)));
}

/// How long a session with this `ttl` is kept unused, in microseconds; `None` for ever. A month has 30 days.
fn lifetime(ttl: Option<Interval>) -> Option<i64> {
    match ttl {
        Some(ttl) => Some(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)),
        None => {
            let seconds = i64::from(gucs::SESSION_TTL.get());
            (seconds > 0).then(|| seconds * 1_000_000)
        }
    }
}

fn after(lifetime: Option<i64>) -> i64 {
    lifetime.map_or(NEVER, |lifetime| {
        transaction::clock().saturating_add(lifetime)
    })
}

/// Until when the session is kept, in microseconds since 2000-01-01 UTC.
fn of(session: SessionId, read: Read) -> Option<i64> {
    let table = Table::open_to_read(registry().session_expiry);
    let keys = [Key::uuid(SESSION, session)];
    let mut scan = table.scan(registry().session_expiry_session, &keys, read);
    scan.next_back().map(|row| row.int8(EXPIRES_AT))
}

fn set(session: SessionId, expires_at: i64) {
    delete(session);
    Table::open_to_write(registry().session_expiry)
        .insert_row(&[Some(uuid(session)), Some(expires_at.into())]);
}

/// Takes the session's rows away, but for those that somebody else is taking away.
pub fn delete(session: SessionId) {
    let table = Table::open_to_write(registry().session_expiry);
    let keys = [Key::uuid(SESSION, session)];
    let mut scan = table.scan(registry().session_expiry_session, &keys, Read::Latest);
    while let Some(row) = scan.next() {
        table.delete_unless_busy(row.id);
    }
}

/// Whether the session has not been used for the whole of its time, nor is being used by a transaction that is still open.
pub fn is_over(session: SessionId) -> bool {
    of(session, Read::Uncommitted).is_some_and(|expires_at| expires_at < transaction::clock())
}

/// The sessions whose time is over, the earliest first, at most `limit`. Some may have been used since.
pub fn over(limit: usize) -> Vec<SessionId> {
    let now = transaction::clock();
    let table = Table::open_to_read(registry().session_expiry);
    let mut scan = table.scan(registry().session_expiry_time, &[], Read::Latest);
    let mut sessions = Vec::new();
    while sessions.len() < limit
        && let Some(row) = scan.next()
        && row.int8(EXPIRES_AT) < now
    {
        sessions.push(row.uuid(SESSION));
    }
    sessions
}
