//! Code that may raise, in a subtransaction of its own.

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, pg_sys};
use std::panic::AssertUnwindSafe;

/// Runs `body`; `None` if it raised, in which case nothing of what it did remains. A cancelled query, a
/// shutdown and a lack of resources are raised on: they concern more than the body.
pub fn catch<T>(body: impl FnOnce() -> T) -> Option<T> {
    // SAFETY: a transaction is open. The memory context and the resource owner are put back as PL/pgSQL's
    // exception blocks do it.
    let (context, owner) = unsafe {
        let saved = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(saved.0);
        saved
    };
    let restore = move || {
        // SAFETY: both outlive the subtransaction.
        unsafe {
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        }
    };
    let body = AssertUnwindSafe(body);
    pgrx::PgTryBuilder::new(AssertUnwindSafe(move || {
        let result = { body }.0();
        // SAFETY: ends the subtransaction that was begun above.
        unsafe { pg_sys::ReleaseCurrentSubTransaction() };
        restore();
        Some(result)
    }))
    .catch_others(move |error: CaughtError| {
        // SAFETY: ends the subtransaction that was begun above.
        unsafe { pg_sys::RollbackAndReleaseCurrentSubTransaction() };
        restore();
        match &error {
            CaughtError::PostgresError(report)
                if !concerns_the_backend(report.sql_error_code()) =>
            {
                None
            }
            _ => error.rethrow(),
        }
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
