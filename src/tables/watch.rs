//! `event.subscription_change` and `event.keyed_relation`: how writers hear of subscriptions.

use pgrx::pg_sys::Oid;

use super::registry::registry;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Table};
use crate::pg::{relation, transaction};

const XID: i16 = 1;
const CHANGED: i16 = 2;
const KEYED: i16 = 1;

/// Tells every writer, when this transaction commits, that the relation's subscriptions have changed.
pub fn announce(changed: Oid) {
    let registry = registry();
    Table::open_to_write(registry.subscription_change)
        .insert_row(&[Some(unsigned(transaction::top_xid())), Some(changed.into())]);
    relation::invalidate(registry.subscription_change);
}

/// Makes every writer hear of what other transactions have announced, before it can hear of this one's row
/// subscription: the relation's first one may have committed only just now, and its message be on its way.
pub fn announce_nothing_new() {
    relation::invalidate(registry().subscription_change);
}

/// The relations whose subscriptions transactions from this id on have changed.
pub fn changed_since(xid: u64) -> Vec<Oid> {
    let registry = registry();
    let table = Table::open_to_read(registry.subscription_change);
    let keys = [Key::xid8_at_least(XID, xid)];
    let mut scan = table.scan(registry.subscription_change_xid, &keys, Read::Latest);
    let mut relations = Vec::new();
    while let Some(row) = scan.next() {
        relations.push(row.oid(CHANGED));
    }
    relations
}

/// Whether the relation has, or once had, a row or field subscription.
pub fn is_keyed(relation: Oid) -> bool {
    let registry = registry();
    let table = Table::open_to_read(registry.keyed_relation);
    let keys = [Key::oid(KEYED, relation)];
    let mut scan = table.scan(registry.keyed_relation_relation, &keys, Read::Latest);
    scan.next().is_some()
}

/// Records that the relation has a row or field subscription.
pub fn insert_keyed(relation: Oid) {
    Table::open_to_write(registry().keyed_relation).insert_row(&[Some(relation.into())]);
}
