//! The four subscription tables, which share their first columns.

use std::collections::HashSet;

use pgrx::pg_sys::{Datum, Oid};

use super::registry::registry;
use super::subscribers;
use crate::change::operation::{ColumnNumber, SessionId, SubscriptionType};
use crate::change::recipients::Recipient;
use crate::pg::bytes::texts;
use crate::pg::row::{Row, RowId};
use crate::pg::scan_key::{Key, uuid};
use crate::pg::table::{Read, Table};

pub(super) const ID: i16 = 1;
pub(super) const SESSION: i16 = 2;
pub(super) const RELATION: i16 = 3;
pub(super) const COLUMN_OF_COLUMN: i16 = 5;
pub(super) const KEY_HASH: i16 = 5;
pub(super) const KEY_VALUES: i16 = 6;
pub(super) const COLUMN_OF_FIELD: i16 = 7;

/// A row's primary key as subscriptions store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValues {
    hash: i64,
    values: Vec<Vec<u8>>,
}

impl KeyValues {
    /// From the key's columns and the canonical text forms of their values, in key order.
    pub fn new(columns: &[ColumnNumber], values: Vec<Vec<u8>>) -> Self {
        Self {
            hash: key_hash(columns, values.iter().map(Vec::as_slice)),
            values,
        }
    }
}

/// The hash by which a key is looked up. Lengths are part of it, so that ('a', 'bc') is not ('ab', 'c'), and the
/// columns, so that a subscription is not taken for one of another primary key that the table gets later.
pub(super) fn key_hash<'a>(
    columns: &[ColumnNumber],
    values: impl Iterator<Item = &'a [u8]>,
) -> i64 {
    let mut bytes = Vec::with_capacity(32);
    for (column, value) in columns.iter().zip(values) {
        bytes.extend_from_slice(&column.to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    crate::pg::ffi::hash_bytes(&bytes)
}

/// What a subscription subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Table,
    Column(ColumnNumber),
    Row(KeyValues),
    Field(KeyValues, ColumnNumber),
}

impl Target {
    fn granularity(&self) -> SubscriptionType {
        match self {
            Self::Table => SubscriptionType::Table,
            Self::Column(_) => SubscriptionType::Column,
            Self::Row(_) => SubscriptionType::Row,
            Self::Field(..) => SubscriptionType::Field,
        }
    }

    fn key(&self) -> Option<&KeyValues> {
        match self {
            Self::Row(key) | Self::Field(key, _) => Some(key),
            Self::Table | Self::Column(_) => None,
        }
    }

    fn matches(&self, row: &Row) -> bool {
        match self {
            Self::Table => true,
            Self::Column(column) => row.int2(COLUMN_OF_COLUMN) == *column,
            Self::Row(key) => row.texts(KEY_VALUES) == key.values,
            Self::Field(key, column) => {
                row.int2(COLUMN_OF_FIELD) == *column && row.texts(KEY_VALUES) == key.values
            }
        }
    }
}

pub(super) const GRANULARITIES: [SubscriptionType; 4] = [
    SubscriptionType::Table,
    SubscriptionType::Column,
    SubscriptionType::Row,
    SubscriptionType::Field,
];

/// The oids of a granularity's table and of its indexes.
pub(super) struct Oids {
    pub table: Oid,
    pub by_id: Oid,
    pub by_session: Oid,
    /// And by key, if it has one.
    pub by_relation: Oid,
}

/// As of now: an index is to be asked for when the table is open (see [`registry`]).
pub(super) fn oids(granularity: SubscriptionType) -> Oids {
    let registry = registry();
    match granularity {
        SubscriptionType::Table => Oids {
            table: registry.subscription_table,
            by_id: registry.subscription_table_id,
            by_session: registry.subscription_table_session,
            by_relation: registry.subscription_table_relation,
        },
        SubscriptionType::Column => Oids {
            table: registry.subscription_column,
            by_id: registry.subscription_column_id,
            by_session: registry.subscription_column_session,
            by_relation: registry.subscription_column_relation,
        },
        SubscriptionType::Row => Oids {
            table: registry.subscription_row,
            by_id: registry.subscription_row_id,
            by_session: registry.subscription_row_session,
            by_relation: registry.subscription_row_key,
        },
        SubscriptionType::Field => Oids {
            table: registry.subscription_field,
            by_id: registry.subscription_field_id,
            by_session: registry.subscription_field_session,
            by_relation: registry.subscription_field_key,
        },
    }
}

/// The id of the session's subscription to this target, if it has one.
pub fn find(session: SessionId, relation: Oid, target: &Target) -> Option<SessionId> {
    let table = Table::open_to_read(oids(target.granularity()).table);
    let mut keys = vec![Key::uuid(SESSION, session), Key::oid(RELATION, relation)];
    keys.extend(target.key().map(|key| Key::int8(KEY_HASH, key.hash)));
    let mut scan = table.scan(oids(target.granularity()).by_session, &keys, Read::Latest);
    while let Some(row) = scan.next() {
        if target.matches(&row) {
            return Some(row.uuid(ID));
        }
    }
    None
}

/// How many subscriptions the session has, as far as `limit`.
pub fn count(session: SessionId, limit: usize) -> usize {
    let mut count = 0;
    for granularity in GRANULARITIES {
        let table = Table::open_to_read(oids(granularity).table);
        let keys = [Key::uuid(SESSION, session)];
        let mut scan = table.scan(oids(granularity).by_session, &keys, Read::Latest);
        while count < limit && scan.next().is_some() {
            count += 1;
        }
    }
    count
}

/// Stores a subscription that the session does not have yet.
pub fn insert(id: uuid::Uuid, session: SessionId, relation: Oid, target: &Target) {
    let mut values: Vec<Option<Datum>> = vec![
        Some(uuid(id)),
        Some(uuid(session)),
        Some(relation.into()),
        Some(crate::pg::transaction::clock().into()),
    ];
    match target {
        Target::Table => {}
        Target::Column(column) => values.push(Some((*column).into())),
        Target::Row(key) => values.extend([Some(key.hash.into()), Some(texts(&key.values))]),
        Target::Field(key, column) => {
            values.extend([
                Some(key.hash.into()),
                Some(texts(&key.values)),
                Some((*column).into()),
            ]);
        }
    }
    Table::open_to_write(oids(target.granularity()).table).insert_row(&values);
}

/// What a session has subscribed to.
#[derive(Default)]
pub struct Subscribed {
    pub relations: HashSet<Oid>,
    /// Whether one of the subscriptions is this transaction's own, which no other one knows yet.
    pub is_new: bool,
}

/// What the session has subscribed to, as of now.
pub fn subscribed(session: SessionId) -> Subscribed {
    let mut subscribed = Subscribed::default();
    for granularity in GRANULARITIES {
        let table = Table::open_to_read(oids(granularity).table);
        let mut scan = table.scan(
            oids(granularity).by_session,
            &[Key::uuid(SESSION, session)],
            Read::Latest,
        );
        while let Some(row) = scan.next() {
            subscribed.relations.insert(row.oid(RELATION));
            subscribed.is_new |= row.is_own();
        }
    }
    subscribed
}

/// A subscription that was deleted.
pub struct Deleted {
    pub relation: Oid,
    pub granularity: SubscriptionType,
}

/// The session of the subscription with this id, if there is one.
pub fn session_of(id: uuid::Uuid) -> Option<SessionId> {
    GRANULARITIES.into_iter().find_map(|granularity| {
        let table = Table::open_to_read(oids(granularity).table);
        let mut scan = table.scan(oids(granularity).by_id, &[Key::uuid(ID, id)], Read::Latest);
        scan.next().map(|row| row.uuid(SESSION))
    })
}

/// Deletes the subscription with this id. The caller holds its session's lock.
pub fn delete(id: uuid::Uuid) -> Vec<Deleted> {
    let by = |granularity| (oids(granularity).by_id, Key::uuid(ID, id));
    // A dropped table may have taken it along meanwhile.
    delete_where(by, Table::delete).0
}

/// Deletes every subscription of the session. The caller holds its lock.
pub fn delete_all(session: SessionId) -> Vec<Deleted> {
    delete_where(of_session(session), Table::delete).0
}

/// As [`delete_all`], but `None` if somebody else is deleting one of them: waits for nobody, and the caller takes back what
/// has been deleted.
pub fn delete_all_unless_busy(session: SessionId) -> Option<Vec<Deleted>> {
    let (deleted, are_all) = delete_where(of_session(session), Table::delete_unless_busy);
    are_all.then_some(deleted)
}

fn of_session(session: SessionId) -> impl Fn(SubscriptionType) -> (Oid, Key) {
    move |granularity| (oids(granularity).by_session, Key::uuid(SESSION, session))
}

/// What has been deleted, and whether `delete` has deleted each.
fn delete_where(
    by: impl Fn(SubscriptionType) -> (Oid, Key),
    delete: impl Fn(&Table, RowId) -> bool,
) -> (Vec<Deleted>, bool) {
    let (mut deleted, mut are_all) = (Vec::new(), true);
    for granularity in GRANULARITIES {
        let table = Table::open_to_write(oids(granularity).table);
        let (index, key) = by(granularity);
        let mut scan = table.scan(index, &[key], Read::Latest);
        while let Some(row) = scan.next() {
            if delete(&table, row.id) {
                deleted.push(Deleted {
                    relation: row.oid(RELATION),
                    granularity,
                });
            } else {
                are_all = false;
            }
        }
    }
    (deleted, are_all)
}

/// After so many subscriptions to one relation the next relation is looked for in the index.
const PASSED_OVER: usize = 16;

/// The relations that the session has subscribed to, in no order. Of many subscriptions to one few are looked at.
pub fn relations(session: SessionId) -> Vec<Oid> {
    let mut found = Vec::new();
    for granularity in GRANULARITIES {
        let table = Table::open_to_read(oids(granularity).table);
        let mut last = None;
        loop {
            let mut keys = vec![Key::uuid(SESSION, session)];
            keys.extend(last.map(|last| Key::oid_above(RELATION, last)));
            let mut scan = table.scan(oids(granularity).by_session, &keys, Read::Latest);
            let mut passed_over = 0;
            while passed_over < PASSED_OVER
                && let Some(row) = scan.next()
            {
                let relation = Some(row.oid(RELATION));
                if relation == last {
                    passed_over += 1;
                } else {
                    passed_over = 0;
                    found.extend(relation);
                    last = relation;
                }
            }
            if passed_over < PASSED_OVER {
                break;
            }
        }
    }
    found.sort_unstable_by_key(|relation| relation.to_u32());
    found.dedup();
    found
}

/// Deletes the session's subscriptions to the relation, but for those that somebody is deleting already: waits for nobody.
/// What is left is by which of them the session hears of it, the first one, which is named. The caller holds the
/// session's lock.
pub fn end_of_session(session: SessionId, relation: Oid) -> Option<Recipient> {
    let mut first: Option<Recipient> = None;
    for granularity in GRANULARITIES {
        let table = Table::open_to_write(oids(granularity).table);
        let keys = [Key::uuid(SESSION, session), Key::oid(RELATION, relation)];
        let mut scan = table.scan(oids(granularity).by_session, &keys, Read::Latest);
        while let Some(row) = scan.next() {
            if table.delete_unless_busy(row.id) && first.is_none() {
                first = Some(subscribers::named(&row, granularity));
            }
        }
    }
    first
}

/// Whether anybody has subscribed to the relation or to anything of it.
pub fn any(relation: Oid) -> bool {
    GRANULARITIES.into_iter().any(|granularity| {
        let table = Table::open_to_read(oids(granularity).table);
        let mut scan = table.scan(
            oids(granularity).by_relation,
            &[Key::oid(RELATION, relation)],
            Read::Latest,
        );
        scan.next().is_some()
    })
}

/// Deletes every subscription to the relation, but for those that somebody is deleting already: waits for nobody.
pub fn end(relation: Oid) {
    for granularity in GRANULARITIES {
        let table = Table::open_to_write(oids(granularity).table);
        let mut scan = table.scan(
            oids(granularity).by_relation,
            &[Key::oid(RELATION, relation)],
            Read::Latest,
        );
        while let Some(row) = scan.next() {
            table.delete_unless_busy(row.id);
        }
    }
}
