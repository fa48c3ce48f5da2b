//! Which sessions a change concerns.
//!
//! A relation's table and column subscriptions are known as a whole ([`Watchers`]); row and field
//! subscriptions can be a million, so only those of the changed row are passed in, as they were found
//! by its key.

use std::cell::RefCell;
use std::rc::Rc;

use super::operation::{ColumnNumber, SessionId, SubscriptionType};
use super::recipients::{Recipient, Recipients};

/// A row or field subscription of the row that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedSubscription {
    pub session: SessionId,
    /// The field's column; `None` subscribes to the row.
    pub column: Option<ColumnNumber>,
}

/// The columns that somebody watches: no other column is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchedColumns {
    All,
    /// Ascending.
    Some(Vec<ColumnNumber>),
}

impl WatchedColumns {
    /// The columns that concern these recipients.
    pub fn of<'a>(recipients: impl IntoIterator<Item = &'a Recipient>) -> Self {
        let mut columns = Vec::new();
        for recipient in recipients {
            if recipient.wants_every_column() {
                return Self::All;
            }
            columns.extend_from_slice(&recipient.columns);
            columns.extend_from_slice(&recipient.fields);
        }
        columns.sort_unstable();
        columns.dedup();
        Self::Some(columns)
    }

    /// These and the other ones.
    fn and(self, others: impl IntoIterator<Item = Option<ColumnNumber>>) -> Self {
        let Self::Some(mut columns) = self else {
            return Self::All;
        };
        for column in others {
            match column {
                None => return Self::All,
                Some(column) => columns.push(column),
            }
        }
        columns.sort_unstable();
        columns.dedup();
        Self::Some(columns)
    }

    pub fn contains(&self, column: ColumnNumber) -> bool {
        match self {
            Self::All => true,
            Self::Some(columns) => columns.binary_search(&column).is_ok(),
        }
    }
}

/// A relation's table and column subscriptions.
#[derive(Debug, Default)]
pub struct Watchers {
    everyone: Rc<Recipients>,
    /// The recipients of the last update, by its changed columns: statements that change many rows change the same
    /// columns in each.
    last_update: RefCell<Option<(Vec<ColumnNumber>, Rc<Recipients>)>>,
}

impl Watchers {
    pub fn new(everyone: Recipients) -> Self {
        Self {
            everyone: Rc::new(everyone),
            last_update: RefCell::default(),
        }
    }

    /// Who hears of an inserted row: a row or field subscription never does.
    pub fn of_insert(&self) -> Rc<Recipients> {
        Rc::clone(&self.everyone)
    }

    /// Who hears of a deleted row.
    pub fn of_delete(&self, keyed: &[KeyedSubscription]) -> Rc<Recipients> {
        self.with(keyed)
    }

    /// The columns that an update has to be compared in.
    pub fn columns(&self, keyed: &[KeyedSubscription]) -> WatchedColumns {
        WatchedColumns::of(self.everyone.iter())
            .and(keyed.iter().map(|subscription| subscription.column))
    }

    /// The sessions that subscribed to the table or to columns of it.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.everyone.iter().map(|recipient| recipient.session)
    }

    /// Who hears of an update of these columns (ascending).
    pub fn of_update(
        &self,
        changed: &[ColumnNumber],
        keyed: &[KeyedSubscription],
    ) -> Rc<Recipients> {
        if !keyed.is_empty() {
            return Rc::new(
                self.with(keyed)
                    .filter(|recipient| concerns(recipient, changed)),
            );
        }
        let mut last = self.last_update.borrow_mut();
        if let Some((columns, recipients)) = &*last
            && columns == changed
        {
            return Rc::clone(recipients);
        }
        let concerned = |recipient: &Recipient| concerns(recipient, changed);
        let recipients = if self.everyone.iter().all(concerned) {
            Rc::clone(&self.everyone)
        } else {
            Rc::new(self.everyone.filter(concerned))
        };
        *last = Some((changed.to_vec(), Rc::clone(&recipients)));
        recipients
    }

    fn with(&self, keyed: &[KeyedSubscription]) -> Rc<Recipients> {
        if keyed.is_empty() {
            return Rc::clone(&self.everyone);
        }
        let mut recipients = Recipients::clone(&self.everyone);
        for subscription in keyed {
            let granularity = match subscription.column {
                None => SubscriptionType::Row,
                Some(_) => SubscriptionType::Field,
            };
            recipients
                .entry(subscription.session)
                .add(granularity, subscription.column);
        }
        Rc::new(recipients)
    }
}

fn concerns(recipient: &Recipient, changed: &[ColumnNumber]) -> bool {
    changed
        .iter()
        .any(|&column| recipient.hears_field(column).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: SessionId = SessionId::from_u128(1);
    const COLUMN_2: SessionId = SessionId::from_u128(2);
    const ROW: SessionId = SessionId::from_u128(3);
    const FIELD_3: SessionId = SessionId::from_u128(4);

    fn keyed() -> Vec<KeyedSubscription> {
        vec![
            KeyedSubscription {
                session: ROW,
                column: None,
            },
            KeyedSubscription {
                session: FIELD_3,
                column: Some(3),
            },
        ]
    }

    fn watchers(sessions: &[SessionId]) -> Watchers {
        let mut everyone = Recipients::default();
        for &session in sessions {
            match session {
                TABLE => everyone.entry(session).add(SubscriptionType::Table, None),
                _ => everyone
                    .entry(session)
                    .add(SubscriptionType::Column, Some(2)),
            }
        }
        Watchers::new(everyone)
    }

    fn sessions(recipients: &Recipients) -> Vec<SessionId> {
        recipients
            .iter()
            .map(|recipient| recipient.session)
            .collect()
    }

    #[test]
    fn inserts_concern_tables_and_columns_only() {
        assert_eq!(
            sessions(&watchers(&[TABLE, COLUMN_2]).of_insert()),
            [TABLE, COLUMN_2]
        );
    }

    #[test]
    fn deletes_concern_everyone() {
        let watchers = watchers(&[TABLE, COLUMN_2]);
        assert_eq!(
            sessions(&watchers.of_delete(&keyed())),
            [TABLE, COLUMN_2, ROW, FIELD_3]
        );
    }

    #[test]
    fn an_update_concerns_those_who_watch_a_changed_column() {
        let watchers = watchers(&[TABLE, COLUMN_2]);
        assert_eq!(sessions(&watchers.of_update(&[2], &[])), [TABLE, COLUMN_2]);
        assert_eq!(sessions(&watchers.of_update(&[3], &[])), [TABLE]);
        assert_eq!(
            sessions(&watchers.of_update(&[3], &keyed())),
            [TABLE, ROW, FIELD_3]
        );
        assert_eq!(sessions(&watchers.of_update(&[4], &keyed())), [TABLE, ROW]);
    }

    #[test]
    fn the_remembered_update_is_used_for_its_own_columns_only() {
        let watchers = watchers(&[TABLE, COLUMN_2]);
        assert_eq!(sessions(&watchers.of_update(&[3], &[])), [TABLE]);
        assert_eq!(
            sessions(&watchers.of_update(&[2, 3], &[])),
            [TABLE, COLUMN_2]
        );
        assert_eq!(sessions(&watchers.of_update(&[3], &[])), [TABLE]);
    }

    #[test]
    fn only_watched_columns_are_compared() {
        assert_eq!(watchers(&[TABLE]).columns(&[]), WatchedColumns::All);
        assert_eq!(
            watchers(&[COLUMN_2]).columns(&[]),
            WatchedColumns::Some(vec![2])
        );
        assert_eq!(
            watchers(&[COLUMN_2]).columns(&keyed()[1..]),
            WatchedColumns::Some(vec![2, 3])
        );
        assert_eq!(watchers(&[COLUMN_2]).columns(&keyed()), WatchedColumns::All);
        assert_eq!(watchers(&[]).columns(&[]), WatchedColumns::Some(vec![]));
    }

    #[test]
    fn a_session_with_several_subscriptions_is_one_recipient() {
        let watchers = watchers(&[COLUMN_2]);
        let keyed = [KeyedSubscription {
            session: COLUMN_2,
            column: Some(2),
        }];
        assert_eq!(sessions(&watchers.of_delete(&keyed)), [COLUMN_2]);
    }
}
