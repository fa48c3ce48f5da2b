//! Functions of the server that every commit or every row calls, without pgrx's front around each: that costs more than many
//! of them do.
//!
//! 1. Those that can raise do so by `longjmp`. Several are called inside one [`guarded`], which turns what is raised into a
//!    panic that runs destructors: so there is nothing with a destructor, and nothing that panics, inside it.
//! 2. Those that cannot raise have a safe front each, and need no guard.

use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::{c_char, c_int, c_void};

type LockMode = c_int;

unsafe extern "C-unwind" {
    // access/genam.h
    pub fn index_open(index: Oid, mode: LockMode) -> pg_sys::Relation;
    pub fn index_close(index: pg_sys::Relation, mode: LockMode);
    pub fn index_insert(
        index: pg_sys::Relation,
        values: *mut Datum,
        nulls: *mut bool,
        row: pg_sys::ItemPointer,
        table: pg_sys::Relation,
        check: pg_sys::IndexUniqueCheck::Type,
        is_unchanged: bool,
        info: *mut pg_sys::IndexInfo,
    ) -> bool;
    pub fn systable_beginscan_ordered(
        table: pg_sys::Relation,
        index: pg_sys::Relation,
        snapshot: pg_sys::Snapshot,
        key_count: c_int,
        keys: pg_sys::ScanKey,
    ) -> pg_sys::SysScanDesc;
    pub fn systable_getnext_ordered(
        scan: pg_sys::SysScanDesc,
        direction: pg_sys::ScanDirection::Type,
    ) -> pg_sys::HeapTuple;
    pub fn systable_endscan_ordered(scan: pg_sys::SysScanDesc);
    // access/skey.h
    pub fn ScanKeyInit(
        key: pg_sys::ScanKey,
        column: pg_sys::AttrNumber,
        strategy: pg_sys::StrategyNumber,
        procedure: pg_sys::RegProcedure,
        value: Datum,
    );
    // access/heapam.h
    pub fn simple_heap_insert(table: pg_sys::Relation, row: pg_sys::HeapTuple);
    // access/htup_details.h
    pub fn heap_form_tuple(
        descriptor: pg_sys::TupleDesc,
        values: *const Datum,
        nulls: *const bool,
    ) -> pg_sys::HeapTuple;
    pub fn heap_deform_tuple(
        row: pg_sys::HeapTuple,
        descriptor: pg_sys::TupleDesc,
        values: *mut Datum,
        nulls: *mut bool,
    );
    pub fn heap_freetuple(row: pg_sys::HeapTuple);
    pub fn heap_attisnull(
        row: pg_sys::HeapTuple,
        attribute: c_int,
        descriptor: pg_sys::TupleDesc,
    ) -> bool;
    // executor/tuptable.h
    fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, attributes: c_int);
    // nodes/pg_list.h
    pub fn list_free(list: *mut pg_sys::List);
    // nodes/read.h
    pub fn stringToNode(text: *const c_char) -> *mut c_void;
    // storage/lock.h
    pub fn LockAcquire(
        tag: *const pg_sys::LOCKTAG,
        mode: LockMode,
        for_session: bool,
        or_not: bool,
    ) -> pg_sys::LockAcquireResult::Type;
    // storage/lmgr.h
    pub fn ConditionalLockRelationOid(relation: Oid, mode: LockMode) -> bool;
    // utils/builtins.h
    pub fn text_to_cstring(text: *const pg_sys::text) -> *mut c_char;
    // utils/inval.h
    pub fn AcceptInvalidationMessages();
    // utils/palloc.h
    pub fn pfree(pointer: *mut c_void);
    // utils/relcache.h
    pub fn RelationGetIndexList(table: pg_sys::Relation) -> *mut pg_sys::List;
    // utils/syscache.h
    pub fn SysCacheGetAttr(
        cache: c_int,
        row: pg_sys::HeapTuple,
        attribute: pg_sys::AttrNumber,
        is_null: *mut bool,
    ) -> Datum;

    // access/xact.h
    fn GetCurrentTransactionNestLevel() -> c_int;
    // access/xlog.h
    fn GetXLogInsertRecPtr() -> u64;
    // common/pg_prng.h
    fn pg_prng_uint32(state: *mut c_void) -> u32;
    // utils/timestamp.h
    fn GetCurrentTimestamp() -> i64;
}

/// Runs what calls functions of the server that can raise.
///
/// # Safety
/// Nothing inside has a destructor or panics.
#[inline]
pub unsafe fn guarded<T>(body: impl FnOnce() -> T) -> T {
    // SAFETY: the caller's promise.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(body) }
}

/// As the server's, which it has as an inline function.
///
/// # Safety
/// The slot holds a tuple; the caller is guarded.
#[inline]
pub unsafe fn slot_getallattrs(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: the caller's promise.
    unsafe {
        let natts = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < natts {
            slot_getsomeattrs_int(slot, natts);
        }
    }
}

/// As `GetCurrentTransactionNestLevel`.
#[inline]
pub fn nest_level() -> i32 {
    // SAFETY: reads a variable of the backend.
    unsafe { GetCurrentTransactionNestLevel() }
}

/// As `GetXLogInsertRecPtr`.
#[inline]
pub fn wal_position() -> u64 {
    // SAFETY: reads shared memory.
    unsafe { GetXLogInsertRecPtr() }
}

/// As `GetCurrentTimestamp`.
#[inline]
pub fn clock() -> i64 {
    // SAFETY: reads the clock.
    unsafe { GetCurrentTimestamp() }
}

/// The next number of the backend's own generator.
#[inline]
pub fn random_number() -> u32 {
    // SAFETY: the generator's state is the backend's own, seeded when it started.
    unsafe { pg_prng_uint32((&raw mut pg_sys::pg_global_prng_state).cast()) }
}
