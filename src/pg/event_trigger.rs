//! What an event trigger is told.

use pgrx::pg_sys::{self, Oid};

use super::query::{column, rows};
use super::trigger::Fires;

/// Whether a function was called as an event trigger.
///
/// # Safety
/// The call data are the server's.
pub unsafe fn is_called_so(fcinfo: pg_sys::FunctionCallInfo) -> bool {
    // SAFETY: the context is null or a node, whose tag says what it is.
    unsafe {
        let context = (*fcinfo).context;
        !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData
    }
}

/// A relation that a command has created or altered.
pub struct Altered {
    pub relation: Oid,
    /// The command has created it, and empty.
    pub is_new: bool,
}

/// The relations of the command at whose end the event trigger runs.
pub fn altered() -> Vec<Altered> {
    rows(
        "SELECT objid, command_tag = 'CREATE TABLE' FROM pg_event_trigger_ddl_commands() \
         WHERE classid = 'pg_class'::regclass",
        |row| Altered {
            relation: column(row, 1).expect("never null"),
            is_new: column(row, 2).expect("never null"),
        },
    )
}

/// A relation, or a column or a constraint of one, that has been dropped.
pub struct Dropped {
    pub relation: Oid,
    /// The relation's qualified name, if it is gone as a whole.
    pub name: Option<Vec<u8>>,
}

/// The relations, columns and constraints that the command has dropped.
pub fn dropped() -> Vec<Dropped> {
    // convert_to() makes bytes of a text without changing them.
    rows(
        "SELECT objid, CASE objsubid WHEN 0 THEN convert_to(schema_name, getdatabaseencoding()) END, \
         convert_to(object_name, getdatabaseencoding()) \
         FROM pg_event_trigger_dropped_objects() WHERE classid = 'pg_class'::regclass \
         UNION ALL SELECT c.oid, NULL, NULL FROM pg_event_trigger_dropped_objects() \
         JOIN pg_namespace n ON n.nspname = address_names[1] \
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = address_names[2] \
         WHERE classid = 'pg_constraint'::regclass AND object_type = 'table constraint'",
        |row| {
            let schema: Option<Vec<u8>> = column(row, 2);
            let name: Option<Vec<u8>> = column(row, 3);
            Dropped {
                relation: column(row, 1).expect("never null"),
                name: schema
                    .zip(name)
                    .map(|(schema, name)| super::name::qualified(&schema, &name)),
            }
        },
    )
}

/// An event trigger that calls one of our functions.
pub struct EventTrigger {
    pub name: Vec<u8>,
    pub fires: Fires,
}

/// What an event trigger is created with.
pub struct Definition {
    pub event: &'static str,
    /// None: for every command.
    pub tags: &'static [&'static str],
    /// In the schema `event`.
    pub function: &'static str,
}

impl Definition {
    /// The event trigger that was created so, or for more commands; of several, the one that fires for the most.
    pub fn find(&self) -> Option<EventTrigger> {
        let Self {
            event, function, ..
        } = self;
        let tags = if self.tags.is_empty() {
            String::new()
        } else {
            format!("OR evttags @> '{{{}}}'", self.tags.join(","))
        };
        let query = format!(
            "SELECT convert_to(evtname::text, getdatabaseencoding()), evtenabled::text FROM pg_event_trigger \
             WHERE evtfoid = 'event.{function}()'::regprocedure AND evtevent = '{event}' AND (evttags IS NULL {tags}) \
             ORDER BY position(evtenabled::text IN 'AORD') LIMIT 1"
        );
        let found = rows(&query, |row| EventTrigger {
            name: column(row, 1).expect("never null"),
            fires: match column::<String>(row, 2).expect("never null").as_str() {
                "A" => Fires::Always,
                "D" => Fires::Never,
                _ => Fires::Sometimes,
            },
        });
        found.into_iter().next()
    }
}
