//! The settings, `reldiff.*`.

use pgrx::PostgresGucEnum;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::ffi::CString;
use std::rc::Rc;
use std::time::Duration;

/// The current session's uuid, or nothing. A setting, so that it rolls back with its transaction, `DISCARD
/// ALL` clears it, and `SET LOCAL` works behind a transaction pooler.
pub static SESSION: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// What a writer calls itself, or nothing: its events say so, so that it knows its own.
pub static ORIGIN: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// The longest origin, in bytes, as the server has it for names.
const LONGEST_ORIGIN: usize = 63;

/// [`ORIGIN`] as the server does it with `application_name`: whatever is not printable ASCII is a question mark, since
/// settings that come with a connection are of no encoding, and what is too long is cut off.
pub fn origin() -> Option<Rc<[u8]>> {
    let printable = |&byte: &u8| {
        if matches!(byte, b' '..=b'~') {
            byte
        } else {
            b'?'
        }
    };
    let origin = ORIGIN.get().filter(|origin| !origin.is_empty())?;
    let bytes = origin.as_bytes().iter().take(LONGEST_ORIGIN);
    Some(bytes.map(printable).collect())
}

/// How transactions get their place in the order of events, and their notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PostgresGucEnum)]
pub enum Delivery {
    /// The writer takes its place at its commit, one after the other.
    #[name = c"inline"]
    Inline,
    /// A background process gives it to them, after their commits.
    #[name = c"sequencer"]
    Sequencer,
}

pub static DELIVERY: GucSetting<Delivery> = GucSetting::<Delivery>::new(Delivery::Inline);

/// To how many transactions the sequencer gives their places at a time, at most.
pub static SEQUENCER_BATCH: GucSetting<i32> = GucSetting::<i32>::new(10_000);

/// How long, in milliseconds, the sequencer waits for more transactions before it gives places again.
pub static SEQUENCER_NAP: GucSetting<i32> = GucSetting::<i32>::new(0);

/// [`SEQUENCER_NAP`] as a duration.
pub fn sequencer_nap() -> Duration {
    Duration::from_millis(SEQUENCER_NAP.get() as u64)
}

/// The most events that one transaction notifies one session of; more become one nudge. 0 is unlimited.
pub static NOTIFY_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(1_000);

/// The most kilobytes of notifications that one transaction sends; what is beyond becomes nudges.
pub static NOTIFY_BYTES: GucSetting<i32> = GucSetting::<i32>::new(1_024);

/// Above this use of the server's notification queue nothing is notified: a full one would make every
/// commit that notifies fail.
pub static NOTIFY_QUEUE_LIMIT: GucSetting<f64> = GucSetting::<f64>::new(0.5);

/// The longest value, in kilobytes as it is stored without compression, that events carry; a longer one is
/// named as unrenderable. A row of the log is at most 1 GB, and a writer must never fail for it.
pub static MAX_VALUE: GucSetting<i32> = GucSetting::<i32>::new(16 * 1024);

/// So many kilobytes of changes a transaction keeps in memory, for each savepoint that is open; what is beyond is
/// written to the log early.
pub static OUTBOX_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(8 * 1024);

/// [`OUTBOX_MEMORY`] in bytes.
pub fn outbox_bytes() -> usize {
    OUTBOX_MEMORY.get() as usize * 1024
}

/// How many seconds a session is kept that nobody uses, unless it has a `ttl`; 0 is for ever.
pub static SESSION_TTL: GucSetting<i32> = GucSetting::<i32>::new(7 * 24 * 60 * 60);

/// How many sessions a role may own; 0 is unlimited.
pub static SESSIONS_PER_ROLE: GucSetting<i32> = GucSetting::<i32>::new(0);

/// How many subscriptions the sessions of a role may have together; 0 is unlimited.
pub static SUBSCRIPTIONS_PER_ROLE: GucSetting<i32> = GucSetting::<i32>::new(0);

/// How many seconds an event is kept at least, whether it has been acknowledged or not; 0 is for ever.
pub static RETENTION: GucSetting<i32> = GucSetting::<i32>::new(24 * 60 * 60);

/// How often, in milliseconds, writers have the maintenance done in a background process; 0 is never.
pub static MAINTENANCE_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60_000);

/// How many events an inbox may hold that have not been acknowledged; 0 is unlimited.
pub static EVENTS_PER_SESSION: GucSetting<i32> = GucSetting::<i32>::new(0);

/// How many kilobytes of keys and values an inbox may hold that have not been acknowledged; 0 is unlimited.
pub static BYTES_PER_SESSION: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Off for a bulk load: changes are not recorded, and whoever watches a table that was changed is told that there is a
/// gap. For superusers, since it keeps events from others.
pub static CAPTURE: GucSetting<bool> = GucSetting::<bool>::new(true);

/// How long, in milliseconds, a writer waits for the commit lock; then it commits without a place in the feed.
pub static COMMIT_LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(1_000);

/// [`COMMIT_LOCK_TIMEOUT`] as a duration.
pub fn commit_lock_timeout() -> Duration {
    Duration::from_millis(COMMIT_LOCK_TIMEOUT.get() as u64)
}

/// How long a first subscription tries, in milliseconds, to get the lock that creating a trigger needs.
pub static TRACK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5_000);

/// [`TRACK_TIMEOUT`] as a duration.
pub fn track_timeout() -> Duration {
    Duration::from_millis(TRACK_TIMEOUT.get() as u64)
}

/// Defines the settings; called once per backend, when the library is loaded.
pub fn init() {
    GucRegistry::define_string_guc(
        c"reldiff.session",
        c"The session that functions use when none is named.",
        c"Set by event.session_create, session_attach and session_use.",
        &SESSION,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"reldiff.origin",
        c"What a writer calls itself.",
        c"Its events in the format full say so. As it is at the commit; printable ASCII, at most 63 characters.",
        &ORIGIN,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"reldiff.delivery",
        c"How transactions get their place in the order of events.",
        c"inline: at their commit, one after the other. sequencer: from a background process, just after it.",
        &DELIVERY,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.sequencer_batch",
        c"To how many transactions the sequencer gives their places at a time, at most.",
        c"They become visible together; nobody else gets a place meanwhile.",
        &SEQUENCER_BATCH,
        1,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.sequencer_nap",
        c"How long the sequencer waits for more transactions before it gives places again.",
        c"Longer naps leave writers more of the machine, and events come later.",
        &SEQUENCER_NAP,
        0,
        60_000,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"reldiff.notify_limit",
        c"The most events per session and transaction that are notified one by one.",
        c"More become one nudge; the events are in the inbox. 0 is unlimited.",
        &NOTIFY_LIMIT,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.notify_bytes",
        c"The most bytes of notifications per transaction.",
        c"What is beyond becomes nudges; the events are in the inbox.",
        &NOTIFY_BYTES,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_float_guc(
        c"reldiff.notify_queue_limit",
        c"The used share of the server's notification queue above which nothing is notified.",
        c"A full queue would make the writer's commit fail; the events are in the inbox.",
        &NOTIFY_QUEUE_LIMIT,
        0.0,
        1.0,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.max_value",
        c"The longest value that events carry.",
        c"A longer one is left out and named as unrenderable.",
        &MAX_VALUE,
        1,
        64 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"reldiff.outbox_memory",
        c"How much of its changes a transaction keeps in memory.",
        c"For each open savepoint. What is beyond is written to the log before the commit.",
        &OUTBOX_MEMORY,
        64,
        1024 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_bool_guc(
        c"reldiff.capture",
        c"Whether changes of tracked tables become events.",
        c"Off for a bulk load: the transaction tells one gap event for each table instead.",
        &CAPTURE,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.session_ttl",
        c"How long a session is kept that nobody uses.",
        c"For sessions without a ttl of their own; it counts from the last acknowledgement, attachment or use. 0 is for ever.",
        &SESSION_TTL,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"reldiff.sessions_per_role",
        c"How many sessions a role may own.",
        c"0 is unlimited.",
        &SESSIONS_PER_ROLE,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.subscriptions_per_role",
        c"How many subscriptions the sessions of a role may have together.",
        c"0 is unlimited.",
        &SUBSCRIPTIONS_PER_ROLE,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.retention",
        c"How long an event is kept at least.",
        c"Acknowledged or not; it goes when it is half as old again, or a little later. 0 is for ever.",
        &RETENTION,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"reldiff.maintenance_interval",
        c"How often writers have the maintenance done by a background process.",
        c"It removes what is older than reldiff.retention, and what exceeds a quota. 0 is never: call event.maintain().",
        &MAINTENANCE_INTERVAL,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"reldiff.events_per_session",
        c"How many events an inbox may hold that have not been acknowledged.",
        c"A session with more loses them all, and gets an overflow event. 0 is unlimited.",
        &EVENTS_PER_SESSION,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.bytes_per_session",
        c"How much an inbox may hold that has not been acknowledged, in bytes of keys and values.",
        c"A session with more loses it all, and gets an overflow event. 0 is unlimited.",
        &BYTES_PER_SESSION,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"reldiff.commit_lock_timeout",
        c"How long a writer waits for its place in the order of events.",
        c"Then it commits, and gets its place afterwards: its events come later, and none is lost. 0 waits for nobody.",
        &COMMIT_LOCK_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"reldiff.track_timeout",
        c"How long a first subscription tries to lock the table for creating its trigger.",
        c"Writers never wait longer than 100 ms for it.",
        &TRACK_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
}
