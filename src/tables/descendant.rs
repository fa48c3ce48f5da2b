//! `event.descendant`: what the tracked relations are known to contain. The catalog says what they contain now;
//! the difference is what a command has attached or detached, and, of a relation that is gone, where it was.

use std::collections::HashSet;

use pgrx::pg_sys::Oid;

use super::registry::registry;
use crate::pg::relation::Description;
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Table};

const RELATION: i16 = 1;
const DESCENDANT: i16 = 2;

/// What the relation is known to contain.
pub fn of(relation: Oid) -> HashSet<Oid> {
    related(
        registry().descendant_relation,
        RELATION,
        relation,
        DESCENDANT,
    )
}

/// The relations that are known to contain this one.
pub fn containing(descendant: Oid) -> HashSet<Oid> {
    related(
        registry().descendant_descendant,
        DESCENDANT,
        descendant,
        RELATION,
    )
}

fn related(index: Oid, column: i16, oid: Oid, wanted: i16) -> HashSet<Oid> {
    let table = Table::open_to_read(registry().descendant);
    let mut scan = table.scan(index, &[Key::oid(column, oid)], Read::Latest);
    let mut related = HashSet::new();
    while let Some(row) = scan.next() {
        related.insert(row.oid(wanted));
    }
    related
}

/// Whether anything is known of any relation.
pub fn any() -> bool {
    let table = Table::open_to_read(registry().descendant);
    let mut scan = table.scan(registry().descendant_relation, &[], Read::Latest);
    scan.next().is_some()
}

/// Makes known what the relation contains. Two transactions may make the same known: both are right.
pub fn set(relation: Oid, descendants: &HashSet<Oid>) {
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

/// Whether a row of the descendant has the key that it has as a row of the relation: the same columns, in the same
/// order.
pub fn has_same_key(relation: &Description, descendant: &Description) -> bool {
    let names = |relation: &Description| -> Vec<Vec<u8>> {
        let columns = relation.key.iter();
        columns
            .filter_map(|&column| relation.column(column))
            .map(|column| column.name.clone())
            .collect()
    };
    names(relation) == names(descendant)
}
