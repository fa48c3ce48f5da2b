//! Whether what happens to tracked relations would be noticed: the event triggers, and the functions that all of our
//! triggers call.

use crate::pg::event_trigger::Definition;
use crate::pg::name::quoted;
use crate::pg::trigger::Fires;
use crate::pg::{function, setting};

/// An event trigger as `sql/admin.sql` creates it.
struct Follower {
    name: &'static str,
    definition: Definition,
}

const FOLLOWERS: [Follower; 2] = [
    Follower {
        name: "reldiff_ddl",
        definition: Definition {
            event: "ddl_command_end",
            tags: &[
                "ALTER TABLE",
                "ALTER FOREIGN TABLE",
                "CREATE TABLE",
                "CREATE FOREIGN TABLE",
                "CREATE SCHEMA",
            ],
            function: "follow_ddl",
        },
    },
    Follower {
        name: "reldiff_drop",
        definition: Definition {
            event: "sql_drop",
            tags: &[],
            function: "follow_drop",
        },
    },
];

/// The functions with what they return.
const FUNCTIONS: [(&str, &str); 4] = [
    ("capture_row", "trigger"),
    ("capture_truncate", "trigger"),
    ("follow_ddl", "event_trigger"),
    ("follow_drop", "event_trigger"),
];

/// What is wrong, each with a command that mends it.
pub fn problems() -> Vec<String> {
    let mut problems: Vec<String> = FOLLOWERS.iter().filter_map(Follower::problem).collect();
    // A setting of newer servers.
    if setting::is_off(c"event_triggers") {
        problems.push("Event triggers are switched off here: SET event_triggers = on".to_owned());
    }
    let replaced = function::replaced(&FUNCTIONS.map(|(name, _)| name));
    let replaced = FUNCTIONS
        .iter()
        .filter(|(name, _)| replaced.iter().any(|one| one == name));
    problems.extend(replaced.map(|(name, kind)| {
        format!(
            "The function event.{name} was replaced: CREATE OR REPLACE FUNCTION event.{name}() RETURNS {kind} \
             LANGUAGE c AS '$libdir/pg_reldiff', '{name}'"
        )
    }));
    problems
}

impl Follower {
    fn problem(&self) -> Option<String> {
        let Definition {
            event,
            tags,
            function,
        } = self.definition;
        let Some(found) = self.definition.find() else {
            let tags: Vec<String> = tags.iter().map(|tag| format!("'{tag}'")).collect();
            let condition = match tags.is_empty() {
                true => String::new(),
                false => format!(" WHEN TAG IN ({})", tags.join(", ")),
            };
            return Some(format!(
                "The event trigger {name} is missing: CREATE EVENT TRIGGER {name} ON {event}{condition} \
                 EXECUTE FUNCTION event.{function}()",
                name = self.name,
            ));
        };
        let name = quoted(&found.name);
        let state = match found.fires {
            Fires::Always => return None,
            Fires::Sometimes => "does not fire for every session",
            Fires::Never => "is disabled",
        };
        Some(format!(
            "The event trigger {name} {state}: ALTER EVENT TRIGGER {name} ENABLE ALWAYS"
        ))
    }
}
