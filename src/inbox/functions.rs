//! The SQL functions of the inbox (`sql/inbox.sql`).

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::{Uuid, name};

use super::acknowledge::Start;
use super::change::{self, Change};
use super::reader::Reader;
use super::{acknowledge, diff, feed, permissions};
use crate::change::cursor::Cursor;
use crate::error::{Error, raise};
use crate::pg::result::{Json, Text, Xid8};
use crate::pg::setting;
use crate::pg::table::Read;
use crate::tables::session::Session;
use crate::tables::transaction::AtTime;
use crate::tables::{access, epoch, transaction};

/// A count that an option gives; raises 22023 below 1.
pub fn count(option: &'static str, value: i32) -> usize {
    match usize::try_from(value) {
        Ok(count) if count > 0 => count,
        _ => raise(Error::BadOption {
            option,
            value: value.to_string(),
            allowed: "1000",
        }),
    }
}

#[allow(
    clippy::type_complexity,
    reason = "pgrx wants the columns spelt out where they are returned"
)]
#[pg_extern(sql = false)]
fn events(
    session_id: Option<Uuid>,
    after: Option<String>,
    max_events: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(cursor, Text),
        name!(kind, Text),
        name!(relation, Option<Text>),
        name!(key, Option<Json>),
        name!(column_name, Option<Text>),
        name!(value, Option<Json>),
        name!(old_value, Option<Json>),
        name!(subscription_type, Option<Text>),
        name!(xid, Option<Xid8>),
        name!(at, TimestampWithTimeZone),
        name!(event, Json),
    ),
> {
    let session = access::session(session_id.map(access::id));
    permissions::judge(&session);
    let limit = count("max_events", max_events.unwrap_or(1000));
    TableIterator::new(changes(session, after.as_deref(), limit))
}

/// At most so many of the session's events, after the given cursor or the acknowledged one. Raises what a wrong cursor does.
pub fn changes(session: Session, after: Option<&str>, limit: usize) -> Vec<Change> {
    let start = acknowledge::start(&session, after);
    let format = session.format;
    let mut reader = Reader::new(&session, Read::Inserted, start);
    let (rows, _) = change::rows(&mut reader, format, limit);
    rows.into_iter().map(|(_, row)| row).collect()
}

#[pg_extern(sql = false)]
fn ack(cursor: Option<String>, session_id: Option<Uuid>) -> i64 {
    setting::prevent_if_read_only(c"event.ack()");
    let session = access::session(session_id.map(access::id));
    let Some(cursor) = cursor else {
        raise(Error::NullArgument { argument: "cursor" })
    };
    let cursor = acknowledge::parse(&cursor, &[session.id]);
    let acknowledged = acknowledge::acknowledge(&session, cursor);
    crate::pg::transaction::next_command();
    let start = Start::acknowledged(acknowledged);
    Reader::new(&session, Read::Latest, start).count() as i64
}

#[pg_extern(sql = false)]
fn cursor(at: Option<TimestampWithTimeZone>) -> String {
    let Some(at) = at else {
        let newest = transaction::newest(Read::Inserted);
        let cursor = newest.map(|newest| newest.cursor());
        return cursor
            .unwrap_or_else(|| Cursor::beginning(epoch::current()))
            .to_string();
    };
    match transaction::last_at(at.into(), Read::Inserted) {
        AtTime::Last(last) => last.cursor(),
        AtTime::Before => Cursor::beginning(1),
        AtTime::Removed => raise(Error::UnknownCursor),
    }
    .to_string()
}

#[pg_extern(sql = false)]
fn feed(session_id: Option<Uuid>, after: Option<String>, page_size: Option<i32>) -> Json {
    let session = access::session(session_id.map(access::id));
    permissions::judge(&session);
    let limit = count("page_size", page_size.unwrap_or(100));
    let start = acknowledge::start(&session, after.as_deref());
    Json(feed::page(session, start, limit))
}

#[pg_extern(sql = false)]
fn diff(
    session_id: Option<Uuid>,
    after: Option<String>,
    color: Option<bool>,
) -> SetOfIterator<'static, Text> {
    let session = access::session(session_id.map(access::id));
    permissions::judge(&session);
    let start = acknowledge::start(&session, after.as_deref());
    SetOfIterator::new(
        diff::lines(session, start, color.unwrap_or(false))
            .into_iter()
            .map(Text),
    )
}
