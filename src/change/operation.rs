//! The words of the event stream: operations, event types, subscription types.

/// An attribute number of `pg_attribute`, counted from 1.
pub type ColumnNumber = i16;

/// A session's address. Never a secret: privileges are judged for its owner role.
pub type SessionId = uuid::Uuid;

/// The id of a subscription.
pub type SubscriptionId = uuid::Uuid;

/// What a record of the log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Insert,
    Update,
    Delete,
    /// Something that happened to the relation as a whole.
    Control(Control),
}

/// What can happen to a subscribed relation as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It has been emptied.
    Truncate,
    /// Its set of rows has changed without row events: it has to be loaded anew.
    Resync,
    /// It has lost its primary key, which ends its subscriptions.
    Unkeyed,
    /// It has been dropped, which ends its subscriptions.
    Gone,
    /// It has changed while `reldiff.capture` was off: it has to be loaded anew.
    Gap,
    /// The session's owner may not read it any more, which ends its subscriptions.
    PermissionLoss,
    /// Events of the session are gone before it has read them: it has to load everything anew. Made by who reads, and never
    /// stored.
    Overflow,
}

impl Operation {
    /// The byte that the log stores.
    pub fn byte(self) -> u8 {
        match self {
            Self::Insert => b'I',
            Self::Update => b'U',
            Self::Delete => b'D',
            Self::Control(Control::Truncate) => b'T',
            Self::Control(Control::Resync) => b'R',
            Self::Control(Control::Unkeyed) => b'K',
            Self::Control(Control::Gone) => b'G',
            Self::Control(Control::Gap) => b'C',
            Self::Control(Control::PermissionLoss) => b'P',
            Self::Control(Control::Overflow) => b'O',
        }
    }

    pub fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Insert,
            Self::Update,
            Self::Delete,
            Self::Control(Control::Truncate),
            Self::Control(Control::Resync),
            Self::Control(Control::Unkeyed),
            Self::Control(Control::Gone),
            Self::Control(Control::Gap),
            Self::Control(Control::PermissionLoss),
        ]
        .into_iter()
        .find(|operation| operation.byte() == byte)
    }

    /// The `operation` of a row's event.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Insert => Some("insert"),
            Self::Update => Some("update"),
            Self::Delete => Some("delete"),
            Self::Control(_) => None,
        }
    }

    /// The `type` of the events that this operation is told as.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Insert => "row_insert",
            Self::Update => "field_update",
            Self::Delete => "row_delete",
            Self::Control(Control::Truncate) => "truncate",
            Self::Control(Control::Resync) => "resync",
            Self::Control(Control::Unkeyed) => "relation_unkeyed",
            Self::Control(Control::Gone) => "relation_gone",
            Self::Control(Control::Gap) => "gap",
            Self::Control(Control::PermissionLoss) => "permission_loss",
            Self::Control(Control::Overflow) => "overflow",
        }
    }
}

/// The granularity of a subscription. An event names the first one that asked for it, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
