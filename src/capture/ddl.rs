//! `event.follow_ddl` and `event.follow_drop`: the event triggers that notice what commands do to tracked relations.
//! They never raise: what cannot be followed is a warning, and the command goes on.

use std::cell::Cell;
use std::collections::HashSet;

use pgrx::pg_guard;
use pgrx::pg_sys::{self, Datum, Oid};

use super::control::{self, Reset};
use super::protocol;
use crate::change::operation::Control;
use crate::error::{Error, raise};
use crate::pg::transaction::{next_command, used_command};
use crate::pg::{event_trigger, inheritance, relation, subtransaction};
use crate::tables::{registry, tracked};

/// Creates the triggers that a new descendant of a tracked relation needs.
pub type Cover = fn(Oid, Oid);

thread_local! {
    static COVER: Cell<Option<Cover>> = const { Cell::new(None) };
}

/// Says who creates triggers; called once per backend.
pub fn init(cover: Cover) {
    COVER.set(Some(cover));
}

/// Tells the server how `follow_ddl` is called.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_follow_ddl() -> &'static pg_sys::Pg_finfo_record {
    &protocol::VERSION_1
}

/// Tells the server how `follow_drop` is called.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_follow_drop() -> &'static pg_sys::Pg_finfo_record {
    &protocol::VERSION_1
}

/// # Safety
/// Called by the server as a function of this SQL signature.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn follow_ddl(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
    // SAFETY: the server's call data.
    unsafe { follow(fcinfo, "event.follow_ddl", altered) }
}

/// # Safety
/// Called by the server as a function of this SQL signature.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn follow_drop(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
    // SAFETY: the server's call data.
    unsafe { follow(fcinfo, "event.follow_drop", dropped) }
}

/// # Safety
/// The call data are the server's.
unsafe fn follow(fcinfo: pg_sys::FunctionCallInfo, function: &'static str, follow: fn()) -> Datum {
    // SAFETY: the caller's promise.
    if !unsafe { event_trigger::is_called_so(fcinfo) } {
        raise(Error::TriggerProtocol {
            function,
            problem: "not called by event trigger manager",
        });
    }
    // Most databases have many tables and watch few of them.
    let has_work = registry::exists() && tracked::any();
    if has_work && let Err(problem) = subtransaction::catch_error(follow) {
        pgrx::warning!("pg_reldiff could not follow this command: {problem}");
    }
    Datum::null()
}

/// Relations have been created or altered: they may have come into a tracked one, left it, or lost a key.
fn altered() {
    let altered = event_trigger::altered();
    let created: HashSet<Oid> = altered
        .iter()
        .filter(|altered| altered.is_new)
        .map(|altered| altered.relation)
        .collect();
    let mut concerned = HashSet::new();
    for altered in &altered {
        concerned.insert(altered.relation);
        // A key goes from partitions together with that of the partitioned table.
        concerned.extend(inheritance::descendants(altered.relation));
        concerned.extend(containing(altered.relation));
    }
    reconcile_all(concerned, &created);
}

/// Relations or columns have been dropped.
fn dropped() {
    let mut concerned = HashSet::new();
    for dropped in event_trigger::dropped() {
        match dropped.name {
            Some(name) => {
                control::end(dropped.relation, Control::Gone, &name);
                concerned.extend(tracked::containing(dropped.relation));
                tracked::forget(dropped.relation);
            }
            None => {
                concerned.insert(dropped.relation);
                concerned.extend(containing(dropped.relation));
            }
        }
    }
    next_command();
    reconcile_all(concerned, &HashSet::new());
}

/// In the order of their creation, which mostly is from the topmost one on.
fn reconcile_all(concerned: HashSet<Oid>, created: &HashSet<Oid>) {
    let mut concerned: Vec<Oid> = concerned.into_iter().collect();
    concerned.sort_unstable_by_key(|relation| relation.to_u32());
    concerned
        .into_iter()
        .for_each(|relation| reconcile(relation, created));
}

/// Tells a relation's subscribers that it may have changed without an event.
pub fn missed(relation: Oid) {
    control::reset(relation, &resync());
}

/// A reset by the running command; the next statement's are others.
fn resync() -> Reset {
    Reset::new(Control::Resync, used_command())
}

/// Everything that contains the relation, or did.
fn containing(relation: Oid) -> HashSet<Oid> {
    let ancestors = inheritance::ancestors(relation);
    let mut containing = tracked::containing(relation);
    containing.extend(ancestors.iter().map(|ancestor| ancestor.oid));
    containing
}

/// Brings what is known of a relation up to date with the catalog, and tells its subscribers. `created`: relations
/// that the command has created, which are empty.
fn reconcile(oid: Oid, created: &HashSet<Oid>) {
    let Some(key) = tracked::key(oid) else {
        return;
    };
    // One that is gone has been told of already.
    let Some(description) = relation::peek(oid) else {
        return;
    };
    let known = tracked::descendants(oid);
    let descendants = inheritance::descendants(oid);
    let has_its_key = !key.is_empty()
        && description.key == key
        && (description.is_partitioned()
            || descendants.iter().all(|descendant| {
                relation::peek(*descendant).is_none_or(|child| child.has_key_of(&description))
            }));
    if !has_its_key {
        control::end(oid, Control::Unkeyed, b"");
        tracked::forget(oid);
        next_command();
        return;
    }
    if descendants == known {
        return;
    }
    let come: HashSet<Oid> = descendants.difference(&known).copied().collect();
    let gone: HashSet<Oid> = known.difference(&descendants).copied().collect();
    // Before the commands that the triggers need, which are followed like any others: they bring nothing new.
    tracked::set_descendants(oid, &descendants);
    next_command();
    if !gone.is_empty() || !come.is_subset(created) {
        let reset = resync();
        control::reset(oid, &reset);
        // What these were told under the relation's name they may never read.
        gone.iter()
            .filter(|member| relation::kind_and_persistence(**member).is_some())
            .for_each(|member| control::reset_among(*member, oid, &reset));
    }
    let Some(cover) = COVER.get() else { return };
    let mut covered = descendants;
    for member in come {
        if let Err(problem) = subtransaction::catch_error(|| cover(oid, member)) {
            let relation = description.display();
            pgrx::warning!(
                "pg_reldiff could not create its triggers on a new part of {relation}: {problem}"
            );
            // Whoever subscribes or alters it next will try again.
            covered.remove(&member);
            tracked::set_descendants(oid, &covered);
            next_command();
        }
    }
}
