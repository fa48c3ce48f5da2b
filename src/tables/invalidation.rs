//! What other backends say about relations, roles, schemas and our tables, noted until a cache is next used.
//!
//! An invalidation comes at any time, also in the middle of our own reads: it must only be noted here.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys::Oid;

use super::{registry, segment, segment_tables};
use crate::pg::invalidation;

/// So many relations are noted one by one; after more everything is dropped.
const MOST: usize = 64;

/// What has been noted.
pub struct Pending {
    /// Forget everything.
    pub everything: bool,
    /// Some relation's subscriptions have changed.
    pub subscriptions: bool,
    /// These relations have changed.
    pub relations: Vec<Oid>,
}

thread_local! {
    static NOTED: Cell<bool> = const { Cell::new(true) };
    static EVERYTHING: Cell<bool> = const { Cell::new(true) };
    static SUBSCRIPTIONS: Cell<bool> = const { Cell::new(false) };
    static GENERATION: Cell<u64> = const { Cell::new(1) };
    static RELATIONS: RefCell<Vec<Oid>> = const { RefCell::new(Vec::new()) };
}

/// Begins to note; called once per backend.
pub fn init() {
    invalidation::register(relation_invalidated, object_invalidated);
}

/// Everything has to be read anew, as after a rollback of the own subscriptions.
pub fn note_everything() {
    EVERYTHING.set(true);
    note();
}

/// Changes with every relation, role, schema and session.
pub fn generation() -> u64 {
    GENERATION.get()
}

fn note() {
    GENERATION.set(GENERATION.get() + 1);
    NOTED.set(true);
}

/// What has been noted since the last call; `None` if nothing has.
pub fn take() -> Option<Pending> {
    NOTED.replace(false).then(|| Pending {
        everything: EVERYTHING.replace(false),
        subscriptions: SUBSCRIPTIONS.replace(false),
        relations: RELATIONS.take(),
    })
}

fn relation_invalidated(relation: Option<Oid>) {
    let Some(relation) = relation.filter(|_| registry::is_loaded()) else {
        registry::at_invalidation();
        segment::at_invalidation();
        return note_everything();
    };
    if Some(relation) == registry::subscription_change() {
        SUBSCRIPTIONS.set(true);
        NOTED.set(true);
    } else if Some(relation) == registry::segment() {
        segment::at_invalidation();
    } else if registry::is_known(relation) {
        registry::at_invalidation();
        note();
    } else {
        segment_tables::at_invalidation(Some(relation));
        RELATIONS.with(|relations| match relations.try_borrow_mut() {
            Ok(mut relations) if relations.len() < MOST => {
                relations.push(relation);
                note();
            }
            _ => note_everything(),
        });
    }
}

/// Role memberships and schemas decide who may read what, and a schema's name is in every event. Ours may be
/// the one that has been renamed.
fn object_invalidated() {
    registry::at_invalidation();
    note_everything();
}
