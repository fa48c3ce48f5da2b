//! `event.untrack`: takes the triggers of a table away that nobody has subscribed to any more.

use std::collections::HashSet;

use pgrx::AnyElement;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;

use super::triggers::Trigger;
use super::{identifier, tracking};
use crate::error::{Error, raise};
use crate::pg::relation::{self, Description, Kind};
use crate::pg::trigger;
use crate::pg::{inheritance, lock, role, setting, transaction};
use crate::tables::{subscription, tracked};

#[pg_extern(sql = false)]
fn untrack(relation: Option<AnyElement>) {
    setting::prevent_if_read_only(c"event.untrack()");
    let oid = identifier::relation(relation);
    match relation::peek(oid) {
        Some(description) => of_relation(&description),
        None if tracked::key(oid).is_some() => of_nothing(oid),
        None => raise(Error::RelationNotFound {
            name: oid.to_u32().to_string(),
        }),
    }
    transaction::next_command();
}

/// A relation that was dropped while nobody noticed: there is nobody whom its name could be told.
fn of_nothing(oid: Oid) {
    subscription::end(oid);
    tracked::forget(oid);
}

fn of_relation(description: &Description) {
    let oid = description.oid;
    if !role::has_privileges_of(role::current(), description.owner) {
        raise(Error::TableOwner {
            relation: description.display(),
            owner: role::name(description.owner),
            caller: role::name(role::current()),
        });
    }
    let refuse_if_subscribed = || {
        if subscription::any(oid) {
            raise(Error::Subscribed {
                relation: description.display(),
            });
        }
    };
    refuse_if_subscribed();
    if tracked::key(oid).is_none() && unneeded(oid).is_empty() {
        return;
    }
    let unneeded = lock_unneeded(description);
    // Somebody may have subscribed until we had the lock, which a subscriber's transaction does not leave room for.
    refuse_if_subscribed();
    for &(relation, trigger) in &unneeded {
        relation::prevent_if_in_use(relation, c"untrack");
        trigger::drop(trigger);
    }
    tracked::forget(oid);
}

/// Our triggers, with their relations, that nothing needs any more once this relation is not tracked: its own and those
/// of its parts.
fn unneeded(oid: Oid) -> Vec<(Oid, Oid)> {
    let all = std::iter::once(oid).chain(inheritance::descendants(oid));
    let unneeded = all.flat_map(|relation| {
        let needed = needed(relation, oid);
        let mut triggers = trigger::of(relation);
        // Those of a partitioned table above go with it.
        triggers.retain(|trigger| {
            let is_unneeded = |kind: Trigger| kind.is_ours(trigger) && !needed.contains(&kind);
            !trigger.is_clone && (is_unneeded(Trigger::Row) || is_unneeded(Trigger::Truncate))
        });
        triggers
            .into_iter()
            .map(move |trigger| (relation, trigger.oid))
    });
    let mut unneeded: Vec<_> = unneeded.collect();
    unneeded.sort_unstable_by_key(|(_, trigger)| trigger.to_u32());
    unneeded
}

/// The triggers that the relation has to have if `except` is not tracked.
fn needed(relation: Oid, except: Oid) -> Vec<Trigger> {
    let is_tracked = |oid: Oid| oid != except && tracked::key(oid).is_some();
    if is_tracked(relation) {
        return vec![Trigger::Row, Trigger::Truncate];
    }
    let ancestors = inheritance::ancestors(relation);
    let above: Vec<Oid> = ancestors
        .iter()
        .map(|ancestor| ancestor.oid)
        .filter(|&oid| is_tracked(oid))
        .collect();
    // The row trigger of a partitioned table is there by itself.
    if above.iter().any(|&oid| !is_partitioned(oid)) {
        vec![Trigger::Row, Trigger::Truncate]
    } else if above.is_empty() {
        Vec::new()
    } else {
        vec![Trigger::Truncate]
    }
}

fn is_partitioned(oid: Oid) -> bool {
    matches!(
        relation::kind_and_persistence(oid),
        Some((Kind::PartitionedTable, _))
    )
}

/// What is unneeded, with the relation and all that loses triggers locked, all or nothing. Raises 55P03 if they were not
/// free for `reldiff.track_timeout`.
fn lock_unneeded(description: &Description) -> Vec<(Oid, Oid)> {
    let try_lock = || {
        let found = unneeded(description.oid);
        let mut relations = HashSet::from([description.oid]);
        for &(relation, _) in &found {
            relations.insert(relation);
            if is_partitioned(relation) {
                relations.extend(inheritance::descendants(relation));
            }
        }
        let is_locked = relations
            .into_iter()
            .all(lock::try_relation_access_exclusive);
        (is_locked && found == unneeded(description.oid)).then_some(found)
    };
    tracking::within_timeout(try_lock).unwrap_or_else(|| {
        raise(Error::UntrackTimeout {
            relation: description.display(),
        })
    })
}
