//! The two triggers of a tracked relation.

use pgrx::pg_sys::Oid;

use crate::pg::relation::Description;
use crate::pg::trigger::{self, After, Fires};
use crate::pg::{command, name, transaction};
use crate::tables::registry::registry;

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
    pub fn is_among(self, triggers: &[trigger::Trigger], clones: bool) -> bool {
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
    pub fn ensure(self, description: &Description, clones: bool) {
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
