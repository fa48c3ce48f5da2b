//! Which triggers a tracked relation and what it contains have, and who creates them.
//!
//! A relation has a row trigger, which the server clones to its partitions, while each inheritance child gets its
//! own; and each of them has a TRUNCATE trigger, which is never cloned.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;

use super::background::{self, WithoutWorker};
use super::triggers::Trigger;
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::relation::{self, Description, Kind, Persistence};
use crate::pg::trigger;
use crate::pg::{catalog, inheritance, lock, name, subtransaction, transaction};
use crate::tables::registry::registry;
use crate::tables::tracked;

/// Between two attempts to lock the relation.
const PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    static MISSED: Cell<Option<fn(Oid)>> = const { Cell::new(None) };
}

/// Says who tells a relation's subscribers that it may have changed without an event; called once per backend.
pub fn init(missed: fn(Oid)) {
    MISSED.set(Some(missed));
}

/// Sees to it that the relation and what it contains have the triggers that they need, enabled. A background process creates
/// them, so that the caller, who may idle in its transaction, holds no lock that writers would wait for. Only what
/// no other transaction could do is done here: the caller has the relation for itself, has altered it or granted something on
/// it, or has just created the extension.
///
/// Raises 55P03 if the locks were not to be had for `reldiff.track_timeout`, 25001 if the caller itself is in the way, and what
/// [`Error::Member`] and [`Error::MemberKey`] say.
pub fn ensure(description: &Description, without_worker: WithoutWorker) {
    if is_tracked(description) {
        return;
    }
    check_members(description);
    let is_only_here = catalog::is_own_function(registry().capture_row)
        || lock::own(description.oid) == lock::Own::Sufficient;
    if !is_only_here {
        let relations = relations(description.oid);
        if let Some(&own) = relations
            .iter()
            .find(|&&relation| lock::own(relation) != lock::Own::Compatible)
        {
            raise(Error::TrackInTransaction {
                relation: description.display(),
                locked: relation::peek(own).map_or_else(String::new, |own| own.display()),
            });
        }
        let is_altered = relations.into_iter().any(catalog::is_own_relation);
        if !is_altered && background::create(description, without_worker) {
            return;
        }
    }
    lock(description, || relations(description.oid));
    check_members(description);
    create(description);
}

/// The relation and what it contains, in the order in which whoever locks them all does so.
pub(super) fn relations(oid: Oid) -> Vec<Oid> {
    let mut relations: Vec<Oid> = inheritance::descendants(oid).into_iter().collect();
    relations.sort_unstable_by_key(|relation| relation.to_u32());
    relations.insert(0, oid);
    relations
}

/// Creates the triggers that are missing and enables those that are disabled, of the relation and of what it contains, all
/// of which the transaction has locked against writers.
pub(super) fn create(description: &Description) {
    let members = inheritance::descendants(description.oid);
    let was_tracked = tracked::key(description.oid).is_some();
    let was_covered =
        has_triggers(description, &members) && members == tracked::descendants(description.oid);
    if let Some(missed) = MISSED.get()
        && was_tracked
        && !was_covered
    {
        missed(description.oid);
    }
    // First, since the commands below are followed like any others: they bring nothing new.
    tracked::set_key(description.oid, &description.key);
    tracked::set_descendants(description.oid, &members);
    transaction::next_command();
    Trigger::Row.ensure(description, false);
    Trigger::Truncate.ensure(description, false);
    members
        .iter()
        .filter_map(|&member| relation::describe(member))
        .for_each(|member| cover_one(description, &member));
}

/// Locks relations against writers, all or none: whoever writes to one meanwhile need not wait for us. Raises 55P03 if
/// they were not free for `reldiff.track_timeout`.
fn lock(description: &Description, relations: impl Fn() -> Vec<Oid>) {
    let try_lock = || {
        let mut relations = relations().into_iter();
        relations
            .all(lock::try_relation_share_row_exclusive)
            .then_some(())
    };
    within_timeout(try_lock).unwrap_or_else(|| {
        raise(Error::TrackTimeout {
            relation: description.display(),
        })
    });
}

/// Attempts until one finds something, for `reldiff.track_timeout`. Of an attempt that finds nothing nothing remains, its locks
/// neither: nobody waits for us while we wait.
pub(super) fn within_timeout<T>(attempt: impl Fn() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = subtransaction::look(&attempt);
        if found.is_some() || begun.elapsed() >= gucs::track_timeout() {
            return found;
        }
        lock::sleep(PAUSE.as_millis() as i64);
    }
}

/// Whether the relation has its triggers, and what it contains was covered when it came and can still be told.
pub(super) fn is_tracked(description: &Description) -> bool {
    let descendants = inheritance::descendants(description.oid);
    let can_be_told = |relation: &Oid| {
        matches!(
            relation::kind_and_persistence(*relation),
            Some((Kind::Table | Kind::PartitionedTable, Persistence::Permanent))
        )
    };
    has_triggers(description, &descendants)
        && tracked::key(description.oid).as_ref() == Some(&description.key)
        && descendants == tracked::descendants(description.oid)
        && descendants.iter().all(can_be_told)
}

/// Whether the relation and these descendants have triggers that fire for every change and every writer.
fn has_triggers(description: &Description, descendants: &HashSet<Oid>) -> bool {
    let has_both = |relation, clones| {
        let triggers = trigger::of(relation);
        Trigger::Row.is_among(&triggers, clones) && Trigger::Truncate.is_among(&triggers, false)
    };
    has_both(description.oid, false)
        && descendants
            .iter()
            .all(|&member| has_both(member, description.is_partitioned()))
}

/// Creates the triggers that a new descendant of a tracked relation needs. The running command has mostly locked it; of
/// what it contains, writers may have to end first: raises 55P03 if they do not for `reldiff.track_timeout`.
pub fn cover(oid: Oid, member: Oid) {
    if let (Some(description), Some(member)) = (relation::peek(oid), relation::peek(member)) {
        lock(&member, || vec![member.oid]);
        cover_one(&description, &member);
    }
}

/// The changes of a foreign table are made elsewhere: it gets none.
fn cover_one(description: &Description, member: &Description) {
    if member.kind == Kind::ForeignTable {
        return;
    }
    Trigger::Row.ensure(member, description.is_partitioned());
    Trigger::Truncate.ensure(member, false);
}

/// Raises if the relation contains something whose rows could not be told.
pub(super) fn check_members(description: &Description) {
    if let Some(error) = unwatchable_member(description) {
        raise(error);
    }
}

/// What is wrong with something that the relation contains: its rows could not be told.
pub(super) fn unwatchable_member(description: &Description) -> Option<Error> {
    relations(description.oid)[1..]
        .iter()
        .filter_map(|&member| relation::peek(member))
        .find_map(|member| unwatchable(description, &member))
}

fn unwatchable(description: &Description, member: &Description) -> Option<Error> {
    let refuse = |kind| {
        Some(Error::Member {
            relation: description.display(),
            member: member.display(),
            kind,
        })
    };
    match (member.kind, member.persistence) {
        (Kind::ForeignTable, _) => return refuse("foreign"),
        (_, Persistence::Unlogged) => return refuse("unlogged"),
        _ => {}
    }
    if description.is_partitioned() || member.has_key_of(description) {
        return None;
    }
    let names = description.key.iter().filter_map(|&column| {
        let column = description.column(column)?;
        Some(name::quoted(&column.name))
    });
    Some(Error::MemberKey {
        relation: description.display(),
        member: member.display(),
        key: names.collect::<Vec<_>>().join(", "),
        own_key: !member.key.is_empty(),
    })
}
