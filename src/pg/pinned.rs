//! The settings under which values become text, so that a value's JSON depends on the value alone.

use super::ffi::bytea_output;
use pgrx::pg_sys::{self, IntervalStyle};

/// While it lives, output functions print shortest floats, hex bytea, ISO dates, postgres intervals, UTC and
/// names with quotes only where SQL needs them, whatever the writer has set. These are the variables behind the settings: assigning them costs
/// nothing per row, and dropping the guard restores them after an ERROR, too.
pub struct PinnedSettings {
    extra_float_digits: i32,
    bytea_output: i32,
    interval_style: i32,
    date_style: i32,
    date_order: i32,
    session_timezone: *mut pg_sys::pg_tz,
    quote_all_identifiers: bool,
}

impl PinnedSettings {
    pub fn new() -> Self {
        // SAFETY: variables of this single-threaded backend. The time zone comes from the server's table of
        // loaded zones, which lives as long as the backend; "UTC" is built in.
        unsafe {
            let saved = Self {
                extra_float_digits: pg_sys::extra_float_digits,
                bytea_output,
                interval_style: IntervalStyle,
                date_style: pg_sys::DateStyle,
                date_order: pg_sys::DateOrder,
                session_timezone: pg_sys::session_timezone,
                quote_all_identifiers: pg_sys::quote_all_identifiers,
            };
            pg_sys::extra_float_digits = 1;
            bytea_output = 1;
            IntervalStyle = pg_sys::INTSTYLE_POSTGRES as i32;
            pg_sys::DateStyle = pg_sys::USE_ISO_DATES as i32;
            pg_sys::DateOrder = pg_sys::DATEORDER_MDY as i32;
            pg_sys::session_timezone = utc();
            pg_sys::quote_all_identifiers = false;
            saved
        }
    }
}

impl Drop for PinnedSettings {
    fn drop(&mut self) {
        // SAFETY: as above; nothing is called that could raise.
        unsafe {
            pg_sys::extra_float_digits = self.extra_float_digits;
            bytea_output = self.bytea_output;
            IntervalStyle = self.interval_style;
            pg_sys::DateStyle = self.date_style;
            pg_sys::DateOrder = self.date_order;
            pg_sys::session_timezone = self.session_timezone;
            pg_sys::quote_all_identifiers = self.quote_all_identifiers;
        }
    }
}

thread_local! {
    static UTC: std::cell::Cell<*mut pg_sys::pg_tz> = const { std::cell::Cell::new(std::ptr::null_mut()) };
}

fn utc() -> *mut pg_sys::pg_tz {
    if UTC.get().is_null() {
        // SAFETY: the name is NUL-terminated.
        UTC.set(unsafe { pg_sys::pg_tzset(c"UTC".as_ptr()) });
    }
    UTC.get()
}

/// Runs `body` with `search_path` and `lc_monetary` pinned too. This costs a settings stack level, so
/// only the few types whose output depends on them get it: those that print a catalog object's name, money,
/// and those outside `pg_catalog`, whose code is unknown.
pub fn with_search_path<T>(body: impl FnOnce() -> T) -> T {
    // SAFETY: the level that is opened is closed below; after an ERROR the (sub)transaction's abort closes it.
    let level = unsafe { pg_sys::NewGUCNestLevel() };
    super::setting::set_local(c"search_path", c"pg_catalog, pg_temp");
    super::setting::set_local(c"lc_monetary", c"C");
    let result = body();
    // SAFETY: as above.
    unsafe { pg_sys::AtEOXact_GUC(false, level) };
    result
}
