//! Who gets a change, and by which of their subscriptions: the value that the log interns.
//!
//! A session appears once, however many of its subscriptions match; what it gets is the union of what
//! they ask for.

use super::operation::{ColumnNumber, Operation, SessionId, SubscriptionId, SubscriptionType};

const VERSION: u8 = 1;
const TABLE: u8 = 1;
const ROW: u8 = 2;
const NAMED: u8 = 4;

/// One session's share of a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient {
    pub session: SessionId,
    /// Subscribed to the table.
    pub table: bool,
    /// Subscribed to this row.
    pub row: bool,
    /// Column subscriptions, ascending.
    pub columns: Vec<ColumnNumber>,
    /// Subscriptions to fields of this row, ascending.
    pub fields: Vec<ColumnNumber>,
    /// The subscription that an event of the relation as a whole names.
    pub named: Option<SubscriptionId>,
}

impl Recipient {
    pub fn new(session: SessionId) -> Self {
        Self {
            session,
            table: false,
            row: false,
            columns: Vec::new(),
            fields: Vec::new(),
            named: None,
        }
    }

    /// Adds one subscription. Adding it again changes nothing.
    pub fn add(&mut self, subscription: SubscriptionType, column: Option<ColumnNumber>) {
        let columns = match (subscription, column) {
            (SubscriptionType::Table, _) => {
                self.table = true;
                return;
            }
            (SubscriptionType::Row, _) => {
                self.row = true;
                return;
            }
            (SubscriptionType::Column, Some(column)) => (&mut self.columns, column),
            (SubscriptionType::Field, Some(column)) => (&mut self.fields, column),
            (SubscriptionType::Column | SubscriptionType::Field, None) => return,
        };
        if let Err(at) = columns.0.binary_search(&columns.1) {
            columns.0.insert(at, columns.1);
        }
    }

    /// Adds the subscriptions of another share, whose columns are numbered otherwise; `column` says how each is
    /// numbered here.
    pub fn absorb(&mut self, other: &Self, column: impl Fn(ColumnNumber) -> Option<ColumnNumber>) {
        self.table |= other.table;
        self.row |= other.row;
        for (columns, granularity) in [
            (&other.columns, SubscriptionType::Column),
            (&other.fields, SubscriptionType::Field),
        ] {
            for number in columns.iter().filter_map(|&number| column(number)) {
                self.add(granularity, Some(number));
            }
        }
    }

    /// By which subscription the session hears of a whole row or of the whole relation, if it does.
    pub fn hears_row(&self, operation: Operation) -> Option<SubscriptionType> {
        if self.table {
            Some(SubscriptionType::Table)
        } else if !self.columns.is_empty() {
            Some(SubscriptionType::Column)
        } else if operation == Operation::Insert {
            None
        } else if self.row {
            Some(SubscriptionType::Row)
        } else if !self.fields.is_empty() {
            Some(SubscriptionType::Field)
        } else {
            None
        }
    }

    /// By which subscription the session hears of an update of this column, if it does.
    pub fn hears_field(&self, column: ColumnNumber) -> Option<SubscriptionType> {
        if self.table {
            Some(SubscriptionType::Table)
        } else if self.columns.binary_search(&column).is_ok() {
            Some(SubscriptionType::Column)
        } else if self.row {
            Some(SubscriptionType::Row)
        } else if self.fields.binary_search(&column).is_ok() {
            Some(SubscriptionType::Field)
        } else {
            None
        }
    }

    /// Whether every column of the relation concerns the session.
    pub fn wants_every_column(&self) -> bool {
        self.table || self.row
    }
}

/// Sessions with their shares, ascending by session, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recipients(Vec<Recipient>);

impl FromIterator<Recipient> for Recipients {
    /// Of sessions that differ.
    fn from_iter<T: IntoIterator<Item = Recipient>>(recipients: T) -> Self {
        let mut recipients: Vec<Recipient> = recipients.into_iter().collect();
        recipients.sort_by_key(|recipient| recipient.session);
        Self(recipients)
    }
}

impl Recipients {
    /// The share of `session`, to which subscriptions can be added.
    pub fn entry(&mut self, session: SessionId) -> &mut Recipient {
        let at = match self
            .0
            .binary_search_by_key(&session, |recipient| recipient.session)
        {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, Recipient::new(session));
                at
            }
        };
        &mut self.0[at]
    }

    pub fn get(&self, session: SessionId) -> Option<&Recipient> {
        let at = self
            .0
            .binary_search_by_key(&session, |recipient| recipient.session)
            .ok()?;
        Some(&self.0[at])
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Recipient> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The recipients that `keep` accepts.
    pub fn filter(&self, keep: impl Fn(&Recipient) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|recipient| keep(recipient))
                .cloned()
                .collect(),
        )
    }

    /// The canonical bytes: equal for equal recipients, so that a set is stored once.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.0.len() * 21);
        out.push(VERSION);
        for recipient in &self.0 {
            out.extend_from_slice(recipient.session.as_bytes());
            let flag = |is_set, flag| if is_set { flag } else { 0 };
            out.push(
                flag(recipient.table, TABLE)
                    | flag(recipient.row, ROW)
                    | flag(recipient.named.is_some(), NAMED),
            );
            for columns in [&recipient.columns, &recipient.fields] {
                out.extend_from_slice(&(columns.len() as u16).to_le_bytes());
                columns
                    .iter()
                    .for_each(|column| out.extend_from_slice(&column.to_le_bytes()));
            }
            if let Some(subscription) = recipient.named {
                out.extend_from_slice(subscription.as_bytes());
            }
        }
        out
    }

    /// `None` if the bytes are not a set of a version that this library knows.
    pub fn decode(encoded: &[u8]) -> Option<Self> {
        let (&version, mut rest) = encoded.split_first()?;
        if version != VERSION {
            return None;
        }
        let mut recipients = Vec::new();
        while !rest.is_empty() {
            let (session, tail) = rest.split_at_checked(16)?;
            let (&flags, tail) = tail.split_first()?;
            let (columns, tail) = decode_columns(tail)?;
            let (fields, tail) = decode_columns(tail)?;
            let (named, tail) = if flags & NAMED == 0 {
                (None, tail)
            } else {
                let (subscription, tail) = tail.split_at_checked(16)?;
                (Some(SubscriptionId::from_slice(subscription).ok()?), tail)
            };
            recipients.push(Recipient {
                session: SessionId::from_slice(session).ok()?,
                table: flags & TABLE != 0,
                row: flags & ROW != 0,
                columns,
                fields,
                named,
            });
            rest = tail;
        }
        Some(Self(recipients))
    }
}

fn decode_columns(encoded: &[u8]) -> Option<(Vec<ColumnNumber>, &[u8])> {
    let (count, rest) = encoded.split_first_chunk::<2>()?;
    let (columns, rest) = rest.split_at_checked(2 * usize::from(u16::from_le_bytes(*count)))?;
    let columns = columns
        .chunks_exact(2)
        .map(|pair| ColumnNumber::from_le_bytes([pair[0], pair[1]]));
    Some((columns.collect(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_back_and_is_canonical() {
        let (a, b) = (SessionId::from_u128(1), SessionId::from_u128(2));
        let mut one = Recipients::default();
        one.entry(a).add(SubscriptionType::Column, Some(3));
        one.entry(b).add(SubscriptionType::Row, None);
        one.entry(b).add(SubscriptionType::Field, Some(2));
        one.entry(a).add(SubscriptionType::Column, Some(1));
        let mut other = Recipients::default();
        other.entry(b).add(SubscriptionType::Field, Some(2));
        other.entry(a).add(SubscriptionType::Column, Some(1));
        other.entry(a).add(SubscriptionType::Column, Some(3));
        other.entry(a).add(SubscriptionType::Column, Some(1));
        other.entry(b).add(SubscriptionType::Row, None);
        assert_eq!(one.encode(), other.encode());
        assert_eq!(Recipients::decode(&one.encode()), Some(one));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let mut set = Recipients::default();
        set.entry(SessionId::from_u128(1))
            .add(SubscriptionType::Column, Some(3));
        let good = set.encode();
        for length in 2..good.len() {
            assert_eq!(Recipients::decode(&good[..length]), None);
        }
        assert_eq!(Recipients::decode(&[VERSION + 1]), None);
    }

    #[test]
    fn an_event_names_the_first_subscription_that_asked() {
        let mut all = Recipient::new(SessionId::nil());
        all.add(SubscriptionType::Field, Some(2));
        assert_eq!(
            all.hears_row(Operation::Delete),
            Some(SubscriptionType::Field)
        );
        assert_eq!(all.hears_row(Operation::Insert), None);
        assert_eq!(all.hears_field(3), None);
        all.add(SubscriptionType::Row, None);
        assert_eq!(
            all.hears_row(Operation::Delete),
            Some(SubscriptionType::Row)
        );
        assert_eq!(all.hears_row(Operation::Insert), None);
        assert_eq!(all.hears_field(2), Some(SubscriptionType::Row));
        all.add(SubscriptionType::Column, Some(2));
        assert_eq!(
            all.hears_row(Operation::Delete),
            Some(SubscriptionType::Column)
        );
        assert_eq!(
            all.hears_row(Operation::Insert),
            Some(SubscriptionType::Column)
        );
        assert_eq!(all.hears_field(2), Some(SubscriptionType::Column));
        assert_eq!(all.hears_field(3), Some(SubscriptionType::Row));
        all.add(SubscriptionType::Table, None);
        assert_eq!(
            all.hears_row(Operation::Insert),
            Some(SubscriptionType::Table)
        );
        assert_eq!(all.hears_field(2), Some(SubscriptionType::Table));
    }
}
