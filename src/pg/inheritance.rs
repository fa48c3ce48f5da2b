//! Which relations contain one another, by partitioning or by inheritance, as pg_inherits says. A partition that
//! is being detached concurrently belongs to its parent no more.

use std::collections::HashSet;

use pgrx::pg_sys::Oid;

use super::relation::{Persistence, kind_and_persistence};
use super::scan_key::Key;
use super::table::{Read, Table};

/// `pg_inherits` and its indexes, by their fixed oids.
const INHERITS: Oid = Oid::from_u32(2611);
const INHERITS_RELID: Oid = Oid::from_u32(2680);
const INHERITS_PARENT: Oid = Oid::from_u32(2187);

const CHILD: i16 = 1;
const PARENT: i16 = 2;
const DETACH_PENDING: i16 = 4;

/// A relation above another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    pub oid: Oid,
    /// The relations directly above it.
    pub parents: Vec<Oid>,
}

/// The relations above this one, each before those that it contains. Takes no lock on them.
pub fn ancestors(relation: Oid) -> Vec<Ancestor> {
    let mut found = Vec::new();
    add_ancestors(&parents(relation), &mut found);
    found
}

fn add_ancestors(relations: &[Oid], found: &mut Vec<Ancestor>) {
    for &oid in relations {
        if found.iter().all(|ancestor| ancestor.oid != oid) {
            let parents = parents(oid);
            add_ancestors(&parents, found);
            found.push(Ancestor { oid, parents });
        }
    }
}

/// The relations inside this one, on every level, but for temporary ones: nobody but their own session sees their
/// rows. Takes no lock on them.
pub fn descendants(relation: Oid) -> HashSet<Oid> {
    let mut found = HashSet::new();
    let mut next = vec![relation];
    while let Some(parent) = next.pop() {
        for child in related(INHERITS_PARENT, PARENT, parent, CHILD) {
            if !is_temporary(child) && found.insert(child) {
                next.push(child);
            }
        }
    }
    found
}

/// The relations directly above this one.
pub fn parents(relation: Oid) -> Vec<Oid> {
    related(INHERITS_RELID, CHILD, relation, PARENT)
}

fn related(index: Oid, column: i16, relation: Oid, wanted: i16) -> Vec<Oid> {
    let table = Table::open_to_read(INHERITS);
    let mut scan = table.scan(index, &[Key::oid(column, relation)], Read::Catalog);
    let mut related = Vec::new();
    while let Some(row) = scan.next() {
        if !row.bool(DETACH_PENDING) {
            related.push(row.oid(wanted));
        }
    }
    related
}

fn is_temporary(relation: Oid) -> bool {
    matches!(
        kind_and_persistence(relation),
        Some((_, Persistence::Temporary))
    )
}
