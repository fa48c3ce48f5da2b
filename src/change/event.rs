//! The events that a recorded change is for one session.

use std::rc::Rc;

use super::cursor::{ChangeOrder, Cursor, Position};
use super::operation::{ColumnNumber, Control, Operation, SubscriptionId, SubscriptionType};
use super::recipients::Recipient;
use super::record::{KeyColumn, Part, Record, Value};
use super::relation::{Name, RelationNames};

/// A transaction as its events name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub xid: u64,
    /// What the writer has called itself.
    pub origin: Option<Rc<[u8]>>,
}

/// A transaction's place, as the events of it tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub position: Position,
    pub nonce: u32,
    /// `2026-01-01T00:00:00.000000Z`
    pub at: [u8; AT_LENGTH],
}

/// The number of characters of every `at`.
pub const AT_LENGTH: usize = 27;

impl Stamp {
    pub fn cursor(&self, order: ChangeOrder, field: u16) -> Cursor {
        Cursor {
            position: self.position,
            order,
            field,
            nonce: self.nonce,
        }
    }
}

/// Which columns of a relation a session's owner may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    All,
    /// Ascending; empty if none.
    Columns(Vec<ColumnNumber>),
}

impl Readable {
    pub fn contains(&self, column: ColumnNumber) -> bool {
        match self {
            Self::All => true,
            Self::Columns(columns) => columns.binary_search(&column).is_ok(),
        }
    }

    /// Whether no column may be read.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Columns(columns) if columns.is_empty())
    }
}

/// A recorded change at its place in its transaction.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub order: ChangeOrder,
    pub relation: &'a RelationNames,
    pub record: &'a Record<'a>,
}

/// One event of one session: a row that came or went, a field that changed, or something that happened to the
/// relation as a whole.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub change: Change<'a>,
    pub subscription: SubscriptionType,
    pub content: Content<'a>,
}

#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// The recorded columns; of a session that subscribed to columns only those and the key.
    RowInsert {
        parts: &'a [Part<'a>],
        recipient: &'a Recipient,
        readable: &'a Readable,
    },
    RowDelete,
    FieldUpdate {
        column: &'a Name,
        part: &'a Part<'a>,
    },
    Control {
        subscription: SubscriptionId,
    },
    /// Of no relation. From this cursor on the inbox is whole again.
    Overflow {
        resume: Cursor,
    },
}

/// What stands for the record and the relation of an overflow, which has none.
pub struct Overflow {
    relation: RelationNames,
    record: Record<'static>,
    resume: Cursor,
}

impl Overflow {
    pub fn new(resume: Cursor) -> Self {
        Self {
            relation: RelationNames::gone(b""),
            record: Record {
                operation: Operation::Control(Control::Overflow),
                key: Vec::new(),
                parts: Vec::new(),
                name: b"",
            },
            resume,
        }
    }

    /// The event that a session gets in place of those that it has lost.
    pub fn event(&self) -> Event<'_> {
        Event {
            change: Change {
                order: self.resume.order,
                relation: &self.relation,
                record: &self.record,
            },
            subscription: SubscriptionType::Table,
            content: Content::Overflow {
                resume: self.resume,
            },
        }
    }
}

impl<'a> Event<'a> {
    /// Whether it tells of a relation, as all do but an overflow.
    pub fn has_relation(&self) -> bool {
        !matches!(self.content, Content::Overflow { .. })
    }

    /// The last piece of the cursor's ordinal.
    pub fn field(&self) -> u16 {
        match self.content {
            Content::FieldUpdate { part, .. } => part.column as u16,
            Content::RowInsert { .. } | Content::RowDelete | Content::Control { .. } => 0,
            Content::Overflow { resume } => resume.field,
        }
    }

    pub fn key(&self) -> &'a [KeyColumn<'a>] {
        &self.change.record.key
    }

    pub fn operation(&self) -> Operation {
        self.change.record.operation
    }

    /// The columns that the payload shows or names as unrenderable, with their names.
    pub fn columns(&self) -> impl Iterator<Item = (&'a Name, Value<'a>)> {
        let relation = self.change.relation;
        let key = self.key();
        let (parts, share) = match self.content {
            Content::RowInsert {
                parts,
                recipient,
                readable,
            } => (parts, Some((recipient, readable))),
            Content::FieldUpdate { part, .. } => (std::slice::from_ref(part), None),
            Content::RowDelete | Content::Control { .. } | Content::Overflow { .. } => {
                (&[][..], None)
            }
        };
        parts
            .iter()
            .filter(move |part| match share {
                Some((recipient, readable)) => {
                    let asked = recipient.wants_every_column()
                        || recipient.columns.binary_search(&part.column).is_ok()
                        || key.iter().any(|key| key.column == part.column);
                    asked && readable.contains(part.column)
                }
                None => true,
            })
            .filter_map(move |part| Some((relation.column(part.column)?, part.new)))
    }
}

/// Calls `visit` for each event that the change is for the recipient, in order. Fields of columns that
/// have been dropped since or may not be read, and changes whose key is such, are no events.
pub fn for_each<'a>(
    change: Change<'a>,
    recipient: &'a Recipient,
    readable: &'a Readable,
    mut visit: impl FnMut(Event<'a>),
) {
    let record = change.record;
    let shown = |column| {
        change
            .relation
            .column(column)
            .filter(|_| readable.contains(column))
    };
    if record.key.iter().any(|key| shown(key.column).is_none()) {
        return;
    }
    let whole_row = |content| {
        recipient
            .hears_row(record.operation)
            .map(|subscription| Event {
                change,
                subscription,
                content,
            })
    };
    match record.operation {
        Operation::Insert => {
            if let Some(event) = whole_row(Content::RowInsert {
                parts: &record.parts,
                recipient,
                readable,
            }) {
                visit(event);
            }
        }
        Operation::Delete => {
            if let Some(event) = whole_row(Content::RowDelete) {
                visit(event);
            }
        }
        Operation::Update => {
            for part in &record.parts {
                let heard = recipient.hears_field(part.column);
                if let (Some(subscription), Some(column)) = (heard, shown(part.column)) {
                    visit(Event {
                        change,
                        subscription,
                        content: Content::FieldUpdate { column, part },
                    });
                }
            }
        }
        Operation::Control(control) => {
            // Of a relation that is gone nothing is left that could be judged, and that nothing may be read any more is
            // what the other one says.
            let is_told_anyway = matches!(control, Control::Gone | Control::PermissionLoss);
            let may_hear = is_told_anyway || !readable.is_nothing();
            if let (true, Some(subscription)) = (may_hear, recipient.named)
                && let Some(event) = whole_row(Content::Control { subscription })
            {
                visit(event);
            }
        }
    }
}

/// The last piece of the ordinal of the last event that a change is for the recipient, whatever its owner may read.
pub fn last_field(record: &Record, recipient: &Recipient) -> u16 {
    if record.operation != Operation::Update {
        return 0;
    }
    let parts = record.parts.iter().rev().map(|part| part.column);
    let mut heard = parts.filter(|&column| recipient.hears_field(column).is_some());
    heard.next().unwrap_or_default() as u16
}

#[cfg(test)]
mod tests {
    use super::super::operation::SessionId;
    use super::*;

    fn relation() -> RelationNames {
        let columns: [(ColumnNumber, &[u8]); 3] = [(1, b"id"), (2, b"name"), (4, b"score")];
        RelationNames::new(b"public", b"person", b"public.person", columns)
    }

    fn record(operation: Operation, parts: &[i16]) -> Record<'static> {
        let part = |&column| Part {
            column,
            new: Value::Json(b"1"),
            old: Value::Absent,
        };
        Record {
            operation,
            key: vec![KeyColumn {
                column: 1,
                json: b"3",
                text: b"3",
            }],
            parts: parts.iter().map(part).collect(),
            name: b"",
        }
    }

    type Heard = Vec<(SubscriptionType, u16, Vec<String>)>;

    fn heard(recipient: &Recipient, record: &Record) -> Heard {
        heard_by(recipient, &Readable::All, record)
    }

    fn heard_by(recipient: &Recipient, readable: &Readable, record: &Record) -> Heard {
        let relation = relation();
        let order = ChangeOrder::new(1, false, 0);
        let mut events = Vec::new();
        for_each(
            Change {
                order,
                relation: &relation,
                record,
            },
            recipient,
            readable,
            |event| {
                let columns = event
                    .columns()
                    .map(|(name, _)| String::from_utf8(name.text.clone()).unwrap());
                events.push((event.subscription, event.field(), columns.collect()));
            },
        );
        events
    }

    fn recipient(subscription: SubscriptionType, column: Option<i16>) -> Recipient {
        let mut recipient = Recipient::new(SessionId::nil());
        recipient.add(subscription, column);
        recipient
    }

    #[test]
    fn one_event_per_changed_field() {
        let table = recipient(SubscriptionType::Table, None);
        assert_eq!(
            heard(&table, &record(Operation::Update, &[2, 4])),
            [
                (SubscriptionType::Table, 2, vec!["name".into()]),
                (SubscriptionType::Table, 4, vec!["score".into()])
            ]
        );
    }

    #[test]
    fn a_field_of_a_dropped_column_is_no_event() {
        let table = recipient(SubscriptionType::Table, None);
        assert_eq!(heard(&table, &record(Operation::Update, &[3])), []);
    }

    #[test]
    fn a_column_subscriber_gets_its_columns_and_the_key() {
        let column = recipient(SubscriptionType::Column, Some(4));
        assert_eq!(
            heard(&column, &record(Operation::Insert, &[1, 2, 4])),
            [(
                SubscriptionType::Column,
                0,
                vec!["id".into(), "score".into()]
            )]
        );
        assert_eq!(
            heard(&column, &record(Operation::Update, &[2, 4])),
            [(SubscriptionType::Column, 4, vec!["score".into()])]
        );
    }

    #[test]
    fn what_may_not_be_read_appears_nowhere() {
        let table = recipient(SubscriptionType::Table, None);
        let readable = Readable::Columns(vec![1, 4]);
        assert_eq!(
            heard_by(&table, &readable, &record(Operation::Insert, &[1, 2, 4])),
            [(
                SubscriptionType::Table,
                0,
                vec!["id".into(), "score".into()]
            )]
        );
        assert_eq!(
            heard_by(&table, &readable, &record(Operation::Update, &[2, 4])),
            [(SubscriptionType::Table, 4, vec!["score".into()])]
        );
        let without_the_key = Readable::Columns(vec![2, 4]);
        assert_eq!(
            heard_by(
                &table,
                &without_the_key,
                &record(Operation::Update, &[2, 4])
            ),
            []
        );
        assert_eq!(
            heard_by(&table, &without_the_key, &record(Operation::Delete, &[])),
            []
        );
    }

    #[test]
    fn the_last_field_is_the_last_one_that_was_asked_for() {
        let update = record(Operation::Update, &[1, 2, 4]);
        let column = |column| recipient(SubscriptionType::Column, Some(column));
        assert_eq!(
            last_field(&update, &recipient(SubscriptionType::Table, None)),
            4
        );
        assert_eq!(last_field(&update, &column(2)), 2);
        assert_eq!(
            last_field(&record(Operation::Insert, &[1, 2, 4]), &column(2)),
            0
        );
    }

    #[test]
    fn a_row_subscriber_hears_no_insert() {
        let row = recipient(SubscriptionType::Row, None);
        assert_eq!(heard(&row, &record(Operation::Insert, &[1, 2, 4])), []);
        assert_eq!(
            heard(&row, &record(Operation::Delete, &[])),
            [(SubscriptionType::Row, 0, vec![])]
        );
    }

    #[test]
    fn whatever_was_subscribed_to_hears_of_the_whole_relation() {
        let of_relation = |control| Record {
            key: vec![],
            ..record(Operation::Control(control), &[])
        };
        let truncate = of_relation(Control::Truncate);
        for (subscription, column) in [
            (SubscriptionType::Table, None),
            (SubscriptionType::Column, Some(4)),
            (SubscriptionType::Row, None),
            (SubscriptionType::Field, Some(4)),
        ] {
            let mut recipient = recipient(subscription, column);
            recipient.named = Some(SubscriptionId::from_u128(7));
            assert_eq!(heard(&recipient, &truncate), [(subscription, 0, vec![])]);
            let nothing = Readable::Columns(vec![]);
            assert_eq!(heard_by(&recipient, &nothing, &truncate), []);
            for control in [Control::Gone, Control::PermissionLoss] {
                let told_anyway = of_relation(control);
                assert_eq!(heard_by(&recipient, &nothing, &told_anyway).len(), 1);
            }
        }
    }
}
