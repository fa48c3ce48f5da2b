//! Events as rows of `event.change`.

use pgrx::IntoDatum;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::Datum;

use super::reader::{Page, Reader};
use crate::change::cursor::Cursor;
use crate::change::event::{Content, Event, Stamp};
use crate::change::json::Object;
use crate::change::payload::{self, Format, Payload};
use crate::change::record::Value;
use crate::pg::bytes;
use crate::pg::result::{Attributes, Json, Text, Xid8};

/// At most `limit` events, which are the reader's next ones, with their cursors, and where it has stopped.
pub fn rows(reader: &mut Reader, format: Format, limit: usize) -> (Vec<(Cursor, Change)>, Page) {
    let mut rows = Vec::new();
    let page = reader.read(
        limit,
        |event, place| {
            let event_json = payload::render(event, format, place.source);
            let (value, old_value) = values(event);
            let key = (!event.key().is_empty()).then(|| {
                let mut key = Vec::new();
                payload::key(event.change.relation, event.key(), &mut key);
                key
            });
            Row {
                cursor: place.cursor,
                kind: event.operation().event_type(),
                relation: event
                    .has_relation()
                    .then(|| event.change.relation.qualified.text.clone()),
                key,
                column: match event.content {
                    Content::FieldUpdate { column, .. } => Some(column.text.clone()),
                    Content::RowInsert { .. }
                    | Content::RowDelete
                    | Content::Control { .. }
                    | Content::Overflow { .. } => None,
                },
                value,
                old_value,
                subscription: event.has_relation().then(|| event.subscription.name()),
                xid: event.has_relation().then_some(place.source.xid),
                stamp: place.stamp.clone(),
                at: place.at,
                event: event_json,
            }
        },
        |row, last| rows.push((row.cursor, row.finish(last))),
    );
    (rows, page)
}

/// A row of `event.change`.
pub type Change = (
    Text,
    Text,
    Option<Text>,
    Option<Json>,
    Option<Text>,
    Option<Json>,
    Option<Json>,
    Option<Text>,
    Option<Xid8>,
    TimestampWithTimeZone,
    Json,
);

impl Attributes for Change {
    fn attributes(self) -> Vec<Option<Datum>> {
        vec![
            self.0.into_datum(),
            self.1.into_datum(),
            self.2.into_datum(),
            self.3.into_datum(),
            self.4.into_datum(),
            self.5.into_datum(),
            self.6.into_datum(),
            self.7.into_datum(),
            self.8.into_datum(),
            self.9.into_datum(),
            self.10.into_datum(),
        ]
    }
}

/// What is known of an event before it is known whether it is the last one.
struct Row {
    cursor: Cursor,
    kind: &'static str,
    relation: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    column: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    old_value: Option<Vec<u8>>,
    subscription: Option<&'static str>,
    xid: Option<u64>,
    stamp: Stamp,
    at: i64,
    event: Payload,
}

impl Row {
    fn finish(mut self, last: bool) -> Change {
        if last {
            self.event.mark_last();
        }
        (
            Text(self.cursor.text().to_vec()),
            Text(self.kind.into()),
            self.relation.map(Text),
            self.key.map(Json),
            self.column.map(Text),
            self.value.map(Json),
            self.old_value.map(Json),
            self.subscription.map(|name| Text(name.into())),
            self.xid.map(Xid8),
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
                    object.json_key(&name.json).extend_from_slice(value);
                }
            }
            object.end();
            (Some(row), None)
        }
        Content::RowDelete | Content::Control { .. } | Content::Overflow { .. } => (None, None),
        Content::FieldUpdate { part, .. } => (json(part.new), json(part.old)),
    }
}
