//! Under which name a change is told where relations contain one another: partitions and inheritance children
//! belong to their parents, too.
//!
//! A session that subscribed to several of them, one inside the other, hears of each row change once: under the topmost
//! one whose subscription matches, and with all that its matching subscriptions ask for.

use std::rc::Rc;

use super::operation::{ColumnNumber, SessionId};
use super::recipients::Recipients;

/// The relations that a row belongs to.
pub trait Lineage {
    /// How many there are; they are numbered from the topmost one on.
    fn len(&self) -> usize;

    /// The relations above this one that have all of its rows and columns, the topmost first.
    fn above(&self, relation: usize) -> &[usize];

    /// Whether the session may be told everything of this relation: otherwise it hears of the ones inside it under
    /// their own names.
    fn is_open_to(&self, relation: usize, session: SessionId) -> bool;

    /// The number that a column of `from` has in `to`, which is above it.
    fn column(&self, from: usize, to: usize, column: ColumnNumber) -> Option<ColumnNumber>;
}

/// Brings together what each session hears of a change, of which each relation has its own recipients.
pub fn unite(lineage: &impl Lineage, recipients: &mut [Rc<Recipients>]) {
    for lower in (0..lineage.len()).rev() {
        for &upper in lineage.above(lower) {
            let moving = {
                let above = &recipients[upper];
                recipients[lower].filter(|share| {
                    above.get(share.session).is_some() && lineage.is_open_to(upper, share.session)
                })
            };
            if moving.is_empty() {
                continue;
            }
            let above = Rc::make_mut(&mut recipients[upper]);
            for share in moving.iter() {
                above
                    .entry(share.session)
                    .absorb(share, |column| lineage.column(lower, upper, column));
            }
            let staying = recipients[lower].filter(|share| moving.get(share.session).is_none());
            recipients[lower] = Rc::new(staying);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::SubscriptionType;
    use super::*;

    /// Root 0, its child 1, its grandchild 2; columns of a relation are numbered ten higher than those of the one
    /// above it.
    struct Chain;

    impl Lineage for Chain {
        fn len(&self) -> usize {
            3
        }

        fn above(&self, relation: usize) -> &[usize] {
            &[0, 1][..relation]
        }

        fn is_open_to(&self, relation: usize, session: SessionId) -> bool {
            (relation, session) != (0, C)
        }

        fn column(&self, from: usize, to: usize, column: ColumnNumber) -> Option<ColumnNumber> {
            Some(column - 10 * (from - to) as ColumnNumber)
        }
    }

    const A: SessionId = SessionId::from_u128(1);
    const B: SessionId = SessionId::from_u128(2);
    /// May not read all of the root.
    const C: SessionId = SessionId::from_u128(3);

    fn recipients(shares: &[(SessionId, SubscriptionType, Option<i16>)]) -> Rc<Recipients> {
        let mut recipients = Recipients::default();
        for &(session, subscription, column) in shares {
            recipients.entry(session).add(subscription, column);
        }
        Rc::new(recipients)
    }

    #[test]
    fn a_session_hears_under_the_topmost_name_all_that_it_asked_for() {
        let mut levels = [
            recipients(&[(A, SubscriptionType::Column, Some(2))]),
            recipients(&[(B, SubscriptionType::Table, None)]),
            recipients(&[
                (A, SubscriptionType::Column, Some(23)),
                (B, SubscriptionType::Field, Some(22)),
            ]),
        ];
        unite(&Chain, &mut levels);
        let top = recipients(&[
            (A, SubscriptionType::Column, Some(2)),
            (A, SubscriptionType::Column, Some(3)),
        ]);
        let middle = recipients(&[
            (B, SubscriptionType::Table, None),
            (B, SubscriptionType::Field, Some(12)),
        ]);
        assert_eq!(levels, [top, middle, Rc::default()]);
    }

    #[test]
    fn who_subscribed_to_one_of_them_hears_under_its_name() {
        let before = [
            recipients(&[(A, SubscriptionType::Table, None)]),
            Rc::default(),
            recipients(&[(B, SubscriptionType::Row, None)]),
        ];
        let mut levels = before.clone();
        unite(&Chain, &mut levels);
        assert_eq!(levels, before);
    }

    #[test]
    fn what_may_not_be_told_above_is_told_where_it_was_asked_for() {
        let mut levels = [
            recipients(&[(C, SubscriptionType::Column, Some(2))]),
            recipients(&[(C, SubscriptionType::Column, Some(12))]),
            recipients(&[(C, SubscriptionType::Table, None)]),
        ];
        unite(&Chain, &mut levels);
        assert!(levels[0].get(C).is_some_and(|share| !share.table));
        assert!(levels[1].get(C).is_some_and(|share| share.table));
        assert!(levels[2].is_empty());
    }
}
