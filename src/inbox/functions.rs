//! The SQL functions of the inbox (`sql/inbox.sql`).

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::{Uuid, name};

use super::acknowledge;
use super::reader::Reader;
use super::{diff, feed};
use crate::change::cursor::Cursor;
use crate::change::event::{Content, Event};
use crate::change::json::Object;
use crate::change::payload::{self, Payload};
use crate::change::record::Value;
use crate::error::{Error, raise};
use crate::pg::result::{Json, Text, Xid8};
use crate::pg::table::Read;
use crate::pg::{bytes, setting};
use crate::tables::session::Session;
use crate::tables::{access, transaction};

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
        name!(relation, Text),
        name!(key, Option<Json>),
        name!(column_name, Option<Text>),
        name!(value, Option<Json>),
        name!(old_value, Option<Json>),
        name!(subscription_type, Text),
        name!(xid, Xid8),
        name!(at, TimestampWithTimeZone),
        name!(event, Json),
    ),
> {
    let session = access::session(session_id.map(access::id));
    let limit = count("max_events", max_events.unwrap_or(1000));
    TableIterator::new(changes(session, after.as_deref(), limit))
}

/// At most so many of the session's events, after the given cursor or the acknowledged one. Raises what a wrong cursor does.
pub fn changes(session: Session, after: Option<&str>, limit: usize) -> Vec<Change> {
    let after = acknowledge::start(&session, after);
    let format = session.format;
    let mut rows = Vec::new();
    Reader::new(session, Read::Statement).read(
        after,
        limit,
        |event, place| {
            let event_json = payload::render(event, format, place.stamp.xid);
            let (value, old_value) = values(event);
            let key = (!event.key().is_empty()).then(|| {
                let mut key = Vec::new();
                payload::key(event.change.relation, event.key(), &mut key);
                key
            });
            Row {
                cursor: place.cursor,
                kind: event.operation().event_type(),
                relation: event.change.relation.qualified.clone(),
                key,
                column: match event.content {
                    Content::FieldUpdate { column, .. } => Some(column.to_vec()),
                    Content::RowInsert { .. } | Content::RowDelete | Content::Control { .. } => {
                        None
                    }
                },
                value,
                old_value,
                subscription: event.subscription.name(),
                stamp: place.stamp.clone(),
                at: place.transaction.at,
                event: event_json,
            }
        },
        |row, last| rows.push(row.finish(last)),
    );
    rows
}

/// A row of `event.change`.
pub type Change = (
    Text,
    Text,
    Text,
    Option<Json>,
    Option<Text>,
    Option<Json>,
    Option<Json>,
    Text,
    Xid8,
    TimestampWithTimeZone,
    Json,
);

/// What is known of an event before it is known whether it is the last one.
struct Row {
    cursor: Cursor,
    kind: &'static str,
    relation: Vec<u8>,
    key: Option<Vec<u8>>,
    column: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    old_value: Option<Vec<u8>>,
    subscription: &'static str,
    stamp: crate::change::event::Stamp,
    at: i64,
    event: Payload,
}

impl Row {
    fn finish(mut self, last: bool) -> Change {
        if last {
            self.event.mark_last();
        }
        (
            Text(self.cursor.to_string().into_bytes()),
            Text(self.kind.into()),
            Text(self.relation),
            self.key.map(Json),
            self.column.map(Text),
            self.value.map(Json),
            self.old_value.map(Json),
            Text(self.subscription.into()),
            Xid8(self.stamp.xid),
            bytes::timestamp(self.at),
            Json(self.event.stamped(&self.stamp, self.cursor)),
        )
    }
}

/// The new and the old value: the whole row of an insert, the field of an update.
fn values(event: &Event) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let json = |value: Value| match value {
        Value::Json(json) => Some(json.to_vec()),
        Value::Absent | Value::Unrenderable => None,
    };
    match event.content {
        Content::RowInsert { .. } => {
            let mut row = Vec::new();
            let mut object = Object::new(&mut row);
            for (name, value) in event.columns() {
                if let Value::Json(value) = value {
                    object.key(name).extend_from_slice(value);
                }
            }
            object.end();
            (Some(row), None)
        }
        Content::RowDelete | Content::Control { .. } => (None, None),
        Content::FieldUpdate { part, .. } => (json(part.new), json(part.old)),
    }
}

#[pg_extern(sql = false)]
fn ack(cursor: Option<String>, session_id: Option<Uuid>) -> i64 {
    setting::prevent_if_read_only(c"event.ack()");
    let session = access::session(session_id.map(access::id));
    let Some(cursor) = cursor else {
        raise(Error::NullArgument { argument: "cursor" })
    };
    let acknowledged = acknowledge::acknowledge(&session, acknowledge::parse(&cursor));
    crate::pg::transaction::next_command();
    Reader::new(session, Read::Latest).count(acknowledged) as i64
}

#[pg_extern(sql = false)]
fn cursor(at: Option<TimestampWithTimeZone>) -> String {
    let (placed, beginning) = match at {
        None => (
            transaction::newest(Read::Statement),
            transaction::epoch(false),
        ),
        Some(at) => (transaction::last_at(at.into(), Read::Statement), 1),
    };
    placed
        .map_or_else(|| Cursor::beginning(beginning), |placed| placed.end())
        .to_string()
}

#[pg_extern(sql = false)]
fn feed(session_id: Option<Uuid>, after: Option<String>, page_size: Option<i32>) -> Json {
    let session = access::session(session_id.map(access::id));
    let limit = count("page_size", page_size.unwrap_or(100));
    let after = acknowledge::start(&session, after.as_deref());
    Json(feed::page(session, after, limit))
}

#[pg_extern(sql = false)]
fn diff(
    session_id: Option<Uuid>,
    after: Option<String>,
    color: Option<bool>,
) -> SetOfIterator<'static, Text> {
    let session = access::session(session_id.map(access::id));
    let after = acknowledge::start(&session, after.as_deref());
    SetOfIterator::new(
        diff::lines(session, after, color.unwrap_or(false))
            .into_iter()
            .map(Text),
    )
}
