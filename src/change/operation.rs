//! The words of the event stream: operations, event types, subscription types.

/// An attribute number of `pg_attribute`, counted from 1.
pub type ColumnNumber = i16;

/// A session's address. Never a secret: privileges are judged for its owner role.
pub type SessionId = uuid::Uuid;

/// What happened to one row. The discriminant is the byte that the log stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    Insert = b'I',
    Update = b'U',
    Delete = b'D',
}

impl Operation {
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Insert),
            b'U' => Some(Self::Update),
            b'D' => Some(Self::Delete),
            _ => None,
        }
    }

    /// The `operation` of an event.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The `type` of the events that this operation is told as.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Insert => "row_insert",
            Self::Update => "field_update",
            Self::Delete => "row_delete",
        }
    }
}

/// The granularity of a subscription. An event names the first one that asked for it, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubscriptionType {
    Table,
    Column,
    Row,
    Field,
}

impl SubscriptionType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Row => "row",
            Self::Field => "field",
        }
    }
}
