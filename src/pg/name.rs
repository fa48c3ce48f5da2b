//! Names of relations and functions: from names to oids, and as SQL writes them.

use std::ffi::{CStr, CString};

use pgrx::pg_sys::{self, Datum, Oid};

use super::bytes::c_string;
use super::pinned::PinnedSettings;
use super::{catalog, compat};

/// The oid of the relation that a name means under the caller's search_path.
///
/// The name is written as in SQL, `person` or `"My Schema"."T"`; raises if it is no name.
pub fn resolve(name: &str) -> Option<Oid> {
    let name = CString::new(name).ok()?;
    // SAFETY: the string is NUL-terminated; the lists are the server's own.
    let oid = unsafe {
        let names = compat::string_to_qualified_name_list(name.as_ptr());
        let range = pg_sys::makeRangeVarFromNameList(names);
        pg_sys::RangeVarGetRelidExtended(
            range,
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    };
    (oid != Oid::INVALID).then_some(oid)
}

/// The oid of the relation with these exact names. Raises without USAGE on the schema.
pub fn resolve_exact(schema: &str, name: &str) -> Option<Oid> {
    let (schema, name) = (CString::new(schema).ok()?, CString::new(name).ok()?);
    // SAFETY: the strings are NUL-terminated.
    let oid = unsafe {
        let schema = pg_sys::LookupExplicitNamespace(schema.as_ptr(), true);
        if schema == Oid::INVALID {
            return None;
        }
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    (oid != Oid::INVALID).then_some(oid)
}

/// The oid of a table or index that belongs to the extension.
pub fn of_extension(schema: &CStr, name: &CStr) -> Option<Oid> {
    // SAFETY: the strings are NUL-terminated.
    let oid = unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    (oid != Oid::INVALID).then_some(oid)
}

/// The oid of the type that a relation's rows have.
pub fn row_type(relation: Oid) -> Oid {
    // SAFETY: a plain value.
    unsafe { pg_sys::get_rel_type_id(relation) }
}

/// The oid of this extension's row in pg_extension, if it is installed.
pub fn extension() -> Option<Oid> {
    // SAFETY: the string is NUL-terminated.
    let oid = unsafe { pg_sys::get_extension_oid(c"pg_reldiff".as_ptr(), true) };
    (oid != Oid::INVALID).then_some(oid)
}

/// The oid of a function without arguments, such as a trigger's. Asks for no privilege: a writer need not have any on
/// our schema.
pub fn trigger_function(schema: &CStr, name: &CStr) -> Option<Oid> {
    // SAFETY: the strings are NUL-terminated; a row of pg_proc begins with its form.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        let row = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            Datum::from(name.as_ptr()),
            Datum::from(pg_sys::buildoidvector(std::ptr::null(), 0)),
            schema.into(),
        );
        catalog::cached(row, |form: &pg_sys::FormData_pg_proc| form.oid)
    }
}

/// `schema.name` as SQL writes it, each quoted where it needs it, whatever the writer's settings are.
pub fn qualified(schema: &[u8], name: &[u8]) -> Vec<u8> {
    let _pinned = PinnedSettings::new();
    // SAFETY: the strings are NUL-terminated.
    unsafe {
        c_string(pg_sys::quote_qualified_identifier(
            c_text(schema).as_ptr(),
            c_text(name).as_ptr(),
        ))
    }
}

/// A name as SQL writes it, quoted where it needs it.
pub fn quoted(name: &[u8]) -> String {
    // SAFETY: the string is NUL-terminated.
    let quoted = unsafe { c_string(pg_sys::quote_identifier(c_text(name).as_ptr())) };
    String::from_utf8_lossy(&quoted).into_owned()
}

fn c_text(bytes: &[u8]) -> CString {
    CString::new(bytes).expect("a name holds no NUL")
}
