//! The canonical text form of a value: what its type's output function prints under pinned settings.
//! The caller holds [`super::pinned::PinnedSettings`].

use pgrx::pg_sys::{self, Datum, Oid};

use super::{argument, catalog, pinned, subtransaction};

/// How an output function may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The server's own, whose result depends on the pinned variables at most.
    Plain,
    /// The server's own, which prints names as the search_path shows them, or money, or may do so in a part.
    SearchPath,
    /// An enum's label.
    Label,
    /// Anybody's: it may raise or depend on anything, so it gets a subtransaction and a search_path.
    Foreign,
}

/// How the output function of this type may be called.
pub fn trust(kind: Oid) -> Trust {
    // SAFETY: a plain value; a domain's output function is that of its base type.
    let kind = unsafe { pg_sys::getBaseType(kind) };
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
        // The server's own types; arrays and rows print their parts, of which none is anybody else's.
        _ if kind.to_u32() < pg_sys::FirstNormalObjectId => {
            // SAFETY: plain values.
            let (element, is_row) = unsafe {
                (
                    pg_sys::get_element_type(kind),
                    pg_sys::type_is_rowtype(kind),
                )
            };
            match element {
                Oid::INVALID if is_row => Trust::SearchPath,
                Oid::INVALID => Trust::Plain,
                element => trust(element),
            }
        }
        // SAFETY: a plain value.
        _ if unsafe { pg_sys::type_is_enum(kind) } => Trust::Label,
        _ => Trust::Foreign,
    }
}

/// The text form of a value of this type; `None` if a foreign output function raises, or for an enum's value that has
/// lost its label.
pub fn canonical(value: Datum, kind: Oid, trust: Trust) -> Option<Vec<u8>> {
    match trust {
        Trust::Plain => Some(argument::output(value, kind)),
        Trust::SearchPath => Some(pinned::with_search_path(|| argument::output(value, kind))),
        Trust::Label => label(value),
        Trust::Foreign => {
            subtransaction::catch(|| pinned::with_search_path(|| argument::output(value, kind)))
        }
    }
}

/// The label of an enum's value. The output function of enums raises for one whose row in pg_enum somebody has deleted.
fn label(value: Datum) -> Option<Vec<u8>> {
    // SAFETY: an enum's value is an oid; a row of pg_enum begins with its form, whose label is a name.
    unsafe {
        let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::ENUMOID as i32, value);
        catalog::cached(row, |form: &pg_sys::FormData_pg_enum| {
            super::bytes::c_string(form.enumlabel.data.as_ptr())
        })
    }
}
