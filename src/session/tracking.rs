//! The trigger of a tracked table.

use std::time::{Duration, Instant};

use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::relation::{self, Description};
use crate::pg::{command, lock};
use crate::tables::registry::registry;

/// The row trigger's name on every tracked table that has none of this name.
const ROW_TRIGGER: &str = "reldiff_row";

/// Between two attempts to lock the table.
const PAUSE: Duration = Duration::from_millis(20);

/// What a relation has of the trigger that it needs.
enum State {
    Tracked,
    /// A trigger of ours that somebody has disabled, or made to fire at times only.
    Disabled {
        name: String,
    },
    /// None; this name is free.
    Untracked {
        name: String,
    },
}

/// Creates the relation's trigger if it has none, and enables one that is disabled. The lock that this needs
/// would queue writers behind us, so it is only taken when it is free: raises 55P03 if it was not for
/// `reldiff.track_timeout`.
pub fn ensure(description: &Description) {
    if matches!(state(description), State::Tracked) {
        return;
    }
    let timeout = Duration::from_millis(gucs::TRACK_TIMEOUT.get() as u64);
    let begun = Instant::now();
    while !lock::try_relation_share_row_exclusive(description.oid) {
        if begun.elapsed() >= timeout {
            raise(Error::TrackTimeout {
                relation: description.display(),
            });
        }
        lock::sleep(PAUSE.as_millis() as i64);
    }
    let table = description.display();
    // Another subscriber may have been faster.
    match state(description) {
        State::Tracked => {}
        State::Disabled { name } => command::run_as(description.owner, &[enable(&table, &name)]),
        State::Untracked { name } => {
            let create = format!(
                "CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION event.capture_row()"
            );
            command::run_as(description.owner, &[create, enable(&table, &name)]);
            let name = std::ffi::CString::new(name).expect("a name of ours");
            relation::depend_on_extension(description.oid, &name, registry().extension);
        }
    }
}

/// Rows that replication applies are changes, too.
fn enable(table: &str, trigger: &str) -> String {
    format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
}

/// A trigger of ours is known by its function: it may have been renamed, and a user's may have its name.
fn state(description: &Description) -> State {
    let triggers = relation::triggers(description.oid);
    let capture_row = registry().capture_row;
    match triggers
        .iter()
        .find(|trigger| trigger.function == capture_row)
    {
        Some(ours) if ours.always => State::Tracked,
        Some(ours) => State::Disabled {
            name: relation::quoted(&ours.name),
        },
        None => {
            let is_free = |name: &String| {
                triggers
                    .iter()
                    .all(|trigger| trigger.name != name.as_bytes())
            };
            let mut names = std::iter::once(ROW_TRIGGER.to_owned())
                .chain((1..).map(|number| format!("{ROW_TRIGGER}_{number}")));
            State::Untracked {
                name: names.find(is_free).expect("one of endlessly many is free"),
            }
        }
    }
}
