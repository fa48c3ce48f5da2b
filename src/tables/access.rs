//! Who may use a session: only members of its owner role. The uuid is an address, not a secret. And the arguments that
//! functions of sessions share.

use pgrx::datum::Interval;
use pgrx::{IntoDatum, Uuid, pg_sys};

use super::session::{self, Session};
use crate::change::operation::SessionId;
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::deadline::Deadline;
use crate::pg::{argument, role, setting};

/// The session that a function is to use: the one that is named, or else the current one. Raises 55000
/// without one, 42501 if it is not the caller's or does not exist (42704 for a superuser, to whom no session
/// is closed).
pub fn session(named: Option<SessionId>) -> Session {
    let id = named_or_current(named);
    own(id).unwrap_or_else(|| {
        let session = id.to_string();
        raise(if role::is_superuser(role::current()) {
            Error::SessionNotFound { session }
        } else {
            Error::SessionDenied { session }
        })
    })
}

/// The session that is named, or else the current one, whether it exists or not. Raises 55000 without one.
pub fn named_or_current(named: Option<SessionId>) -> SessionId {
    named
        .or_else(current)
        .unwrap_or_else(|| raise(Error::NoCurrentSession))
}

/// The session, if it exists and the caller may use it.
pub fn own(id: SessionId) -> Option<Session> {
    session::find(id).filter(|session| role::has_privileges_of(role::current(), session.owner))
}

/// The current session: the setting `reldiff.session`. Raises 22023 if that is no uuid.
pub fn current() -> Option<SessionId> {
    let value = gucs::SESSION.get()?.to_string_lossy().into_owned();
    if value.is_empty() {
        return None;
    }
    let id = SessionId::parse_str(&value);
    Some(id.unwrap_or_else(|_| raise(Error::BadSessionSetting { value })))
}

/// Makes a session the current one, or none: to the end of the transaction or of the connection.
pub fn set_current(session: Option<SessionId>, is_local: bool) {
    let value = session.map_or_else(String::new, |session| session.to_string());
    let value = std::ffi::CString::new(value).expect("a uuid holds no NUL");
    if is_local {
        setting::set_local(c"reldiff.session", &value);
    } else {
        setting::set_session(c"reldiff.session", &value);
    }
}

/// An argument that names a session. Raises 22023 for NULL.
pub fn required(session: Option<Uuid>) -> SessionId {
    id(session.unwrap_or_else(|| {
        raise(Error::NullArgument {
            argument: "session_id",
        })
    }))
}

pub fn id(argument: Uuid) -> SessionId {
    SessionId::from_bytes(*argument.as_bytes())
}

pub fn uuid(id: SessionId) -> Uuid {
    Uuid::from_bytes(id.into_bytes())
}

/// Until when a function with this argument `timeout` waits. Raises 22023 for NULL and for a negative interval; `usual` is
/// one that makes sense.
pub fn deadline(timeout: Option<Interval>, usual: &'static str) -> Deadline {
    let Some(timeout) = timeout else {
        raise(Error::NullArgument {
            argument: "timeout",
        })
    };
    Deadline::after(&timeout).unwrap_or_else(|| {
        let text = timeout
            .into_datum()
            .map(|timeout| argument::output(timeout, pg_sys::INTERVALOID));
        raise(Error::BadOption {
            option: "timeout",
            value: String::from_utf8_lossy(&text.unwrap_or_default()).into_owned(),
            allowed: usual,
        })
    })
}
