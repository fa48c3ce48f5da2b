//! Direct access to a table and its indexes: no SPI, no executor, no privileges, no triggers.
//!
//! The extension's own tables are written and read this way. The write path reads with [`Read::Latest`]
//! (the server's `SnapshotSelf`: latest commits and the own changes, without predicate locks), since an
//! MVCC read would hide newer subscriptions from a REPEATABLE READ writer and give a SERIALIZABLE one
//! serialization failures that it would not get without us. Such a read of a row that is being replaced
//! by an UPDATE can miss both versions, so the rows that it looks for are only inserted and deleted.

use std::marker::PhantomData;

use pgrx::pg_sys::{self, Oid};

use super::raw;
use super::row::{MAX_COLUMNS, Row, RowId, Values};
use super::scan_key::Key;

/// The most columns that one of our indexes has.
const MAX_KEYS: usize = 4;

/// Which rows a scan sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// What has been committed by now, and the own changes.
    Latest,
    /// What the statement's snapshot sees.
    Statement,
    /// The same of a table whose rows are only inserted, without predicate locks: who reads what happens to be there does
    /// not want a SERIALIZABLE writer to fail for it. The own rows are seen, too.
    Inserted,
    /// What the server itself sees of its catalog.
    Catalog,
    /// As the latest, and what others have inserted and not committed yet.
    Uncommitted,
}

/// An open table. The lock is kept to the end of the transaction, as the server does for its tables, unless it is opened
/// to look.
pub struct Table {
    pub(super) relation: pg_sys::Relation,
    /// The lock that is released with it.
    released: u32,
}

impl Table {
    pub fn open_to_read(table: Oid) -> Self {
        Self::open(table, pg_sys::AccessShareLock)
    }

    /// To read it, without keeping anybody from emptying it afterwards.
    pub fn open_to_look(table: Oid) -> Self {
        let mut table = Self::open_to_read(table);
        table.released = pg_sys::AccessShareLock;
        table
    }

    pub fn open_to_write(table: Oid) -> Self {
        Self::open(table, pg_sys::RowExclusiveLock)
    }

    fn open(table: Oid, lock: u32) -> Self {
        // SAFETY: the server raises if the oid names no table.
        let relation = unsafe { pg_sys::table_open(table, lock as i32) };
        let table = Self {
            relation,
            released: pg_sys::NoLock,
        };
        // SAFETY: the relation is open.
        let natts = unsafe { (*(*relation).rd_att).natts };
        assert!(natts as usize <= MAX_COLUMNS, "our tables are narrow");
        table
    }

    /// Begins a scan of an index of the table, in index order, forward or backward.
    pub fn scan(&self, index: Oid, keys: &[Key], read: Read) -> Scan<'_> {
        assert!(keys.len() <= MAX_KEYS, "our indexes are narrow");
        // SAFETY: the active snapshot, which the caller's statement keeps.
        let active = || unsafe { pg_sys::GetActiveSnapshot() };
        let snapshot = match read {
            Read::Latest | Read::Inserted => &raw mut pg_sys::SnapshotSelfData,
            Read::Statement => active(),
            Read::Catalog => std::ptr::null_mut(),
            Read::Uncommitted => dirty_snapshot(),
        };
        // SAFETY: the index belongs to the table; the scan lives no longer than the borrowed table, and the
        // snapshot is either static, or the active one, or, for null, the catalog's, which the scan takes itself. The scan
        // copies the keys. Nothing inside has a destructor.
        let (index, descriptor) = unsafe {
            raw::guarded(|| {
                let mut scan_keys = [pg_sys::ScanKeyData::default(); MAX_KEYS];
                for (scan_key, key) in scan_keys.iter_mut().zip(keys) {
                    key.init(scan_key);
                }
                let index = raw::index_open(index, pg_sys::AccessShareLock as i32);
                let descriptor = raw::systable_beginscan_ordered(
                    self.relation,
                    index,
                    snapshot,
                    keys.len() as i32,
                    scan_keys.as_mut_ptr(),
                );
                (index, descriptor)
            })
        };
        Scan {
            relation: self.relation,
            index,
            descriptor,
            limited_to: (read == Read::Inserted).then(active),
            table: PhantomData,
        }
    }

    /// Deletes a row, after the transaction that is changing it, if one is. False if that has deleted it.
    pub fn delete(&self, row: RowId) -> bool {
        self.delete_row(row, true)
    }

    /// Deletes a row unless another transaction is changing it or has done so; waits for nobody. Says whether it has.
    pub fn delete_unless_busy(&self, row: RowId) -> bool {
        self.delete_row(row, false)
    }

    fn delete_row(&self, row: RowId, wait: bool) -> bool {
        let mut row = row.0;
        let mut failure = pg_sys::TM_FailureData::default();
        // SAFETY: the relation is open and a heap, and the row is one that a scan of it has just seen. Its result says
        // whether another transaction has been faster, which is as good.
        let result = unsafe {
            pg_sys::heap_delete(
                self.relation,
                &mut row,
                pg_sys::GetCurrentCommandId(true),
                std::ptr::null_mut(),
                wait,
                &mut failure,
                false,
            )
        };
        result == pg_sys::TM_Result::TM_Ok
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // After an ERROR the transaction's abort closes it; a second ERROR here would abort the process.
        if !std::thread::panicking() {
            // SAFETY: opened by us, closed once.
            unsafe { pg_sys::table_close(self.relation, self.released as i32) }
        }
    }
}

/// `SnapshotDirty`, into which a scan writes what it has met.
fn dirty_snapshot() -> pg_sys::Snapshot {
    thread_local! {
        static DIRTY: std::cell::Cell<pg_sys::Snapshot> = const { std::cell::Cell::new(std::ptr::null_mut()) };
    }
    if DIRTY.get().is_null() {
        // Zeros but for its kind, as InitDirtySnapshot leaves it; kept as long as the backend.
        DIRTY.set(Box::leak(Box::new(pg_sys::SnapshotData {
            snapshot_type: pg_sys::SnapshotType::SNAPSHOT_DIRTY,
            ..Default::default()
        })));
    }
    DIRTY.get()
}

/// A running index scan.
pub struct Scan<'table> {
    relation: pg_sys::Relation,
    index: pg_sys::Relation,
    descriptor: pg_sys::SysScanDesc,
    /// Rows that this snapshot does not see yet are passed over.
    limited_to: Option<pg_sys::Snapshot>,
    table: PhantomData<&'table Table>,
}

impl Scan<'_> {
    /// The next row in index order.
    pub fn next(&mut self) -> Option<Row<'_>> {
        self.fetch(pg_sys::ScanDirection::ForwardScanDirection)
    }

    /// The next row in reverse index order.
    pub fn next_back(&mut self) -> Option<Row<'_>> {
        self.fetch(pg_sys::ScanDirection::BackwardScanDirection)
    }

    fn fetch(&mut self, direction: pg_sys::ScanDirection::Type) -> Option<Row<'_>> {
        let mut tuple: pg_sys::HeapTuple = std::ptr::null_mut();
        let mut values = Values::nulls();
        // SAFETY: the scan is open, and the table has no more columns than the arrays, as `open` has seen; the tuple stays until the next
        // fetch, which the borrow excludes. Nothing inside has a destructor. The snapshot is the active one of the statement
        // that scans.
        unsafe {
            loop {
                raw::guarded(|| {
                    tuple = raw::systable_getnext_ordered(self.descriptor, direction);
                    if !tuple.is_null() {
                        raw::heap_deform_tuple(
                            tuple,
                            (*self.relation).rd_att,
                            values.values.as_mut_ptr(),
                            values.nulls.as_mut_ptr(),
                        );
                    }
                });
                if tuple.is_null() {
                    return None;
                }
                if self
                    .limited_to
                    .is_none_or(|snapshot| !super::catalog::is_inserted_after(tuple, snapshot))
                {
                    return Some(Row::new(tuple, values));
                }
            }
        }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: both were opened by us and are closed once.
            unsafe {
                raw::guarded(|| {
                    raw::systable_endscan_ordered(self.descriptor);
                    raw::index_close(self.index, pg_sys::AccessShareLock as i32);
                });
            }
        }
    }
}
