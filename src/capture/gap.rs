//! `reldiff.capture = off`, for a bulk load: no change is recorded, and those who watch a relation are told at the commit
//! that they have to load it anew.

use pgrx::pg_sys::Oid;

use super::control;
use crate::change::operation::Control;
use crate::change::{gaps, outbox};
use crate::pg::inheritance;
use crate::pg::transaction::{accept_invalidations, current_command, nest_level};
use crate::tables::{addressee, registry, subscribers, unrecorded};

/// A row of this table, or all of them, have changed in silence: of what stands above it, too.
pub fn note(relation: Oid) {
    let oid = relation.to_u32();
    if gaps::with(|gaps| gaps.is_noted(oid)) {
        return;
    }
    let (level, ancestors) = (nest_level(), inheritance::ancestors(relation));
    let ancestors = ancestors.iter().map(|ancestor| ancestor.oid.to_u32());
    let mut new: Vec<u32> = ancestors.chain([oid]).collect();
    gaps::with(|gaps| {
        new.retain(|&relation| !gaps.is_noted(relation));
        new.iter().for_each(|&relation| gaps.note(level, relation));
    });
    // Nobody would tell of it any more.
    if outbox::with(|outbox| outbox.is_late) {
        tell_of(new.into_iter());
    }
}

/// Tells of the gaps, behind everything else that the transaction tells: whoever loads a relation anew at its gap must
/// not apply an older change afterwards. Called before the commit; a relation that is gone by now has no subscribers.
pub fn tell() {
    let gaps = gaps::take();
    if !gaps.is_empty() {
        tell_of(gaps.relations());
    }
}

fn tell_of(relations: impl Iterator<Item = u32>) {
    if !registry::exists() {
        unrecorded::warn();
        return;
    }
    accept_invalidations();
    for relation in relations.map(Oid::from_u32) {
        let subscribers = subscribers::all(relation);
        let subscribers = addressee::who_may_read(relation, &subscribers);
        control::tell(relation, Control::Gap, current_command(), subscribers, b"");
    }
}
