//! Settings (GUCs) set from code.

use pgrx::pg_sys;
use std::ffi::CStr;

/// `SET LOCAL`: until the end of the transaction, or of the settings stack level that is open.
pub fn set_local(name: &CStr, value: &CStr) {
    set(name, value, pg_sys::GucAction::GUC_ACTION_LOCAL);
}

/// As [`set_local`], to a number.
pub fn set_local_number(name: &CStr, value: i32) {
    let value = std::ffi::CString::new(value.to_string()).expect("digits hold no NUL");
    set_local(name, &value);
}

/// `SET`: for the rest of the session, unless the transaction is rolled back.
pub fn set_session(name: &CStr, value: &CStr) {
    set(name, value, pg_sys::GucAction::GUC_ACTION_SET);
}

fn set(name: &CStr, value: &CStr, action: pg_sys::GucAction::Type) {
    // SAFETY: both are NUL-terminated and the server copies them; it raises for a bad value.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            action,
            true,
            0,
            false,
        );
    }
}

/// Raises 25006 in a read-only transaction and on a standby.
pub fn prevent_if_read_only(command: &CStr) {
    // SAFETY: NUL-terminated; raises or returns.
    unsafe { pg_sys::PreventCommandIfReadOnly(command.as_ptr()) }
    prevent_during_recovery(command);
}

/// Raises 25006 on a standby.
pub fn prevent_during_recovery(command: &CStr) {
    // SAFETY: NUL-terminated; raises or returns.
    unsafe { pg_sys::PreventCommandDuringRecovery(command.as_ptr()) }
}

/// Whether there is a setting of this name, and it is off.
pub fn is_off(name: &CStr) -> bool {
    // SAFETY: NUL-terminated; the text is the setting's until it is changed, and read at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        !value.is_null() && CStr::from_ptr(value) == c"off"
    }
}
