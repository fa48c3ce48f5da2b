//! pg_reldiff: what changed in the database, exactly, delivered to the sessions that asked.
//!
//! The folders are the life of a change, in order:
//!
//! 1. [`capture`]: a row trigger takes the two images of a changed row;
//! 2. [`change`]: whom it concerns, what differs, what the events say — pure, without the backend;
//! 3. [`commit`]: at the end of the transaction the changes are logged, get their place in the one order
//!    that every reader sees, and are notified;
//! 4. [`inbox`]: a session reads its events, from any cursor, and acknowledges them.
//!
//! [`session`] is what comes before: sessions, subscriptions, the triggers. [`tables`] reads and writes the
//! tables of `sql/tables.sql` for all of them, [`pg`] is the safe front of the backend. A file imports from
//! its own folder and from `change`, `tables`, `pg`, `error` and `gucs` only; what else belongs together is
//! tied together here.

use pgrx::prelude::*;

mod capture;
mod change;
mod commit;
mod error;
mod gucs;
mod inbox;
mod pg;
mod session;
mod tables;

pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/types.sql", name = "types", bootstrap);
extension_sql_file!("../sql/tables.sql", name = "tables", requires = ["types"]);
extension_sql_file!(
    "../sql/session.sql",
    name = "session",
    requires = ["tables"]
);
extension_sql_file!(
    "../sql/subscribe.sql",
    name = "subscribe",
    requires = ["session"]
);
extension_sql_file!("../sql/inbox.sql", name = "inbox", requires = ["subscribe"]);
extension_sql_file!(
    "../sql/admin.sql",
    name = "admin",
    requires = ["inbox"],
    finalize
);

/// Called by the server when it loads the library: once per backend, maybe in the middle of a transaction.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    gucs::init();
    pg::fault::init();
    tables::invalidation::init();
    capture::init(session::cover);
    session::init(capture::missed);
    pg::worker::init(work);
    commit::init(
        inbox::replay,
        tables::invalidation::note_everything,
        capture::tell_gaps,
    );
}

/// What a background process of ours does.
fn work(job: &str) {
    match job {
        tables::maintenance::WHEN_DUE | tables::maintenance::NOW => {
            inbox::maintain(job, session::remove_expired);
        }
        tables::sequencer::JOB => commit::sequence(),
        _ => session::work(job),
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[path = "../pgrx-tests/mod.rs"]
mod pgrx_tests;

/// What `cargo pgrx test` asks for.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
