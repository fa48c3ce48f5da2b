//! Who has subscribed to a relation, or to what of it: what changes are matched against.

use pgrx::pg_sys::Oid;

use super::subscription::{
    COLUMN_OF_COLUMN, COLUMN_OF_FIELD, GRANULARITIES, ID, KEY_HASH, KEY_VALUES, RELATION, SESSION,
    key_hash, oids,
};
use super::watch::Keyed;
use crate::change::matching::KeyedSubscription;
use crate::change::operation::{ColumnNumber, SubscriptionType};
use crate::change::recipients::{Recipient, Recipients};
use crate::pg::row::Row;
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Scan, Table};

/// Everybody who subscribed to the relation or to anything of it, as of now: each by the first of their
/// subscriptions, which is named.
pub fn all(relation: Oid) -> Recipients {
    let mut recipients = Recipients::default();
    for granularity in GRANULARITIES {
        let table = Table::open_to_read(oids(granularity).table);
        let mut scan = table.scan(
            oids(granularity).by_relation,
            &[Key::oid(RELATION, relation)],
            Read::Latest,
        );
        while let Some(row) = scan.next() {
            let recipient = recipients.entry(row.uuid(SESSION));
            if recipient.named.is_none() {
                *recipient = named(&row, granularity);
            }
        }
    }
    recipients
}

/// Everybody who subscribed to the relation or to columns of it, as of now.
pub fn watchers(relation: Oid) -> Recipients {
    let mut recipients = Recipients::default();
    for granularity in [SubscriptionType::Table, SubscriptionType::Column] {
        let table = Table::open_to_read(oids(granularity).table);
        let mut scan = table.scan(
            oids(granularity).by_relation,
            &[Key::oid(RELATION, relation)],
            Read::Latest,
        );
        while let Some(row) = scan.next() {
            let column =
                (granularity == SubscriptionType::Column).then(|| row.int2(COLUMN_OF_COLUMN));
            recipients.entry(row.uuid(SESSION)).add(granularity, column);
        }
    }
    recipients
}

/// The row and field subscriptions of one row, as of now. The key: its columns and the canonical text forms of
/// their values, in key order. `there_are`: which of them the relation can have.
pub fn keyed(
    relation: Oid,
    columns: &[ColumnNumber],
    key: &[Vec<u8>],
    there_are: Keyed,
) -> Vec<KeyedSubscription> {
    let hash = key_hash(columns, key.iter().map(Vec::as_slice));
    let mut found = Vec::new();
    for (granularity, there_are) in [
        (SubscriptionType::Row, there_are.rows),
        (SubscriptionType::Field, there_are.fields),
    ] {
        if !there_are {
            continue;
        }
        let table = Table::open_to_read(oids(granularity).table);
        let keys = [Key::oid(RELATION, relation), Key::int8(KEY_HASH, hash)];
        let mut scan: Scan = table.scan(oids(granularity).by_relation, &keys, Read::Latest);
        while let Some(row) = scan.next() {
            if row.texts(KEY_VALUES) == key {
                let column =
                    (granularity == SubscriptionType::Field).then(|| row.int2(COLUMN_OF_FIELD));
                found.push(KeyedSubscription {
                    session: row.uuid(SESSION),
                    column,
                });
            }
        }
    }
    found
}

/// The share of the subscription's session in what happens to the relation as a whole.
pub(super) fn named(row: &Row, granularity: SubscriptionType) -> Recipient {
    let column = match granularity {
        SubscriptionType::Column => Some(row.int2(COLUMN_OF_COLUMN)),
        SubscriptionType::Field => Some(row.int2(COLUMN_OF_FIELD)),
        SubscriptionType::Table | SubscriptionType::Row => None,
    };
    let mut recipient = Recipient::new(row.uuid(SESSION));
    recipient.add(granularity, column);
    recipient.named = Some(row.uuid(ID));
    recipient
}
