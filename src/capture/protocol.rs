//! How the server calls a trigger function.

use pgrx::pg_sys;

use crate::error::{Error, raise};

/// Of functions that take their arguments the way that all of the server's do.
pub const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };

/// What a trigger fires for, which says whose function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Row,
    Truncate,
}

/// The trigger manager's data, if it called us in the way that we are made for. Raises 39P01 otherwise.
///
/// # Safety
/// The call data are the server's.
pub unsafe fn trigger_data(
    fcinfo: pg_sys::FunctionCallInfo,
    kind: Kind,
) -> *mut pg_sys::TriggerData {
    let function = match kind {
        Kind::Row => "event.capture_row",
        Kind::Truncate => "event.capture_truncate",
    };
    let refuse = |problem| raise(Error::TriggerProtocol { function, problem });
    // SAFETY: the context is null or a node, whose tag says what it is.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            refuse("not called by trigger manager");
        }
        let trigger = context.cast::<pg_sys::TriggerData>();
        let event = (*trigger).tg_event;
        if event & pg_sys::TRIGGER_EVENT_TIMINGMASK != pg_sys::TRIGGER_EVENT_AFTER {
            refuse("must be called after the change");
        }
        let is_truncate = event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_TRUNCATE;
        match kind {
            Kind::Row if event & pg_sys::TRIGGER_EVENT_ROW == 0 => {
                refuse("must be called for each row")
            }
            Kind::Truncate if !is_truncate => refuse("must be called for TRUNCATE"),
            Kind::Row | Kind::Truncate => {}
        }
        trigger
    }
}
