//! `event.verify`: whether everything that happens to the tracked tables is told, and what to do where it is not.
//!
//! Event triggers notice most of what commands do to tracked tables; what they cannot prevent, what was done while they
//! were disabled, and that they are, shows here.

use std::collections::BTreeMap;

use pgrx::pg_sys::Oid;
use pgrx::prelude::*;

use super::followers;
use super::triggers::Trigger;
use crate::change::operation::ColumnNumber;
use crate::error::literal;
use crate::pg::inheritance;
use crate::pg::name::quoted;
use crate::pg::relation::{self, Description, Kind, Persistence};
use crate::pg::result::Text;
use crate::pg::trigger::{self, Fires};
use crate::tables::tracked;

#[pg_extern(sql = false)]
fn verify() -> TableIterator<
    'static,
    (
        name!(relation, Option<Oid>),
        name!(ok, bool),
        name!(detail, Option<Text>),
    ),
> {
    // Each relation once, with what is wrong with it by itself before what is wrong as a part of another one.
    let mut found: BTreeMap<u32, Option<String>> = BTreeMap::new();
    let mut parts = Vec::new();
    for oid in tracked::all() {
        let description = relation::peek(oid);
        let problem = match &description {
            Some(description) => of_tracked(description),
            None => Some(format!(
                "It was dropped unnoticed: SELECT event.untrack({}::regclass)",
                oid.to_u32()
            )),
        };
        found.insert(oid.to_u32(), problem);
        parts.extend(description.map(of_parts).into_iter().flatten());
    }
    for (oid, problem) in parts {
        let known = found.entry(oid.to_u32()).or_default();
        *known = known.take().or(problem);
    }
    // First what concerns them all.
    let general = followers::problems().into_iter();
    let general = general.map(|problem| (None, Some(problem)));
    let found = found.into_iter();
    let found = found.map(|(oid, problem)| (Some(Oid::from_u32(oid)), problem));
    TableIterator::new(general.chain(found).map(|(relation, problem)| {
        let detail = problem.map(|problem| Text(problem.into_bytes()));
        (relation, detail.is_none(), detail)
    }))
}

fn track(description: &Description) -> String {
    format!("SELECT event.track({})", literal(&description.display()))
}

/// What is wrong with a tracked relation.
fn of_tracked(description: &Description) -> Option<String> {
    let (name, track) = (description.display(), track(description));
    if let Some(problem) = of_storage(description) {
        return Some(problem);
    }
    if description.row_security {
        return Some(format!(
            "Row-level security withholds its events: ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"
        ));
    }
    let key = tracked::key(description.oid).unwrap_or_default();
    if description.key.is_empty() {
        let mend = match names(description, &key) {
            Some(names) => format!("ALTER TABLE {name} ADD PRIMARY KEY ({names})"),
            None => format!("SELECT event.untrack({})", literal(&name)),
        };
        return Some(format!("It lost its primary key unnoticed: {mend}"));
    }
    if description.key != key {
        return Some(format!("Its primary key was exchanged unnoticed: {track}"));
    }
    let has_left = !tracked::descendants(description.oid)
        .is_subset(&inheritance::descendants(description.oid));
    if has_left {
        return Some(format!("A part of it has left it unnoticed: {track}"));
    }
    of_trigger(Trigger::Row, description, false, &track)
        .or_else(|| of_trigger(Trigger::Truncate, description, false, &track))
}

/// The parts of a tracked relation, on every level, with what is wrong with each.
fn of_parts(description: Description) -> Vec<(Oid, Option<String>)> {
    let known = tracked::descendants(description.oid);
    let parts = inheritance::descendants(description.oid).into_iter();
    parts
        .filter_map(|oid| {
            let part = relation::peek(oid)?;
            let problem = of_part(&description, &part).or_else(|| {
                let came = || {
                    let (name, track) = (description.display(), track(&description));
                    format!("It came into {name} unnoticed: {track}")
                };
                (!known.contains(&oid)).then(came)
            });
            let problem = problem.or_else(|| of_triggers_of_part(&description, &part));
            Some((oid, problem))
        })
        .collect()
}

/// What of a part cannot be told.
fn of_part(description: &Description, part: &Description) -> Option<String> {
    if part.kind == Kind::ForeignTable {
        let mend = leave(part);
        return Some(format!(
            "Changes of a foreign table are made elsewhere: {mend}"
        ));
    }
    let problem = of_storage(part);
    if problem.is_some() || description.is_partitioned() || part.has_key_of(description) {
        return problem;
    }
    let mend = match names(description, &description.key) {
        Some(names) if part.key.is_empty() => {
            format!("ALTER TABLE {} ADD PRIMARY KEY ({names})", part.display())
        }
        _ => leave(part),
    };
    Some(format!(
        "It lacks the primary key of {}: {mend}",
        description.display()
    ))
}

/// A crash empties an unlogged table without an event.
fn of_storage(description: &Description) -> Option<String> {
    (description.persistence == Persistence::Unlogged).then(|| {
        format!(
            "A crash would empty it without an event: ALTER TABLE {} SET LOGGED",
            description.display()
        )
    })
}

fn of_triggers_of_part(description: &Description, part: &Description) -> Option<String> {
    let track = track(description);
    of_trigger(Trigger::Row, part, description.is_partitioned(), &track)
        .or_else(|| of_trigger(Trigger::Truncate, part, false, &track))
}

/// What is wrong with one of its triggers. `clones`: whether that of a partitioned table above will do.
fn of_trigger(
    kind: Trigger,
    description: &Description,
    clones: bool,
    track: &str,
) -> Option<String> {
    let event = match kind {
        Trigger::Row => "row",
        Trigger::Truncate => "TRUNCATE",
    };
    let mut triggers = trigger::of(description.oid);
    triggers.retain(|trigger| kind.is_ours(trigger) && (clones || !trigger.is_clone));
    let whole = || triggers.iter().filter(|trigger| kind.is_whole(trigger));
    if whole().any(|trigger| trigger.fires == Fires::Always) {
        return None;
    }
    // The one that fires for the most writers.
    let best = whole().min_by_key(|trigger| trigger.fires == Fires::Never);
    let state = match best.map(|trigger| trigger.fires) {
        Some(Fires::Never) => "is disabled",
        Some(Fires::Always | Fires::Sometimes) => "does not fire for every writer",
        None if triggers.is_empty() => "is missing",
        None => "fires for some changes only",
    };
    // It tells the subscribers, too, that they may have missed something.
    Some(format!("Its {event} trigger {state}: {track}"))
}

/// The command that takes a part out of what contains it.
fn leave(part: &Description) -> String {
    let name = part.display();
    let parents = inheritance::parents(part.oid);
    match parents.iter().find_map(|&parent| relation::peek(parent)) {
        Some(parent) if parent.is_partitioned() => {
            format!("ALTER TABLE {} DETACH PARTITION {name}", parent.display())
        }
        Some(parent) => format!("ALTER TABLE {name} NO INHERIT {}", parent.display()),
        None => track(part),
    }
}

/// The names of these columns, if the relation has them all.
fn names(description: &Description, columns: &[ColumnNumber]) -> Option<String> {
    let name = |&column: &ColumnNumber| Some(quoted(&description.column(column)?.name));
    let names: Option<Vec<String>> = columns.iter().map(name).collect();
    names
        .filter(|names| !names.is_empty())
        .map(|names| names.join(", "))
}
