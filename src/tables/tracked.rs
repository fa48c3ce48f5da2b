//! `event.tracked_relation` and `event.descendant`: what is known of the tracked relations, their keys and what they
//! contain. The catalog says what is so now; the difference is what a command has done, and, of a relation that is
//! gone, where it was.

use std::collections::HashSet;

use pgrx::pg_sys::Oid;

use super::registry::registry;
use crate::change::operation::ColumnNumber;
use crate::pg::bytes::int2s;
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Table};

const TRACKED: i16 = 1;
const KEY_COLUMNS: i16 = 2;

const RELATION: i16 = 1;
const DESCENDANT: i16 = 2;

/// The primary key's columns that the relation is known to have, in key order; `None` if it is not tracked.
pub fn key(relation: Oid) -> Option<Vec<ColumnNumber>> {
    let table = Table::open_to_read(registry().tracked_relation);
    let keys = [Key::oid(TRACKED, relation)];
    let mut scan = table.scan(registry().tracked_relation_relation, &keys, Read::Latest);
    scan.next().map(|row| row.int2s(KEY_COLUMNS))
}

/// The tracked relations.
pub fn all() -> Vec<Oid> {
    let table = Table::open_to_read(registry().tracked_relation);
    let mut scan = table.scan(registry().tracked_relation_relation, &[], Read::Latest);
    let mut all = Vec::new();
    while let Some(row) = scan.next() {
        all.push(row.oid(TRACKED));
    }
    all
}

/// Whether anything is tracked.
pub fn any() -> bool {
    let table = Table::open_to_read(registry().tracked_relation);
    let mut scan = table.scan(registry().tracked_relation_relation, &[], Read::Latest);
    scan.next().is_some()
}

/// Makes known that the relation is tracked and has this key.
pub fn set_key(relation: Oid, key: &[ColumnNumber]) {
    forget_key(relation);
    Table::open_to_write(registry().tracked_relation)
        .insert_row(&[Some(relation.into()), Some(int2s(key))]);
}

/// The relation is tracked no more: whoever subscribes next looks at everything.
pub fn forget(relation: Oid) {
    forget_key(relation);
    set_descendants(relation, &HashSet::new());
}

fn forget_key(relation: Oid) {
    let table = Table::open_to_write(registry().tracked_relation);
    let keys = [Key::oid(TRACKED, relation)];
    let mut scan = table.scan(registry().tracked_relation_relation, &keys, Read::Latest);
    while let Some(row) = scan.next() {
        table.delete_unless_busy(row.id);
    }
}

/// What the relation is known to contain.
pub fn descendants(relation: Oid) -> HashSet<Oid> {
    related(
        Table::open_to_read(registry().descendant),
        registry().descendant_relation,
        RELATION,
        relation,
        DESCENDANT,
    )
}

/// The relations that are known to contain this one.
pub fn containing(descendant: Oid) -> HashSet<Oid> {
    related(
        Table::open_to_read(registry().descendant),
        registry().descendant_descendant,
        DESCENDANT,
        descendant,
        RELATION,
    )
}

fn related(table: Table, index: Oid, column: i16, oid: Oid, wanted: i16) -> HashSet<Oid> {
    let mut scan = table.scan(index, &[Key::oid(column, oid)], Read::Latest);
    let mut related = HashSet::new();
    while let Some(row) = scan.next() {
        related.insert(row.oid(wanted));
    }
    related
}

/// Makes known what the relation contains. Two transactions may make the same known: both are right.
pub fn set_descendants(relation: Oid, descendants: &HashSet<Oid>) {
    let table = Table::open_to_write(registry().descendant);
    let keys = [Key::oid(RELATION, relation)];
    let mut known = HashSet::new();
    let mut scan = table.scan(registry().descendant_relation, &keys, Read::Latest);
    while let Some(row) = scan.next() {
        if descendants.contains(&row.oid(DESCENDANT)) {
            known.insert(row.oid(DESCENDANT));
        } else {
            table.delete_unless_busy(row.id);
        }
    }
    drop(scan);
    let mut insert = table.insert();
    for &descendant in descendants.difference(&known) {
        insert.row(&[Some(relation.into()), Some(descendant.into())]);
    }
    insert.end();
}
