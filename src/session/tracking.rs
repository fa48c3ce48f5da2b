//! The triggers of a tracked relation and of what it contains.
//!
//! A relation has a row trigger, which the server clones to its partitions, while each inheritance child gets its
//! own; and each of them has a TRUNCATE trigger, which is never cloned.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;

use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::relation::{self, Description, Kind, Persistence};
use crate::pg::trigger::{self, After, Fires};
use crate::pg::{command, inheritance, lock, name, subtransaction, transaction};
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

/// The triggers that a relation can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    Row,
    Truncate,
}

/// What a relation has of a trigger that it needs.
enum State {
    Fires,
    /// A trigger of ours that somebody has disabled, or made to fire at times only.
    Disabled {
        name: String,
    },
    /// None; this name is free.
    Missing {
        name: String,
    },
}

impl Trigger {
    fn function(self) -> Oid {
        match self {
            Self::Row => registry().capture_row,
            Self::Truncate => registry().capture_truncate,
        }
    }

    fn after(self) -> After {
        match self {
            Self::Row => After::RowChange,
            Self::Truncate => After::Truncate,
        }
    }

    /// A trigger of ours is known by its function: it may have been renamed, and a user's may have its name.
    pub fn is_ours(self, trigger: &trigger::Trigger) -> bool {
        trigger.function == self.function()
    }

    /// Whether this is one of ours that nobody has made to fire for some changes only.
    pub fn is_whole(self, trigger: &trigger::Trigger) -> bool {
        self.is_ours(trigger) && trigger.after == Some(self.after())
    }

    /// Whether one of these is ours and fires for every change and every writer. `clones`: whether that of a partitioned
    /// table above will do.
    fn is_among(self, triggers: &[trigger::Trigger], clones: bool) -> bool {
        triggers.iter().any(|trigger| {
            self.is_whole(trigger)
                && trigger.fires == Fires::Always
                && (clones || !trigger.is_clone)
        })
    }

    fn state(self, description: &Description, clones: bool) -> State {
        let triggers = trigger::of(description.oid);
        if self.is_among(&triggers, clones) {
            return State::Fires;
        }
        let usable =
            |trigger: &&trigger::Trigger| self.is_whole(trigger) && (clones || !trigger.is_clone);
        if let Some(disabled) = triggers.iter().find(usable) {
            return State::Disabled {
                name: name::quoted(&disabled.name),
            };
        }
        let name = match self {
            // A table with a trigger of the same name could not become its partition any more.
            Self::Row if description.is_partitioned() => {
                format!(
                    "reldiff_row_{:016x}",
                    u64::from_le_bytes(transaction::random())
                )
            }
            Self::Row => "reldiff_row".to_owned(),
            Self::Truncate => "reldiff_truncate".to_owned(),
        };
        let is_free = |name: &String| {
            triggers
                .iter()
                .all(|trigger| trigger.name != name.as_bytes())
        };
        let mut names =
            std::iter::once(name.clone()).chain((1..).map(|number| format!("{name}_{number}")));
        State::Missing {
            name: names.find(is_free).expect("one of endlessly many is free"),
        }
    }

    /// Creates the trigger if it is missing, and makes it fire for every writer if it does not: rows that replication
    /// applies are changes, too.
    fn ensure(self, description: &Description, clones: bool) {
        match self.state(description, clones) {
            State::Fires => {}
            State::Disabled { name } => {
                let table = description.display();
                command::run_as(
                    description.owner,
                    &format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"),
                );
            }
            State::Missing { name } => {
                let extension = registry().extension;
                trigger::create(
                    description.oid,
                    &name,
                    self.after(),
                    self.function(),
                    extension,
                );
            }
        }
    }
}

/// Creates the triggers that the relation and what it contains need, and enables those that are disabled. The locks
/// that this needs would queue writers behind us, so they are only taken when all are free: raises 55P03 if
/// they were not for `reldiff.track_timeout`, and what [`Error::Member`] and [`Error::MemberKey`] say.
pub fn ensure(description: &Description) {
    if is_tracked(description) {
        return;
    }
    lock(description, || {
        std::iter::once(description.oid)
            .chain(inheritance::descendants(description.oid))
            .collect()
    });
    // Attached while we looked and locked: as it is now that nobody can change it any more.
    let members = inheritance::descendants(description.oid);
    let descriptions: Vec<Description> = members
        .iter()
        .filter_map(|&member| relation::describe(member))
        .collect();
    for member in &descriptions {
        check(description, member);
    }
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
    for member in &descriptions {
        cover_one(description, member);
    }
}

/// Locks relations against writers, all or none: whoever writes to one meanwhile need not wait for us. Raises 55P03 if
/// they were not free for `reldiff.track_timeout`.
fn lock(description: &Description, relations: impl Fn() -> Vec<Oid>) {
    let timeout = Duration::from_millis(gucs::TRACK_TIMEOUT.get() as u64);
    let begun = Instant::now();
    let try_lock = || {
        relations()
            .into_iter()
            .all(lock::try_relation_share_row_exclusive)
    };
    while !subtransaction::attempt(try_lock) {
        if begun.elapsed() >= timeout {
            raise(Error::TrackTimeout {
                relation: description.display(),
            });
        }
        lock::sleep(PAUSE.as_millis() as i64);
    }
}

/// Whether the relation has its triggers, and what it contains was covered when it came and can still be told.
fn is_tracked(description: &Description) -> bool {
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

/// Raises for a descendant whose rows could not be told.
fn check(description: &Description, member: &Description) {
    let refuse = |kind| {
        raise(Error::Member {
            relation: description.display(),
            member: member.display(),
            kind,
        })
    };
    match (member.kind, member.persistence) {
        (Kind::ForeignTable, _) => refuse("foreign"),
        (_, Persistence::Unlogged) => refuse("unlogged"),
        _ => {}
    }
    if !description.is_partitioned() && !member.has_key_of(description) {
        let names = description.key.iter().filter_map(|&column| {
            let column = description.column(column)?;
            Some(name::quoted(&column.name))
        });
        raise(Error::MemberKey {
            relation: description.display(),
            member: member.display(),
            key: names.collect::<Vec<_>>().join(", "),
            own_key: !member.key.is_empty(),
        });
    }
}
