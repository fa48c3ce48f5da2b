//! The canonical text form of a value: what its type's output function prints under pinned settings.
//! The caller holds [`super::pinned::PinnedSettings`].

use pgrx::pg_sys::{self, Datum, Oid};

use super::{argument, pinned, subtransaction};

/// How an output function may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The server's own, whose result depends on the pinned variables at most.
    Plain,
    /// The server's own, which prints names as the search_path shows them, or money.
    SearchPath,
    /// Anybody's: it may raise or depend on anything, so it gets a subtransaction and a search_path.
    Foreign,
}

/// How the output function of this type may be called.
pub fn trust(kind: Oid) -> Trust {
    match kind {
        pg_sys::REGPROCOID
        | pg_sys::REGPROCEDUREOID
        | pg_sys::REGOPEROID
        | pg_sys::REGOPERATOROID
        | pg_sys::REGCLASSOID
        | pg_sys::REGTYPEOID
        | pg_sys::REGCONFIGOID
        | pg_sys::REGDICTIONARYOID
        | pg_sys::REGCOLLATIONOID
        | pg_sys::MONEYOID => Trust::SearchPath,
        // The server's own types, and enums, whose output is the server's.
        _ if kind.to_u32() < pg_sys::FirstNormalObjectId => Trust::Plain,
        // SAFETY: a plain value.
        _ if unsafe { pg_sys::type_is_enum(kind) } => Trust::Plain,
        _ => Trust::Foreign,
    }
}

/// The text form of a value of this type; `None` if a foreign output function raises.
pub fn canonical(value: Datum, kind: Oid, trust: Trust) -> Option<Vec<u8>> {
    match trust {
        Trust::Plain => Some(argument::output(value, kind)),
        Trust::SearchPath => Some(pinned::with_search_path(|| argument::output(value, kind))),
        Trust::Foreign => {
            subtransaction::catch(|| pinned::with_search_path(|| argument::output(value, kind)))
        }
    }
}
