//! Rows of the server's catalog.

use pgrx::pg_sys::{self, HeapTuple, Oid, Snapshot, TupleDesc};

use super::raw;
use super::scan_key::Key;

/// What `read` takes of a row in the server's cache, if there is one.
///
/// # Safety
/// The row is null, or has just been found in a cache, and begins with this form.
pub unsafe fn cached<Form, T>(row: HeapTuple, read: impl FnOnce(&Form) -> T) -> Option<T> {
    if row.is_null() {
        return None;
    }
    // SAFETY: the caller's promise; the row stays until it is released.
    unsafe {
        let taken = read(&*pg_sys::GETSTRUCT(row).cast::<Form>());
        pg_sys::ReleaseSysCache(row);
        Some(taken)
    }
}

/// Whether the row was written by this transaction, so that no other one sees it yet.
///
/// # Safety
/// The row is valid.
pub unsafe fn is_own(row: HeapTuple) -> bool {
    // SAFETY: the caller's promise; the row is one of a table's, whose header has these fields.
    unsafe {
        let header = (*row).t_data;
        let is_committed = u32::from((*header).t_infomask) & pg_sys::HEAP_XMIN_COMMITTED != 0;
        !is_committed
            && pg_sys::TransactionIdIsCurrentTransactionId((*header).t_choice.t_heap.t_xmin)
    }
}

/// Whether the row, which has been committed or is this transaction's own, was inserted by a transaction that the snapshot
/// takes to be running or not to have begun.
///
/// # Safety
/// The row is one of a table's, and the snapshot an MVCC one.
pub unsafe fn is_inserted_after(row: HeapTuple, snapshot: Snapshot) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let header = (*row).t_data;
        let bits = u32::from((*header).t_infomask);
        let xmin = (*header).t_choice.t_heap.t_xmin;
        bits & pg_sys::HEAP_XMIN_FROZEN != pg_sys::HEAP_XMIN_FROZEN
            && !pg_sys::TransactionIdIsCurrentTransactionId(xmin)
            && pg_sys::XidInMVCCSnapshot(xmin, snapshot)
    }
}

/// Whether this transaction has created or altered a function, so that no other one sees it as it is.
pub fn is_own_function(function: Oid) -> bool {
    is_own_object(pg_sys::SysCacheIdentifier::PROCOID, function)
}

/// Whether this transaction has created or altered a relation, or granted something on it, so that no other one can
/// change its row.
pub fn is_own_relation(relation: Oid) -> bool {
    is_own_object(pg_sys::SysCacheIdentifier::RELOID, relation)
}

fn is_own_object(cache: pg_sys::SysCacheIdentifier::Type, oid: Oid) -> bool {
    // SAFETY: a row that is found stays until it is released.
    unsafe {
        let row = pg_sys::SearchSysCache1(cache as i32, oid.into());
        if row.is_null() {
            return false;
        }
        let is_own = is_own(row);
        pg_sys::ReleaseSysCache(row);
        is_own
    }
}

/// What `read` takes of the rows of a catalog with this oid in this column, with which the index begins; null reads as the
/// server itself does.
///
/// # Safety
/// The index is the catalog's; the snapshot is null, or stays meanwhile. What is read does not point into the row.
pub unsafe fn rows<T>(
    catalog: Oid,
    index: u32,
    column: u32,
    value: Oid,
    snapshot: Snapshot,
    read: impl Fn(HeapTuple, TupleDesc) -> T,
) -> Vec<T> {
    let key = Key::oid(column as i16, value);
    let mut keys = [pg_sys::ScanKeyData::default()];
    let mut rows = Vec::new();
    // SAFETY: the caller's promise; what is opened is closed below, and a tuple is read before the next is fetched.
    unsafe {
        raw::guarded(|| key.init(&mut keys[0]));
        let open = pg_sys::table_open(catalog, pg_sys::AccessShareLock as i32);
        let index = Oid::from_u32(index);
        let scan = pg_sys::systable_beginscan(open, index, true, snapshot, 1, keys.as_mut_ptr());
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            rows.push(read(tuple, (*open).rd_att));
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(open, pg_sys::AccessShareLock as i32);
    }
    rows
}
