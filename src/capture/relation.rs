//! What is watched, cached per backend by relation.
//!
//! An entry holds the relation's columns and its table and column subscriptions; row and field
//! subscriptions are never loaded, only whether there may be any. An invalidation of the relation drops its
//! entry. A change of subscriptions invalidates a small table of ours instead of the relation, so that
//! its plans stay: then the entries of those relations are dropped that a transaction has changed which
//! may have ended since we last looked. What stands above a relation is cached in [`super::levels`], and goes with
//! any of its relations.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use pgrx::pg_sys::Oid;
use rustc_hash::FxHashMap;

use super::value::Renderer;
use crate::change::matching::{WatchedColumns, Watchers};
use crate::change::operation::ColumnNumber;
use crate::pg::output::{Trust, trust};
use crate::pg::relation::{Column, Description};
use crate::pg::transaction;
use crate::tables::watch::{self, Keyed};
use crate::tables::{addressee, invalidation, registry, subscribers};

/// A relation that somebody subscribed to.
pub struct WatchedRelation {
    pub oid: Oid,
    /// The primary key's columns, in key order.
    pub key: Vec<ColumnNumber>,
    pub watchers: Watchers,
    /// Which of the row and field subscriptions have to be looked up.
    pub keyed: Keyed,
    /// Live columns that have stored values, ascending.
    pub columns: Vec<ColumnNumber>,
    /// By attribute number less one; `None` for a dropped column.
    storage: Vec<Option<Storage>>,
    names: Vec<(ColumnNumber, Vec<u8>)>,
}

/// How a column's values are compared and rendered.
pub struct Storage {
    pub kind: Oid,
    pub trust: Trust,
    pub by_value: bool,
    pub length: i16,
    pub renderer: Renderer,
}

impl WatchedRelation {
    pub fn storage(&self, column: ColumnNumber) -> &Storage {
        self.storage[column as usize - 1]
            .as_ref()
            .expect("a live column")
    }

    /// The columns that an insert tells: those that are watched, and the key.
    pub fn told_by_insert(&self, watched: &WatchedColumns) -> impl Iterator<Item = ColumnNumber> {
        self.columns
            .iter()
            .copied()
            .filter(move |column| watched.contains(*column) || self.key.contains(column))
    }

    /// Live columns, ascending, also those without stored values.
    pub fn live_columns(&self) -> impl Iterator<Item = ColumnNumber> {
        self.names.iter().map(|(number, _)| *number)
    }

    /// The numbers that the columns have in a table that belongs to the relation, by attribute number less one, 0 for
    /// a dropped one; `None` if the table lacks one.
    pub fn numbers_in(&self, table: &Description) -> Option<Vec<ColumnNumber>> {
        let mut numbers = vec![0; self.storage.len()];
        for (number, name) in &self.names {
            let column = table.columns.iter().find(|column| column.name == *name)?;
            numbers[*number as usize - 1] = column.number;
        }
        Some(numbers)
    }
}

#[derive(Default)]
struct Cache {
    /// Of the registry.
    extension: Option<Oid>,
    /// `None` for a relation that nobody watches.
    relations: FxHashMap<Oid, Option<Rc<WatchedRelation>>>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
    /// Every transaction that may have changed subscriptions since the cache was true has this id or a
    /// later one.
    static HORIZON: Cell<u64> = const { Cell::new(0) };
}

/// What is watched of the relation, `None` if nothing is. `description` is asked for if that is not known.
pub fn watched(
    oid: Oid,
    description: impl FnOnce() -> Option<Description>,
) -> Option<Rc<WatchedRelation>> {
    if let Some(known) = CACHE.with_borrow(|cache| cache.relations.get(&oid).cloned()) {
        return known;
    }
    let loaded = description().and_then(|description| load(&description).map(Rc::new));
    CACHE.with_borrow_mut(|cache| cache.relations.insert(oid, loaded.clone()));
    loaded
}

/// What has become stale.
pub enum Stale {
    Everything,
    Relations(HashSet<Oid>),
}

/// Drops the entries that are not true any more, and says which.
pub fn apply_invalidations() -> Option<Stale> {
    let pending = invalidation::take()?;
    let extension = registry::extension();
    let known_extension = CACHE.with_borrow(|cache| cache.extension);
    if pending.everything || extension != known_extension {
        HORIZON.set(transaction::oldest_running_xid());
        CACHE.set(Cache {
            extension,
            relations: FxHashMap::default(),
        });
        return Some(Stale::Everything);
    }
    let mut stale: HashSet<Oid> = pending.relations.into_iter().collect();
    if pending.subscriptions {
        // Read before the changes, so that whatever they miss has this id or a later one.
        let horizon = transaction::oldest_running_xid();
        stale.extend(watch::changed_since(HORIZON.replace(horizon)));
    }
    CACHE.with_borrow_mut(|cache| {
        cache
            .relations
            .retain(|relation, _| !stale.contains(relation))
    });
    Some(Stale::Relations(stale))
}

fn load(description: &Description) -> Option<WatchedRelation> {
    // Neither can be told truly: what may be seen of a row, and which row it is. Both are refused when
    // subscribing and may come later.
    if description.row_security || description.key.is_empty() {
        return None;
    }
    let subscribed = subscribers::watchers(description.oid);
    let everyone = addressee::who_may_read(description.oid, &subscribed);
    let keyed = watch::keyed(description.oid);
    if everyone.is_empty() && !keyed.any() {
        return None;
    }
    let highest = description
        .columns
        .iter()
        .map(|column| column.number)
        .max()
        .unwrap_or(0);
    let mut storage: Vec<Option<Storage>> = (0..highest).map(|_| None).collect();
    for column in &description.columns {
        storage[column.number as usize - 1] = Some(Storage {
            kind: column.kind,
            trust: trust(column.kind),
            by_value: column.by_value,
            length: column.length,
            renderer: Renderer::of(column.kind),
        });
    }
    let stored = |column: &&Column| !column.is_virtual;
    Some(WatchedRelation {
        oid: description.oid,
        key: description.key.clone(),
        watchers: Watchers::new(everyone),
        keyed,
        columns: description
            .columns
            .iter()
            .filter(stored)
            .map(|column| column.number)
            .collect(),
        storage,
        names: description
            .columns
            .iter()
            .map(|column| (column.number, column.name.clone()))
            .collect(),
    })
}
