//! The wire format: one JSON object per event, the same in a notification and in the inbox.
//! `docs/event.schema.json` describes it.

use super::cursor::{CURSOR_LENGTH, Cursor};
use super::event::{AT_LENGTH, Content, Event, Readable, Source, Stamp};
use super::json::{Object, array, string};
use super::operation::{ColumnNumber, SessionId, SubscriptionId, SubscriptionType};
use super::record::{KeyColumn, Value};
use super::relation::RelationNames;

/// A session's `format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The keys that the original event extension documents, plus flat ones.
    Full,
    /// The flat keys that a client needs, and no others.
    Compact,
}

impl Format {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "full" => Some(Self::Full),
            "compact" => Some(Self::Compact),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Compact => "compact",
        }
    }
}

/// The longest payload that NOTIFY takes, in bytes.
const NOTIFY_LIMIT: usize = 7_999;

/// The most sessions that one notification on a shared channel names.
pub const MOST_SESSIONS: usize = 64;

const LAST: &[u8] = br#","last":true"#;

/// By how much an event can become longer when it is known whom it is for.
const LONGEST_TAIL: usize = LAST.len() + r#","sessions":[]"#.len() + MOST_SESSIONS * 39;

/// A rendered event whose cursor and time are still to be filled in: everything is rendered before the
/// commit lock is taken, and only these fixed-width pieces are copied while it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
    at: usize,
    cursor: usize,
}

impl Payload {
    /// Fills in the transaction's place.
    pub fn stamped(mut self, stamp: &Stamp, cursor: Cursor) -> Vec<u8> {
        self.bytes[self.at..self.at + AT_LENGTH].copy_from_slice(&stamp.at);
        self.bytes[self.cursor..self.cursor + CURSOR_LENGTH].copy_from_slice(&cursor.text());
        self.bytes
    }

    /// Says that the session gets no later event of the transaction.
    pub fn mark_last(&mut self) {
        self.append(|bytes| bytes.extend_from_slice(LAST));
    }

    /// Says for which sessions a notification on a shared channel is.
    fn name(&mut self, sessions: &[SessionId]) {
        self.append(|bytes| {
            bytes.push(b',');
            name_sessions(sessions, bytes);
        });
    }

    fn append(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        let end = self.bytes.pop();
        debug_assert_eq!(end, Some(b'}'));
        append(&mut self.bytes);
        self.bytes.push(b'}');
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// An event for NOTIFY, which refuses a long one: such a one goes without its payload, marked as truncated.
#[derive(Debug)]
pub struct Notification {
    /// There if it may be short enough: what is longer is not kept.
    whole: Option<Payload>,
    /// There if the whole event may be too long.
    truncated: Option<Payload>,
}

impl Notification {
    pub fn render(event: &Event, format: Format, source: &Source) -> Self {
        let whole = render(event, format, source);
        let may_be_long = whole.len() + LONGEST_TAIL > NOTIFY_LIMIT;
        Self {
            whole: (whole.len() <= NOTIFY_LIMIT).then_some(whole),
            truncated: may_be_long.then(|| write(event, format, source, true)),
        }
    }

    /// The payload, when it is known for whom it is, and whether the event is their last one of its transaction.
    /// `sessions`: who is named, on a shared channel. `None` if even the truncated event is too long: its
    /// names and its key alone are.
    pub fn finish(&self, last: bool, sessions: Option<&[SessionId]>) -> Option<Payload> {
        let copy = Self {
            whole: self.whole.clone(),
            truncated: self.truncated.clone(),
        };
        copy.finished(last, sessions)
    }

    /// As [`Self::finish`], where nobody else needs it.
    pub fn finished(self, last: bool, sessions: Option<&[SessionId]>) -> Option<Payload> {
        let finished = |mut payload: Payload| {
            if let Some(sessions) = sessions {
                payload.name(sessions);
            }
            if last {
                payload.mark_last();
            }
            (payload.len() <= NOTIFY_LIMIT).then_some(payload)
        };
        let whole = self.whole.and_then(finished);
        whole.or_else(|| self.truncated.and_then(finished))
    }
}

/// What decides how an event reads, beside the event itself: sessions for which this is equal are told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant<'a> {
    format: Format,
    /// Where the format shows it.
    subscription: Option<SubscriptionType>,
    /// Of an inserted row: the columns that were asked for, if not all were, and those that may be read.
    columns: Option<(Option<&'a [ColumnNumber]>, &'a Readable)>,
    /// Of an event of the relation as a whole.
    named: Option<SubscriptionId>,
}

impl<'a> Variant<'a> {
    pub fn of(event: &Event<'a>, format: Format) -> Self {
        let (columns, named) = match event.content {
            Content::RowInsert {
                recipient,
                readable,
                ..
            } => {
                let asked = (!recipient.wants_every_column()).then_some(&recipient.columns[..]);
                (Some((asked, readable)), None)
            }
            Content::RowDelete | Content::FieldUpdate { .. } | Content::Overflow { .. } => {
                (None, None)
            }
            Content::Control { subscription } => (None, Some(subscription)),
        };
        Self {
            format,
            subscription: (format == Format::Full).then_some(event.subscription),
            columns,
            named,
        }
    }
}

/// The event as an object of the session's format.
pub fn render(event: &Event, format: Format, source: &Source) -> Payload {
    write(event, format, source, false)
}

/// Tells a session to read its inbox: `count` events of one transaction, the last of them at `cursor`. On a shared
/// channel `sessions` says whose; more than can be named are not.
pub fn nudge(cursor: Cursor, count: u64, sessions: Option<&[SessionId]>) -> Vec<u8> {
    let mut nudge = format!(r#"{{"type":"nudge","cursor":"{cursor}","count":{count}"#).into_bytes();
    if let Some(sessions) = sessions.filter(|sessions| sessions.len() <= MOST_SESSIONS) {
        nudge.push(b',');
        name_sessions(sessions, &mut nudge);
    }
    nudge.push(b'}');
    nudge
}

fn name_sessions(sessions: &[SessionId], out: &mut Vec<u8>) {
    out.extend_from_slice(br#""sessions":"#);
    array(sessions, out, |session, out| {
        string(session.to_string().as_bytes(), out)
    });
}

fn write(event: &Event, format: Format, source: &Source, truncated: bool) -> Payload {
    // Of most events, with what is appended to them.
    let mut bytes = Vec::with_capacity(640);
    let mut object = Object::new(&mut bytes);
    object.word("type", event.operation().event_type());
    match event.content {
        Content::Overflow { resume } => object.text("resume", resume.to_string().as_bytes()),
        Content::Control { subscription } => {
            object.text("subscription_id", subscription.to_string().as_bytes());
            object.raw("relation", &event.change.relation.qualified.json);
        }
        Content::RowInsert { .. } | Content::RowDelete | Content::FieldUpdate { .. } => {
            row(event, format, truncated, &mut object);
            if format == Format::Full {
                object.text("xid", itoa::Buffer::new().format(source.xid).as_bytes());
                if let Some(origin) = &source.origin {
                    object.text("origin", origin);
                }
            }
        }
    }
    let at = placeholder(object.member("at"), AT_LENGTH);
    let cursor = placeholder(object.member("cursor"), CURSOR_LENGTH);
    object.end();
    Payload { bytes, at, cursor }
}

/// What an event says of its row.
fn row(event: &Event, format: Format, truncated: bool, object: &mut Object) {
    let relation = event.change.relation;
    if let (Format::Full, Some(operation)) = (format, event.operation().name()) {
        object.word("operation", operation);
        object.word("subscription_type", event.subscription.name());
        row_id(relation, event.key(), object.member("row_id"));
    }
    if truncated {
        object.raw("truncated", b"true");
    } else if !matches!(event.content, Content::RowDelete) {
        let mut unrenderable = Vec::new();
        let mut payload = Object::new(object.member("payload"));
        for (name, value) in event.columns() {
            match value {
                Value::Json(json) => payload.json_key(&name.json).extend_from_slice(json),
                Value::Unrenderable => unrenderable.push(&name.json),
                Value::Absent => {}
            }
        }
        payload.end();
        if !unrenderable.is_empty() {
            array(unrenderable, object.member("unrenderable"), |name, out| {
                out.extend_from_slice(name);
            });
        }
    }
    object.raw("relation", &relation.qualified.json);
    key(relation, event.key(), object.member("key"));
    if let Content::FieldUpdate { column, .. } = event.content {
        object.raw("column", &column.json);
    }
}

fn placeholder(out: &mut Vec<u8>, length: usize) -> usize {
    out.push(b'"');
    let at = out.len();
    out.resize(at + length, b'-');
    out.push(b'"');
    at
}

/// The key columns with their JSON values.
pub fn key(relation: &RelationNames, key: &[KeyColumn], out: &mut Vec<u8>) {
    let mut object = Object::new(out);
    for column in key {
        object
            .json_key(name(relation, column.column))
            .extend_from_slice(column.json);
    }
    object.end();
}

/// The row as the original event extension names it: the identifier types of schema `meta` as JSON.
fn row_id(relation: &RelationNames, key: &[KeyColumn], out: &mut Vec<u8>) {
    let mut row_id = Object::new(out);
    if let [key] = key {
        let mut column_id = Object::new(row_id.member("pk_column_id"));
        column_id.raw("relation_id", &relation.identifier);
        column_id.raw("name", name(relation, key.column));
        column_id.end();
        row_id.text("pk_value", key.text);
    } else {
        row_id.raw("schema_name", &relation.schema.json);
        row_id.raw("relation_name", &relation.name.json);
        array(key, row_id.member("pk_column_names"), |key, out| {
            out.extend_from_slice(name(relation, key.column));
        });
        array(key, row_id.member("pk_values"), |key, out| {
            string(key.text, out)
        });
    }
    row_id.end();
}

/// The name of a key column as JSON, which [`super::event::for_each`] has seen to exist.
fn name(relation: &RelationNames, column: ColumnNumber) -> &[u8] {
    relation.column(column).map_or(br#""""#, |name| &name.json)
}

#[cfg(test)]
mod tests {
    use super::super::cursor::{ChangeOrder, Position};
    use super::super::event::{self, Change, Overflow};
    use super::super::operation::{Control, Operation};
    use super::super::recipients::Recipient;
    use super::super::record::{Part, Record};
    use super::*;

    const AT: &[u8; AT_LENGTH] = b"2026-01-01T00:00:00.000000Z";

    fn source() -> Source {
        Source {
            xid: 556,
            ..Source::default()
        }
    }

    fn stamp() -> Stamp {
        Stamp {
            position: Position {
                epoch: 1,
                lsn: 0x2a,
            },
            nonce: 0xabc,
            at: *AT,
        }
    }

    fn relation() -> RelationNames {
        let columns: [(ColumnNumber, &[u8]); 3] = [(1, b"id"), (2, b"na\"me"), (3, b"score")];
        RelationNames::new(b"public", b"person", b"public.person", columns)
    }

    /// Renders the only event of the change for a table subscriber.
    fn with_event<T>(
        operation: Operation,
        key: Vec<KeyColumn>,
        parts: Vec<Part>,
        then: impl Fn(&Event, Cursor) -> T,
    ) -> T {
        let relation = relation();
        let record = Record {
            operation,
            key,
            parts,
            name: b"",
        };
        let mut recipient = Recipient::new(SessionId::nil());
        recipient.add(SubscriptionType::Table, None);
        recipient.named = Some(SubscriptionId::from_u128(7));
        let order = ChangeOrder::new(5, operation == Operation::Delete, 1);
        let mut seen = None;
        let change = Change {
            order,
            relation: &relation,
            record: &record,
        };
        event::for_each(change, &recipient, &Readable::All, |event| {
            seen = Some(then(&event, stamp().cursor(order, event.field())));
        });
        seen.expect("the change is an event")
    }

    fn id_3() -> Vec<KeyColumn<'static>> {
        vec![KeyColumn {
            column: 1,
            json: b"3",
            text: b"3",
        }]
    }

    fn score(json: &[u8]) -> Vec<Part<'_>> {
        vec![Part {
            column: 3,
            new: Value::Json(json),
            old: Value::Absent,
        }]
    }

    fn text(
        format: Format,
        operation: Operation,
        key: Vec<KeyColumn>,
        parts: Vec<Part>,
        last: bool,
    ) -> String {
        let bytes = with_event(operation, key, parts, |event, cursor| {
            let mut payload = render(event, format, &source());
            if last {
                payload.mark_last();
            }
            payload.stamped(&stamp(), cursor)
        });
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn full_is_what_the_documentation_shows() {
        assert_eq!(
            text(Format::Full, Operation::Update, id_3(), score(b"19"), true),
            concat!(
                r#"{"type":"field_update","operation":"update","subscription_type":"table","#,
                r#""row_id":{"pk_column_id":{"relation_id":{"schema_id":{"name":"public"},"name":"person"},"#,
                r#""name":"id"},"pk_value":"3"},"payload":{"score":19},"relation":"public.person","#,
                r#""key":{"id":3},"column":"score","xid":"556","at":"2026-01-01T00:00:00.000000Z","#,
                r#""cursor":"0001000000000000002a0000000580000000010003"#,
                r#"00000abc","last":true}"#
            )
        );
    }

    #[test]
    fn a_writer_that_has_a_name_is_named_in_full_only() {
        let source = Source {
            xid: 556,
            origin: Some(b"tab \"17\"".as_slice().into()),
        };
        let shown = |format| {
            let bytes = with_event(Operation::Delete, id_3(), vec![], |event, cursor| {
                render(event, format, &source).stamped(&stamp(), cursor)
            });
            String::from_utf8(bytes).unwrap()
        };
        assert!(shown(Format::Full).contains(r#""xid":"556","origin":"tab \"17\"","at":"#));
        assert!(!shown(Format::Compact).contains("origin"));
    }

    #[test]
    fn an_overflow_is_of_no_relation() {
        let position = stamp().position;
        let overflow = Overflow::new(Cursor::end_of(position, stamp().nonce));
        for format in [Format::Full, Format::Compact] {
            let mut payload = render(&overflow.event(), format, &Source::default());
            payload.mark_last();
            let cursor = Cursor::end_of(position, stamp().nonce);
            assert_eq!(
                String::from_utf8(payload.stamped(&stamp(), cursor)).unwrap(),
                concat!(
                    r#"{"type":"overflow","resume":"0001000000000000002affffffffffffffffffffff00000abc","#,
                    r#""at":"2026-01-01T00:00:00.000000Z","#,
                    r#""cursor":"0001000000000000002affffffffffffffffffffff00000abc","last":true}"#
                )
            );
        }
    }

    #[test]
    fn compact_has_the_flat_keys_only() {
        assert_eq!(
            text(Format::Compact, Operation::Delete, id_3(), vec![], false),
            concat!(
                r#"{"type":"row_delete","relation":"public.person","key":{"id":3},"#,
                r#""at":"2026-01-01T00:00:00.000000Z","#,
                r#""cursor":"0001000000000000002a00000005000000000100000"#,
                r#"0000abc"}"#
            )
        );
    }

    #[test]
    fn a_compound_key_names_its_columns_and_values() {
        let key = vec![
            KeyColumn {
                column: 3,
                json: b"7",
                text: b"7",
            },
            KeyColumn {
                column: 2,
                json: b"\"x\"",
                text: b"x",
            },
        ];
        let event = text(Format::Full, Operation::Delete, key, vec![], false);
        assert!(event.contains(concat!(
            r#""row_id":{"schema_name":"public","relation_name":"person","#,
            r#""pk_column_names":["score","na\"me"],"pk_values":["7","x"]}"#
        )));
        assert!(event.contains(r#""key":{"score":7,"na\"me":"x"}"#));
    }

    #[test]
    fn a_value_without_json_is_named() {
        let parts = vec![
            Part {
                column: 1,
                new: Value::Json(b"3"),
                old: Value::Absent,
            },
            Part {
                column: 2,
                new: Value::Unrenderable,
                old: Value::Absent,
            },
        ];
        let event = text(Format::Compact, Operation::Insert, id_3(), parts, false);
        assert!(
            event.contains(r#""payload":{"id":3},"unrenderable":["na\"me"]"#),
            "{event}"
        );
    }

    #[test]
    fn the_longest_event_that_fits_is_whole_and_a_longer_one_is_truncated() {
        let notified = |length: usize| {
            let value = [b"\"".as_slice(), &vec![b'x'; length], b"\""].concat();
            with_event(Operation::Update, id_3(), score(&value), |event, cursor| {
                let payload = Notification::render(event, Format::Full, &source())
                    .finish(true, None)
                    .unwrap();
                String::from_utf8(payload.stamped(&stamp(), cursor)).unwrap()
            })
        };
        let room = NOTIFY_LIMIT - notified(0).len();
        assert_eq!(notified(room).len(), NOTIFY_LIMIT);
        assert!(notified(room).contains("payload"));
        let truncated = notified(room + 1);
        assert!(truncated.contains(r#""truncated":true"#) && !truncated.contains("payload"));
        assert!(truncated.contains(r#""key":{"id":3}"#) && truncated.contains("cursor"));
    }

    #[test]
    fn an_event_whose_key_alone_is_too_long_cannot_be_notified() {
        let long = vec![b'x'; NOTIFY_LIMIT];
        let key = vec![KeyColumn {
            column: 1,
            json: b"\"x\"",
            text: &long,
        }];
        let notified = with_event(Operation::Delete, key, vec![], |event, _| {
            Notification::render(event, Format::Full, &source()).finish(true, None)
        });
        assert_eq!(notified, None);
    }

    #[test]
    fn a_nudge_says_how_much_and_up_to_where() {
        let cursor = Cursor::beginning(1);
        assert_eq!(
            String::from_utf8(nudge(cursor, 2, None)).unwrap(),
            format!(r#"{{"type":"nudge","cursor":"{cursor}","count":2}}"#)
        );
    }

    fn sessions(count: usize) -> Vec<SessionId> {
        (0..count as u128).map(SessionId::from_u128).collect()
    }

    #[test]
    fn a_nudge_names_as_many_sessions_as_an_event() {
        let cursor = Cursor::beginning(1);
        assert_eq!(
            String::from_utf8(nudge(cursor, 2, Some(&sessions(2)))).unwrap(),
            format!(
                r#"{{"type":"nudge","cursor":"{cursor}","count":2,"sessions":["{}","{}"]}}"#,
                SessionId::from_u128(0),
                SessionId::from_u128(1)
            )
        );
        let named = |count| nudge(cursor, 1, Some(&sessions(count))).len();
        assert!(named(MOST_SESSIONS) > named(MOST_SESSIONS - 1));
        assert_eq!(
            nudge(cursor, 1, Some(&sessions(MOST_SESSIONS + 1))),
            nudge(cursor, 1, None)
        );
    }

    #[test]
    fn sessions_that_share_a_channel_are_named_and_count_for_the_length() {
        let notified = |length: usize, names: usize| {
            let value = [b"\"".as_slice(), &vec![b'x'; length], b"\""].concat();
            with_event(Operation::Update, id_3(), score(&value), |event, cursor| {
                let notification = Notification::render(event, Format::Compact, &source());
                let payload = notification.finish(true, Some(&sessions(names))).unwrap();
                String::from_utf8(payload.stamped(&stamp(), cursor)).unwrap()
            })
        };
        let first = SessionId::from_u128(0);
        assert!(notified(0, 1).ends_with(&format!(r#","sessions":["{first}"],"last":true}}"#)));
        let room = NOTIFY_LIMIT - notified(0, MOST_SESSIONS).len();
        assert_eq!(notified(room, MOST_SESSIONS).len(), NOTIFY_LIMIT);
        assert!(notified(room + 1, MOST_SESSIONS).contains(r#""truncated":true"#));
        assert!(!notified(room + 1, MOST_SESSIONS - 1).contains("truncated"));
    }

    #[test]
    fn an_event_of_the_whole_relation_is_the_same_in_both_formats() {
        for format in [Format::Full, Format::Compact] {
            let event = with_event(
                Operation::Control(Control::Truncate),
                vec![],
                vec![],
                |event, cursor| render(event, format, &source()).stamped(&stamp(), cursor),
            );
            let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
            let keys: Vec<_> = event.as_object().unwrap().keys().collect();
            assert_eq!(
                keys,
                ["at", "cursor", "relation", "subscription_id", "type"]
            );
            assert_eq!(event["type"], "truncate");
            assert_eq!(event["relation"], "public.person");
            assert_eq!(
                event["subscription_id"],
                "00000000-0000-0000-0000-000000000007"
            );
        }
    }
}
