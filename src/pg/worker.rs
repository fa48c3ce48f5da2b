//! A background process of the server that does one job, mostly for a transaction that waits for it, in transactions of its
//! own. It needs no preload: it is started when there is work, and ends with it.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::Ordering;

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder};
use pgrx::pg_guard;
use pgrx::pg_sys::{self, Datum};

use super::transaction::{ActiveSnapshot, clock};
use super::{compat, shared_memory};

/// What a worker does, given the text that it was started with.
pub type Job = fn(&str);

thread_local! {
    static JOB: Cell<Option<Job>> = const { Cell::new(None) };
}

/// Says what workers do; called once per backend, and so in each worker, too.
pub fn init(job: Job) {
    JOB.set(Some(job));
}

/// `max_worker_processes` are running, or this server starts none.
pub struct NoWorker;

/// Runs a worker in this database and waits for its end; what has become of its job, the caller has to look up. Raises
/// if the query is cancelled: the worker goes on. The argument is at most 127 bytes long.
pub fn run(argument: &str) -> Result<(), NoWorker> {
    // SAFETY: a variable of the backend.
    let process = unsafe { pg_sys::MyProcPid };
    let worker = prepare(argument)
        .set_notify_pid(process)
        .load_dynamic()
        .map_err(|_| NoWorker)?;
    // Its only failure is that the whole server is going down, which the next look for interrupts tells.
    let _ = worker.wait_for_shutdown();
    pgrx::check_for_interrupts!();
    Ok(())
}

/// Starts a worker in this database, whatever becomes of this transaction.
pub fn start(argument: &str) -> Result<(), NoWorker> {
    prepare(argument)
        .load_dynamic()
        .map(|_| ())
        .map_err(|_| NoWorker)
}

/// As [`start`], unless one was started in this database a moment ago: that one sees what there is to do. For many who come
/// at the same time.
pub fn start_soon(argument: &str) -> Result<(), NoWorker> {
    let now = (clock() / MOMENT) as u32;
    // SAFETY: a variable of the backend.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    if let Some(shared) = shared_memory::attach() {
        let started = &shared.header.started[shared_memory::database()];
        let mine = u64::from(database) << 32 | u64::from(now);
        if started.swap(mine, Ordering::SeqCst) == mine {
            return Ok(());
        }
    }
    start(argument)
}

/// In microseconds.
const MOMENT: i64 = 100_000;

fn prepare(argument: &str) -> BackgroundWorkerBuilder {
    // SAFETY: a variable of the backend.
    let database = unsafe { pg_sys::MyDatabaseId };
    BackgroundWorkerBuilder::new("pg_reldiff")
        .set_library("$libdir/pg_reldiff")
        .set_function("reldiff_worker")
        .set_argument(Some(database.into()))
        .set_extra(argument)
        .enable_spi_access()
}

/// Where the server enters a worker. It may do anything in the database, whoever may connect to it.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn reldiff_worker(database: Datum) {
    let bypass_allow_connections = 1;
    compat::die_at_termination();
    // SAFETY: the server calls this function once, in a process that has no database yet; without a role it is the
    // superuser that every database has.
    unsafe {
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            pg_sys::Oid::from_u32(database.value() as u32),
            pg_sys::Oid::INVALID,
            bypass_allow_connections,
        );
    }
    override_settings();
    if let Some(job) = JOB.get() {
        job(BackgroundWorker::get_extra());
    }
}

/// What a database's settings must not change for a worker. Whoever waits for it commits later, and that commit makes
/// the worker's durable, too: so it need not wait for the disk while it holds locks.
fn override_settings() {
    for (name, value) in [
        (c"statement_timeout", c"0"),
        (c"lock_timeout", c"0"),
        (c"idle_in_transaction_session_timeout", c"0"),
        (c"transaction_timeout", c"0"),
        (c"default_transaction_read_only", c"off"),
        (c"default_transaction_isolation", c"read committed"),
        (c"synchronous_commit", c"off"),
    ] {
        override_setting(name, value);
    }
}

fn override_setting(name: &CStr, value: &CStr) {
    // SAFETY: both are NUL-terminated and the server copies them. A setting of newer servers is passed over.
    unsafe {
        if !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null() {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Runs `body` in a transaction of the worker's, which is committed. An ERROR ends the worker.
pub fn transaction<T>(body: impl FnOnce() -> T) -> T {
    // SAFETY: a worker is in no transaction between two of these.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
    }
    let snapshot = ActiveSnapshot::push();
    let result = body();
    drop(snapshot);
    // SAFETY: begun above.
    unsafe { pg_sys::CommitTransactionCommand() }
    result
}
