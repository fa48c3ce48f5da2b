//! Raising errors with the fields that name the object concerned, which pgrx's reports do not carry.

use pgrx::pg_sys::{self, panic::ErrorReport};
use std::cell::RefCell;
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The object that an error is about. Drivers show these as separate fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
}

/// A callback of the server's error context stack, which has room for the fields when the report is made.
struct Context {
    callback: pg_sys::ErrorContextCallback,
    object: Object,
}

thread_local! {
    static CONTEXT: RefCell<Option<Box<Context>>> = const { RefCell::new(None) };
}

/// Raises the error.
pub fn raise(report: ErrorReport, object: Object) -> ! {
    if object != Object::default() {
        CONTEXT.with_borrow_mut(|context| {
            // SAFETY: the stack's head is the backend's. Our entry lives in this thread's variable until the
            // next error of ours replaces it; the server drops it from the stack when it recovers from this
            // error, before anything else can be raised.
            unsafe {
                let entry = context.insert(Box::new(Context {
                    callback: pg_sys::ErrorContextCallback {
                        previous: pg_sys::error_context_stack,
                        callback: Some(set_fields),
                        arg: std::ptr::null_mut(),
                    },
                    object,
                }));
                pg_sys::error_context_stack = &mut entry.callback;
            }
        });
    }
    report.report(pgrx::PgLogLevel::ERROR);
    unreachable!("reporting an ERROR does not return")
}

unsafe extern "C-unwind" fn set_fields(_: *mut c_void) {
    CONTEXT.with_borrow(|context| {
        let Some(context) = context else { return };
        let fields = [
            (pg_sys::PG_DIAG_SCHEMA_NAME, &context.object.schema),
            (pg_sys::PG_DIAG_TABLE_NAME, &context.object.table),
            (pg_sys::PG_DIAG_COLUMN_NAME, &context.object.column),
        ];
        for (field, value) in fields {
            if let Some(value) = value
                .as_ref()
                .and_then(|value| CString::new(value.as_str()).ok())
            {
                // SAFETY: called from the error context stack; the string is NUL-terminated and copied.
                unsafe { super::ffi::error_field(field, value.as_ptr()) }
            }
        }
    });
}

/// Runs what must not raise, because an ERROR there would restart the server: what is raised becomes a warning.
pub fn never_raise(body: impl FnOnce()) {
    if raises(body) {
        raises(|| pgrx::warning!("pg_reldiff has failed where nothing may fail, and goes on"));
    }
}

/// Whether this raises; interrupts are as they were.
fn raises(body: impl FnOnce()) -> bool {
    // SAFETY: variables of this backend.
    let (all, cancel) = unsafe {
        (
            pg_sys::InterruptHoldoffCount,
            pg_sys::QueryCancelHoldoffCount,
        )
    };
    let raised = catch_unwind(AssertUnwindSafe(body)).is_err();
    if raised {
        // SAFETY: as above. An ERROR forgets that interrupts are held off, which whoever calls us counts on.
        unsafe {
            pg_sys::InterruptHoldoffCount = all;
            pg_sys::QueryCancelHoldoffCount = cancel;
        }
    }
    raised
}
