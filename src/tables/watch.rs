//! `event.subscription_change` and `event.keyed_relation`: how writers hear of subscriptions.

use pgrx::pg_sys::Oid;

use super::registry::registry;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Table};
use crate::pg::{relation, transaction};

const XID: i16 = 1;
const CHANGED: i16 = 2;
const KEYED: i16 = 1;
const FIELDS: i16 = 2;

/// Tells every writer, when this transaction commits, that the relation's subscriptions have changed.
pub fn announce(changed: Oid) {
    Table::open_to_write(registry().subscription_change)
        .insert_row(&[Some(unsigned(transaction::top_xid())), Some(changed.into())]);
    relation::invalidate(registry().subscription_change);
}

/// Makes every writer hear of what other transactions have announced, before it can hear of this one's row
/// subscription: the relation's first one may have committed only just now, and its message be on its way.
pub fn announce_nothing_new() {
    relation::invalidate(registry().subscription_change);
}

/// The relations whose subscriptions transactions from this id on have changed.
pub fn changed_since(xid: u64) -> Vec<Oid> {
    let table = Table::open_to_read(registry().subscription_change);
    let keys = [Key::xid8_at_least(XID, xid)];
    let mut scan = table.scan(registry().subscription_change_xid, &keys, Read::Latest);
    let mut relations = Vec::new();
    while let Some(row) = scan.next() {
        relations.push(row.oid(CHANGED));
    }
    relations
}

/// Which subscriptions that name a row a relation has, or once had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyed {
    pub rows: bool,
    pub fields: bool,
}

impl Keyed {
    pub fn any(self) -> bool {
        self.rows || self.fields
    }
}

/// Which subscriptions that name a row the relation has, or once had.
pub fn keyed(relation: Oid) -> Keyed {
    let table = Table::open_to_read(registry().keyed_relation);
    let keys = [Key::oid(KEYED, relation)];
    let mut scan = table.scan(registry().keyed_relation_relation, &keys, Read::Latest);
    let mut found = Keyed::default();
    while let Some(row) = scan.next() {
        match row.bool(FIELDS) {
            false => found.rows = true,
            true => found.fields = true,
        }
    }
    found
}

/// Records that the relation has a row subscription, or a field subscription.
pub fn insert_keyed(relation: Oid, fields: bool) {
    Table::open_to_write(registry().keyed_relation)
        .insert_row(&[Some(relation.into()), Some(fields.into())]);
}
