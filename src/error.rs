//! Everything that the extension raises: one clear sentence, a SQLSTATE and a HINT that can be pasted. Row
//! values never stand in a message. `tests/regress/sql/errors.sql` shows each of them.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode as Code};

use crate::pg::report::{self, Object};

/// Declares the enum together with the list of its variants' names, which the golden file must show whole.
macro_rules! errors {
    ($($(#[$comment:meta])* $variant:ident $({ $($field:ident: $kind:ty),* $(,)? })?,)*) => {
        #[derive(Debug, Clone)]
        pub enum Error {
            $($(#[$comment])* $variant $({ $($field: $kind),* })?,)*
        }

        impl Error {
            #[cfg(test)]
            const VARIANTS: &[&str] = &[$(stringify!($variant)),*];
        }
    };
}

errors! {
    /// No relation has this name.
    RelationNotFound { name: String },
    /// The relation has no such column.
    ColumnNotFound { relation: String, column: String },
    /// No current session, and none named.
    NoCurrentSession,
    /// The current session's setting is not a uuid.
    BadSessionSetting { value: String },
    /// No such session; only those hear it who may see every session.
    SessionNotFound { session: String },
    /// Not the caller's session, or none at all: the answer is the same, so that nothing can be probed.
    SessionDenied { session: String },
    /// The caller is no member of the role that a new session shall belong to.
    OwnerDenied { owner: String, caller: String },
    /// The role has as many sessions or subscriptions as it may.
    Quota { owner: String, what: &'static str, setting: &'static str, most: usize },
    /// The session's owner may not SELECT what it would be told.
    SelectDenied { relation: String, owner: String },
    /// Rows without a primary key have no name.
    NoPrimaryKey { relation: String },
    /// A view, materialized view, foreign table or something else that is no table.
    NotATable { relation: String, kind: &'static str },
    /// A temporary table: other sessions cannot read it.
    TemporaryTable { relation: String },
    /// An unlogged table: a crash empties it without an event.
    UnloggedTable { relation: String },
    /// A virtual generated column.
    VirtualColumn { relation: String, column: String },
    /// A partitioned table or inheritance parent that contains a table whose changes cannot be told.
    Member { relation: String, member: String, kind: &'static str },
    /// An inheritance parent with a child that lacks its primary key.
    MemberKey { relation: String, member: String, key: String, own_key: bool },
    /// A table of the server or of this extension.
    SystemTable { relation: String },
    /// A table with row-level security.
    RowSecurity { relation: String },
    /// An option that this version does not have yet.
    UnsupportedOption { option: &'static str },
    /// An option whose value makes no sense.
    BadOption { option: &'static str, value: String, allowed: &'static str },
    /// An argument that must not be null.
    NullArgument { argument: &'static str },
    /// A key that does not fit the primary key.
    BadKey { relation: String, problem: String, example: String },
    /// A text that no cursor has.
    MalformedCursor,
    /// A cursor of another database, of a lost commit, or of events that are gone.
    UnknownCursor,
    /// The lock for creating a trigger was not to be had.
    TrackTimeout { relation: String },
    /// The caller is no member of the role that owns the table.
    TableOwner { relation: String, owner: String, caller: String },
    /// A table that somebody has subscribed to has to stay tracked.
    Subscribed { relation: String },
    /// The lock for dropping a trigger was not to be had.
    UntrackTimeout { relation: String },
    /// No background process could create a trigger.
    TrackWorker { relation: String, problem: &'static str },
    /// No background process was free for the maintenance.
    MaintenanceWorker,
    /// The background process that does the maintenance has ended too early.
    MaintenanceFailed,
    /// The transaction itself has a lock that creating a trigger would have to wait for.
    TrackInTransaction { relation: String, locked: String },
    /// await_ready() in the transaction that it would have to wait for.
    AwaitReady { problem: &'static str },
    /// The trigger function was called in a way that it is not made for.
    TriggerProtocol { function: &'static str, problem: &'static str },
    /// The installed SQL objects are not those of this library.
    ExtensionOutOfDate,
    /// The same, for a writer: only a warning.
    ChangesNotRecorded,
}

/// What a user gets to read.
struct Text {
    code: Code,
    message: String,
    detail: Option<String>,
    hint: String,
    object: Object,
}

impl Error {
    fn text(self) -> Text {
        use Error::*;
        let mut detail = None;
        let mut object = Object::default();
        let (code, message, hint) = match self {
            RelationNotFound { name } => (
                Code::ERRCODE_UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
                "SELECT schemaname, tablename FROM pg_tables".into(),
            ),
            ColumnNotFound { relation, column } => {
                object = named(&relation);
                object.column = Some(column.clone());
                (
                    Code::ERRCODE_UNDEFINED_COLUMN,
                    format!("column \"{column}\" of relation \"{relation}\" does not exist"),
                    format!(
                        "SELECT attname FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped",
                        literal(&relation)
                    ),
                )
            }
            NoCurrentSession => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "there is no current session".into(),
                "SELECT event.session_create()".into(),
            ),
            BadSessionSetting { value } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("reldiff.session is not a uuid: \"{value}\""),
                "RESET reldiff.session".into(),
            ),
            SessionNotFound { session } => (
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("session \"{session}\" does not exist"),
                "SELECT id, name FROM event.session".into(),
            ),
            SessionDenied { session } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("session \"{session}\" is not yours or does not exist"),
                "SELECT id, name FROM event.session".into(),
            ),
            OwnerDenied { owner, caller } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be a member of role \"{owner}\" to create a session for it"),
                format!("GRANT {} TO {}", identifier(&owner), identifier(&caller)),
            ),
            Quota {
                owner,
                what,
                setting,
                most,
            } => {
                detail = Some(format!("{setting} is {most}."));
                (
                    Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                    format!("role \"{owner}\" has too many {what}"),
                    match what {
                        "sessions" => {
                            "SELECT id, name FROM event.session ORDER BY created_at".into()
                        }
                        _ => "SELECT id, relation FROM event.subscription".into(),
                    },
                )
            }
            SelectDenied { relation, owner } => {
                object = named(&relation);
                detail = Some(format!(
                    "The session belongs to role \"{owner}\", which may not SELECT what it asks for."
                ));
                (
                    Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                    format!("permission denied for table {relation}"),
                    format!("GRANT SELECT ON {relation} TO {}", identifier(&owner)),
                )
            }
            NoPrimaryKey { relation } => {
                object = named(&relation);
                (
                    Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("table \"{relation}\" has no primary key"),
                    format!(
                        "ALTER TABLE {relation} ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
                    ),
                )
            }
            NotATable { relation, kind } => {
                object = named(&relation);
                let hint = match kind {
                    "view" | "materialized view" => format!(
                        "SELECT DISTINCT refobjid::regclass FROM pg_depend JOIN pg_rewrite r ON r.oid = objid \
                         WHERE r.ev_class = {0}::regclass AND refclassid = 'pg_class'::regclass AND refobjid <> {0}::regclass",
                        literal(&relation)
                    ),
                    _ => "SELECT schemaname, tablename FROM pg_tables".into(),
                };
                (
                    Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                    format!("\"{relation}\" is a {kind}, not a table"),
                    hint,
                )
            }
            TemporaryTable { relation } => {
                object = named(&relation);
                (
                    Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                    format!("table \"{relation}\" is temporary"),
                    format!(
                        "CREATE TABLE public.{} (LIKE {relation} INCLUDING ALL)",
                        last_name(&relation)
                    ),
                )
            }
            UnloggedTable { relation } => {
                object = named(&relation);
                detail = Some("A crash empties an unlogged table without an event.".into());
                (
                    Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                    format!("table \"{relation}\" is unlogged"),
                    format!("ALTER TABLE {relation} SET LOGGED"),
                )
            }
            VirtualColumn { relation, column } => {
                object = named(&relation);
                let hint = format!("SELECT event.subscribe_table({})", literal(&relation));
                detail = Some("It has no stored value that could change.".into());
                let message = format!("column \"{column}\" of relation \"{relation}\" is virtual");
                object.column = Some(column);
                (Code::ERRCODE_FEATURE_NOT_SUPPORTED, message, hint)
            }
            Member {
                relation,
                member,
                kind,
            } => {
                object = named(&member);
                (
                    Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                    format!("table \"{relation}\" contains \"{member}\", which is {kind}"),
                    match kind {
                        "unlogged" => format!("ALTER TABLE {member} SET LOGGED"),
                        _ => format!(
                            "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = {}::regclass",
                            literal(&relation)
                        ),
                    },
                )
            }
            MemberKey {
                relation,
                member,
                key,
                own_key,
            } => {
                object = named(&member);
                (
                    Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!(
                        "table \"{member}\" lacks the primary key of its parent \"{relation}\""
                    ),
                    if own_key {
                        format!(
                            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid IN ({}::regclass, {}::regclass)",
                            literal(&relation),
                            literal(&member)
                        )
                    } else {
                        format!("ALTER TABLE {member} ADD PRIMARY KEY ({key})")
                    },
                )
            }
            SystemTable { relation } => {
                object = named(&relation);
                (
                    Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                    format!("\"{relation}\" belongs to the server or to pg_reldiff and cannot be tracked"),
                    "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'event')".into(),
                )
            }
            RowSecurity { relation } => {
                object = named(&relation);
                (
                    Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                    format!(
                        "table \"{relation}\" has row-level security, which is not supported yet"
                    ),
                    format!("ALTER TABLE {relation} DISABLE ROW LEVEL SECURITY"),
                )
            }
            UnsupportedOption { option } => (
                Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("option \"{option}\" is not supported yet"),
                format!("{option} => NULL"),
            ),
            BadOption {
                option,
                value,
                allowed,
            } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("invalid value for \"{option}\": \"{value}\""),
                format!("{option} => {allowed}"),
            ),
            NullArgument { argument } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("\"{argument}\" must not be null"),
                r"\df+ event.*".into(),
            ),
            BadKey {
                relation,
                problem,
                example,
            } => {
                object = named(&relation);
                (
                    Code::ERRCODE_INVALID_PARAMETER_VALUE,
                    format!("the key does not fit the primary key of \"{relation}\": {problem}"),
                    example,
                )
            }
            MalformedCursor => (
                Code::ERRCODE_INVALID_TEXT_REPRESENTATION,
                "this is not a cursor".into(),
                "SELECT event.cursor()".into(),
            ),
            UnknownCursor => {
                detail = Some("It is of another database, of a commit that a crash undid, or of events that have expired.".into());
                (
                    Code::ERRCODE_INVALID_CURSOR_STATE,
                    "the cursor is unknown or has expired".into(),
                    "SELECT event.cursor()".into(),
                )
            }
            TrackTimeout { relation } => {
                object = named(&relation);
                detail = Some("Creating the trigger needs a lock that writers of the table did not leave room for.".into());
                (
                    Code::ERRCODE_LOCK_NOT_AVAILABLE,
                    format!("could not start to track table \"{relation}\" in time"),
                    format!("SELECT event.track({})", literal(&relation)),
                )
            }
            TableOwner {
                relation,
                owner,
                caller,
            } => {
                object = named(&relation);
                (
                    Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                    format!("must be owner of table {relation}"),
                    format!("GRANT {} TO {}", identifier(&owner), identifier(&caller)),
                )
            }
            Subscribed { relation } => {
                object = named(&relation);
                detail = Some("Sessions of other roles may have some that you cannot see.".into());
                (
                    Code::ERRCODE_OBJECT_IN_USE,
                    format!("table \"{relation}\" has subscriptions"),
                    format!(
                        "SELECT session_id, id FROM event.subscription WHERE relation = {}::regclass",
                        literal(&relation)
                    ),
                )
            }
            UntrackTimeout { relation } => {
                object = named(&relation);
                detail = Some("Dropping the trigger needs a lock that writers and readers of the table did not leave room for.".into());
                (
                    Code::ERRCODE_LOCK_NOT_AVAILABLE,
                    format!("could not stop tracking table \"{relation}\" in time"),
                    format!("SELECT event.untrack({})", literal(&relation)),
                )
            }
            TrackWorker { relation, problem } => {
                object = named(&relation);
                detail = Some(problem.into());
                (
                    Code::ERRCODE_LOCK_NOT_AVAILABLE,
                    format!("could not start to track table \"{relation}\""),
                    format!("SELECT event.track({})", literal(&relation)),
                )
            }
            MaintenanceFailed => {
                detail = Some(
                    "The background process that does it has ended too early: the server's log says why."
                        .into(),
                );
                (
                    Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "the maintenance could not be done".into(),
                    "SELECT event.maintain()".into(),
                )
            }
            MaintenanceWorker => {
                detail = Some(
                    "It runs in a background process, and max_worker_processes are running.".into(),
                );
                (
                    Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                    "no background process was free for the maintenance".into(),
                    "SHOW max_worker_processes".into(),
                )
            }
            TrackInTransaction { relation, locked } => {
                object = named(&relation);
                detail = Some(format!(
                    "Its lock on \"{locked}\" is in the way of the one that creating the trigger needs."
                ));
                (
                    Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
                    format!(
                        "cannot start to track table \"{relation}\" in a transaction that has written to it"
                    ),
                    "COMMIT".into(),
                )
            }
            AwaitReady { problem } => {
                detail = Some(problem.into());
                (
                    Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
                    "event.await_ready() cannot wait in this transaction".into(),
                    "COMMIT".into(),
                )
            }
            TriggerProtocol { function, problem } => (
                Code::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("{function}: {problem}"),
                "SELECT event.track('schema.table')".into(),
            ),
            ExtensionOutOfDate => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the SQL objects of pg_reldiff are not those of its library".into(),
                "ALTER EXTENSION pg_reldiff UPDATE".into(),
            ),
            ChangesNotRecorded => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the changes of this transaction are not recorded, since the SQL objects of pg_reldiff are not those of its library".into(),
                "ALTER EXTENSION pg_reldiff UPDATE".into(),
            ),
        };
        Text {
            code,
            message,
            detail,
            hint,
            object,
        }
    }
}

/// Raises the error.
pub fn raise(error: Error) -> ! {
    let (report, object) = report_of(error);
    report::raise(report, object)
}

/// Warns, where nothing may fail. The fields that name an object are left out.
pub fn warn(error: Error) {
    let (report, _) = report_of(error);
    report.report(PgLogLevel::WARNING);
}

fn report_of(error: Error) -> (ErrorReport, Object) {
    let text = error.text();
    let mut report = ErrorReport::new(text.code, text.message, "pg_reldiff").set_hint(text.hint);
    if let Some(detail) = text.detail {
        report = report.set_detail(detail);
    }
    (report, text.object)
}

/// The schema and table fields, from a qualified name as [`crate::pg::relation`] quotes it.
fn named(qualified: &str) -> Object {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = qualified.chars().peekable();
    while let Some(character) = characters.next() {
        let part = parts.last_mut().expect("never empty");
        match character {
            // A quote inside a quoted name is doubled.
            '"' if quoted && characters.next_if_eq(&'"').is_some() => part.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ => part.push(character),
        }
    }
    let table = parts.pop();
    Object {
        schema: parts.pop(),
        table,
        column: None,
    }
}

fn last_name(qualified: &str) -> String {
    identifier(named(qualified).table.as_deref().unwrap_or(qualified))
}

/// A text as SQL writes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name for a hint, quoted unless it is plainly no key word and needs no quotes.
fn identifier(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(plain) && name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.into()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden file shows each error under a comment with its variant's name.
    #[test]
    fn the_golden_file_shows_every_error() {
        let golden = include_str!("../tests/regress/expected/errors.out");
        for variant in Error::VARIANTS {
            assert!(
                golden.contains(&format!("-- {variant}\n")),
                "{variant} is missing"
            );
        }
    }

    #[test]
    fn the_object_fields_are_the_names_without_quotes() {
        let object = named("public.\"My.\"\"Table\"\"\"");
        assert_eq!(
            (object.schema.as_deref(), object.table.as_deref()),
            (Some("public"), Some("My.\"Table\""))
        );
        assert_eq!(named("s.t").table.as_deref(), Some("t"));
    }

    #[test]
    fn names_in_hints_are_quoted_where_they_need_it() {
        assert_eq!(identifier("joe_1"), "joe_1");
        assert_eq!(identifier("Joe \"X\""), "\"Joe \"\"X\"\"\"");
        assert_eq!(literal("a'b"), "'a''b'");
    }
}
