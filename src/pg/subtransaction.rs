//! Code that may raise, in a subtransaction of its own.

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, pg_sys};
use std::panic::AssertUnwindSafe;

/// What a subtransaction puts back when it ends, as PL/pgSQL's exception blocks do it.
#[derive(Clone, Copy)]
struct Saved {
    context: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

impl Saved {
    fn begin() -> Self {
        // SAFETY: a transaction is open.
        unsafe {
            let saved = Self {
                context: pg_sys::CurrentMemoryContext,
                owner: pg_sys::CurrentResourceOwner,
            };
            pg_sys::BeginInternalSubTransaction(std::ptr::null());
            pg_sys::MemoryContextSwitchTo(saved.context);
            saved
        }
    }

    fn release(self) {
        // SAFETY: ends the subtransaction that was begun above.
        unsafe { pg_sys::ReleaseCurrentSubTransaction() };
        self.put_back();
    }

    fn roll_back(self) {
        // SAFETY: ends the subtransaction that was begun above.
        unsafe { pg_sys::RollbackAndReleaseCurrentSubTransaction() };
        self.put_back();
    }

    fn put_back(self) {
        // SAFETY: both outlive the subtransaction.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.context);
            pg_sys::CurrentResourceOwner = self.owner;
        }
    }
}

/// Runs `body`; `None` if it raised, in which case nothing of what it did remains. A cancelled query, a
/// shutdown and a lack of resources are raised on: they concern more than the body.
pub fn catch<T>(body: impl FnOnce() -> T) -> Option<T> {
    catch_error(body).ok()
}

/// As [`catch`]; says what was raised.
pub fn catch_error<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_report(body).map_err(|(_, message)| message)
}

/// As [`catch`]; says what was raised, and its SQLSTATE.
pub fn catch_report<T>(body: impl FnOnce() -> T) -> Result<T, (PgSqlErrorCode, String)> {
    let saved = Saved::begin();
    let body = AssertUnwindSafe(body);
    pgrx::PgTryBuilder::new(AssertUnwindSafe(move || {
        let result = { body }.0();
        saved.release();
        Ok(result)
    }))
    .catch_others(move |error: CaughtError| {
        saved.roll_back();
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic {
            ereport: report, ..
        }) = &error;
        if concerns_the_backend(report.sql_error_code()) {
            error.rethrow()
        }
        Err((report.sql_error_code(), report.message().to_owned()))
    })
    .execute()
}

/// Runs `body`; if it returns false, nothing of what it did remains, its locks neither.
pub fn attempt(body: impl FnOnce() -> bool) -> bool {
    look(|| body().then_some(())).is_some()
}

/// Runs `body`; if it returns nothing, nothing of what it did remains, its locks neither. What it raises is raised on, and
/// finds the transaction as it was.
pub fn look<T>(body: impl FnOnce() -> Option<T>) -> Option<T> {
    let saved = Saved::begin();
    let body = AssertUnwindSafe(body);
    pgrx::PgTryBuilder::new(AssertUnwindSafe(move || {
        let result = { body }.0();
        if result.is_some() {
            saved.release();
        } else {
            saved.roll_back();
        }
        result
    }))
    .catch_others(move |error: CaughtError| {
        saved.roll_back();
        error.rethrow()
    })
    .execute()
}

fn concerns_the_backend(code: PgSqlErrorCode) -> bool {
    matches!(
        code,
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED
            | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CANNOT_CONNECT_NOW
            | PgSqlErrorCode::ERRCODE_DATABASE_DROPPED
            | PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY
            | PgSqlErrorCode::ERRCODE_DISK_FULL
    )
}
