//! What differs between the supported majors: every `#[cfg(feature = "pgNN")]` stands here, behind a
//! function with the newest server's name and shape.

use pgrx::pg_sys;

/// `TupleDescAttr`: attribute `at`, counted from 0.
///
/// # Safety
/// The descriptor is valid and `at` is below its number of attributes.
pub unsafe fn tuple_desc_attr<'a>(
    descriptor: pg_sys::TupleDesc,
    at: usize,
) -> &'a pg_sys::FormData_pg_attribute {
    #[cfg(feature = "pg18")]
    // SAFETY: the caller's promise.
    unsafe {
        &*pg_sys::TupleDescAttr(descriptor, at as i32)
    }
    #[cfg(not(feature = "pg18"))]
    // SAFETY: the caller's promise; the attributes follow the descriptor in one array.
    unsafe {
        &*(*descriptor).attrs.as_ptr().add(at)
    }
}

/// `stringToQualifiedNameList`: raises for text that is no name.
///
/// # Safety
/// The text is NUL-terminated.
pub unsafe fn string_to_qualified_name_list(text: *const std::ffi::c_char) -> *mut pg_sys::List {
    #[cfg(not(feature = "pg15"))]
    // SAFETY: the caller's promise; without an error context the function raises.
    unsafe {
        pg_sys::stringToQualifiedNameList(text, std::ptr::null_mut())
    }
    #[cfg(feature = "pg15")]
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::stringToQualifiedNameList(text)
    }
}

/// Whether the column is a virtual generated one, which has no stored value.
pub fn is_virtual(attribute: &pg_sys::FormData_pg_attribute) -> bool {
    attribute.attgenerated as u8 == b'v'
}

/// `ACL_SELECT`; privileges have 64 bits from 16 on.
#[cfg(feature = "pg15")]
pub const ACL_SELECT: pg_sys::AclMode = pg_sys::ACL_SELECT;
#[cfg(not(feature = "pg15"))]
pub const ACL_SELECT: pg_sys::AclMode = pg_sys::ACL_SELECT as pg_sys::AclMode;
