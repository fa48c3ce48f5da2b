//! What differs between the supported majors: every `#[cfg(feature = "pgNN")]` stands here, behind a
//! function with the newest server's name and shape.

use pgrx::pg_sys;

use super::row::RowId;

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

/// The length in bytes of attribute `at`, counted from 0: negative if its values differ in it.
///
/// # Safety
/// The descriptor is valid and `at` is below its number of attributes.
pub unsafe fn attribute_length(descriptor: pg_sys::TupleDesc, at: usize) -> i16 {
    #[cfg(feature = "pg18")]
    // SAFETY: the caller's promise; as the server reads it, without a call.
    unsafe {
        (*(*descriptor).compact_attrs.as_ptr().add(at)).attlen
    }
    #[cfg(not(feature = "pg18"))]
    // SAFETY: the caller's promise.
    unsafe {
        tuple_desc_attr(descriptor, at).attlen
    }
}

/// `simple_heap_update`: replaces the row by this tuple, which is told where it stands. Raises if another transaction has changed it.
///
/// # Safety
/// The table is open, the row is one of it, and the tuple has been formed for it.
pub unsafe fn simple_heap_update(table: pg_sys::Relation, row: RowId, tuple: pg_sys::HeapTuple) {
    let mut row = row.0;
    #[cfg(not(feature = "pg15"))]
    // SAFETY: the caller's promise. Which indexes need an entry is in the tuple, too.
    unsafe {
        let mut indexes = pg_sys::TU_UpdateIndexes::TU_None;
        pg_sys::simple_heap_update(table, &mut row, tuple, &mut indexes);
    }
    #[cfg(feature = "pg15")]
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::simple_heap_update(table, &mut row, tuple);
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

/// `object_aclcheck` for a schema: whether the role has USAGE on it.
pub fn may_use_schema(role: pg_sys::Oid, schema: pg_sys::Oid) -> bool {
    let usage = pg_sys::ACL_USAGE;
    #[cfg(feature = "pg15")]
    // SAFETY: plain values.
    let result = unsafe { pg_sys::pg_namespace_aclcheck(schema, role, usage) };
    #[cfg(not(feature = "pg15"))]
    // SAFETY: plain values.
    let result = unsafe {
        pg_sys::object_aclcheck(
            pg_sys::NamespaceRelationId,
            schema,
            role,
            pg_sys::AclMode::from(usage),
        )
    };
    result == pg_sys::AclResult::ACLCHECK_OK
}

/// `WaitEventExtensionNew`: the number under which the server's views show this name. Without such names, before 17 or
/// when there are too many of them, the number of all extensions.
pub fn wait_event(name: &'static std::ffi::CStr) -> u32 {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: NUL-terminated, and copied. It can raise, in which case the subtransaction releases its lock.
    let number =
        super::subtransaction::catch(|| unsafe { pg_sys::WaitEventExtensionNew(name.as_ptr()) });
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    let (number, _) = (None, name);
    number.unwrap_or(pg_sys::PG_WAIT_EXTENSION)
}

/// `LockHeldByMe`: whether the transaction has this very lock.
///
/// # Safety
/// A valid tag and mode.
pub unsafe fn lock_held_by_me(tag: &pg_sys::LOCKTAG, mode: pg_sys::LOCKMODE) -> bool {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::LockHeldByMe(tag, mode, false)
    }
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::LockHeldByMe(tag, mode)
    }
}

#[cfg(any(feature = "pg17", feature = "pg18"))]
unsafe extern "C" {
    // commands/async.h
    static max_notify_queue_pages: std::ffi::c_int;
}

/// How many bytes the server's notification queue has.
pub fn notify_queue_bytes() -> f64 {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: a setting that cannot change while the server runs.
    let pages = unsafe { max_notify_queue_pages };
    // QUEUE_MAX_PAGE / 2 of older servers.
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    let pages = 1 << 20;
    f64::from(pages) * f64::from(pg_sys::BLCKSZ)
}

/// `pqsignal(SIGTERM, die)`: a background process that is told to end does so where interrupts are looked for.
pub fn die_at_termination() {
    // SAFETY: the handler is the server's own.
    unsafe {
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(super::ffi::die));
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(super::ffi::die));
    }
}

/// `vxid`: which virtual transaction holds a lock.
pub fn vxid(lock: &pg_sys::LockInstanceData) -> (i32, u32) {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    return (lock.vxid.procNumber, lock.vxid.localTransactionId);
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    (lock.backend, lock.lxid)
}

/// `transaction_timeout` in milliseconds; 0 for none, as before 17.
pub fn transaction_timeout() -> i32 {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: a setting's variable.
    let milliseconds = unsafe { pg_sys::TransactionTimeout };
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    let milliseconds = 0;
    milliseconds
}
