//! Direct access to a table and its indexes: no SPI, no executor, no privileges, no triggers.
//!
//! The extension's own tables are written and read this way. The write path reads with [`Read::Latest`]
//! (the server's `SnapshotSelf`: latest commits and the own changes, without predicate locks), since an
//! MVCC read would hide newer subscriptions from a REPEATABLE READ writer and give a SERIALIZABLE one
//! serialization failures that it would not get without us. Such a read of a row that is being replaced
//! by an UPDATE can miss both versions, so the rows that it looks for are only inserted and deleted.

use std::marker::PhantomData;

use pgrx::pg_sys::{self, Datum, Oid};

/// The most columns that one of our tables has.
const MAX_COLUMNS: usize = 16;

/// Rows that one heap insert takes at a time, as COPY does.
const BATCH: usize = 1000;

/// Which rows a scan sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// What has been committed by now, and the own changes.
    Latest,
    /// What the statement's snapshot sees.
    Statement,
}

/// An open table. The lock is kept to the end of the transaction, as the server does for its tables.
pub struct Table {
    relation: pg_sys::Relation,
}

impl Table {
    pub fn open_to_read(table: Oid) -> Self {
        Self::open(table, pg_sys::AccessShareLock)
    }

    pub fn open_to_write(table: Oid) -> Self {
        Self::open(table, pg_sys::RowExclusiveLock)
    }

    fn open(table: Oid, lock: u32) -> Self {
        // SAFETY: the server raises if the oid names no table.
        let relation = unsafe { pg_sys::table_open(table, lock as i32) };
        Self { relation }
    }

    /// Begins a scan of an index of the table, in index order, forward or backward.
    pub fn scan(&self, index: Oid, keys: &[Key], read: Read) -> Scan<'_> {
        let mut scan_keys: Vec<pg_sys::ScanKeyData> = keys.iter().map(Key::scan_key).collect();
        // SAFETY: the index belongs to the table; the scan lives no longer than the borrowed table, and the
        // snapshot is either static or the active one, which the caller's statement keeps. The scan copies
        // the keys.
        unsafe {
            let index = pg_sys::index_open(index, pg_sys::AccessShareLock as i32);
            let snapshot = match read {
                Read::Latest => &raw mut pg_sys::SnapshotSelfData,
                Read::Statement => pg_sys::GetActiveSnapshot(),
            };
            let descriptor = pg_sys::systable_beginscan_ordered(
                self.relation,
                index,
                snapshot,
                scan_keys.len() as i32,
                scan_keys.as_mut_ptr(),
            );
            Scan {
                relation: self.relation,
                index,
                descriptor,
                table: PhantomData,
            }
        }
    }

    /// Begins an insert of one or many rows.
    pub fn insert(&self) -> Insert<'_> {
        // SAFETY: the relation is open; the list is ours, and an index's form stays while it is open. Our
        // indexes have plain columns and no predicate.
        let indexes = unsafe {
            let list = pgrx::PgList::<Oid>::from_pg(pg_sys::RelationGetIndexList(self.relation));
            let indexes = list.iter_oid().map(|index| {
                let index = pg_sys::index_open(index, pg_sys::RowExclusiveLock as i32);
                let form = &*(*index).rd_index;
                Index {
                    relation: index,
                    columns: form
                        .indkey
                        .values
                        .as_slice(form.indnkeyatts as usize)
                        .to_vec(),
                    unique: if form.indisunique {
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
                    } else {
                        pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
                    },
                }
            });
            indexes.collect()
        };
        Insert {
            relation: self.relation,
            indexes,
            rows: Vec::new(),
            slots: Vec::new(),
            table: PhantomData,
        }
    }

    /// Inserts one row.
    pub fn insert_row(&self, values: &[Option<Datum>]) {
        let mut insert = self.insert();
        insert.row(values);
        insert.end();
    }

    /// Replaces a row that this transaction is the only one to change.
    pub fn replace(&self, row: RowId, values: &[Option<Datum>]) {
        let (mut row, mut values) = (row.0, Values::of(values));
        // SAFETY: the relation is open, the arrays have a value for each column.
        unsafe {
            let tuple = pg_sys::heap_form_tuple(
                (*self.relation).rd_att,
                values.values.as_mut_ptr(),
                values.nulls.as_mut_ptr(),
            );
            pg_sys::CatalogTupleUpdate(self.relation, &mut row, tuple);
        }
    }

    /// Deletes a row that this transaction is the only one to change.
    pub fn delete(&self, row: RowId) {
        let mut row = row.0;
        // SAFETY: the relation is open.
        unsafe { pg_sys::CatalogTupleDelete(self.relation, &mut row) }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // After an ERROR the transaction's abort closes it; a second ERROR here would abort the process.
        if !std::thread::panicking() {
            // SAFETY: opened by us, closed once.
            unsafe { pg_sys::table_close(self.relation, pg_sys::NoLock as i32) }
        }
    }
}

/// Where a row stands in its table.
#[derive(Clone, Copy)]
pub struct RowId(pg_sys::ItemPointerData);

/// One condition of an index scan, on a column of the table that the index contains.
pub struct Key {
    column: i16,
    strategy: u32,
    procedure: u32,
    value: Datum,
}

impl Key {
    pub fn oid(column: i16, value: Oid) -> Self {
        Self::new(
            column,
            pg_sys::BTEqualStrategyNumber,
            pg_sys::F_OIDEQ,
            value.into(),
        )
    }

    pub fn int8(column: i16, value: i64) -> Self {
        Self::new(
            column,
            pg_sys::BTEqualStrategyNumber,
            pg_sys::F_INT8EQ,
            value.into(),
        )
    }

    pub fn int4(column: i16, value: i32) -> Self {
        Self::new(
            column,
            pg_sys::BTEqualStrategyNumber,
            pg_sys::F_INT4EQ,
            value.into(),
        )
    }

    pub fn int8_at_least(column: i16, value: i64) -> Self {
        Self::new(
            column,
            pg_sys::BTGreaterEqualStrategyNumber,
            pg_sys::F_INT8GE,
            value.into(),
        )
    }

    pub fn int4_at_least(column: i16, value: i32) -> Self {
        Self::new(
            column,
            pg_sys::BTGreaterEqualStrategyNumber,
            pg_sys::F_INT4GE,
            value.into(),
        )
    }

    pub fn uuid(column: i16, value: uuid::Uuid) -> Self {
        Self::new(
            column,
            pg_sys::BTEqualStrategyNumber,
            pg_sys::F_UUID_EQ,
            uuid(value),
        )
    }

    pub fn lsn(column: i16, value: u64) -> Self {
        Self::new(
            column,
            pg_sys::BTEqualStrategyNumber,
            pg_sys::F_PG_LSN_EQ,
            unsigned(value),
        )
    }

    pub fn lsn_at_least(column: i16, value: u64) -> Self {
        Self::new(
            column,
            pg_sys::BTGreaterEqualStrategyNumber,
            pg_sys::F_PG_LSN_GE,
            unsigned(value),
        )
    }

    pub fn xid8(column: i16, value: u64) -> Self {
        Self::new(
            column,
            pg_sys::BTEqualStrategyNumber,
            pg_sys::F_XID8EQ,
            unsigned(value),
        )
    }

    pub fn xid8_at_least(column: i16, value: u64) -> Self {
        Self::new(
            column,
            pg_sys::BTGreaterEqualStrategyNumber,
            pg_sys::F_XID8GE,
            unsigned(value),
        )
    }

    fn new(column: i16, strategy: u32, procedure: u32, value: Datum) -> Self {
        Self {
            column,
            strategy,
            procedure,
            value,
        }
    }

    fn scan_key(&self) -> pg_sys::ScanKeyData {
        let mut scan_key = pg_sys::ScanKeyData::default();
        // SAFETY: a built-in comparison function whose second argument has the value's type.
        unsafe {
            pg_sys::ScanKeyInit(
                &mut scan_key,
                self.column,
                self.strategy as u16,
                Oid::from_u32(self.procedure),
                self.value,
            );
        }
        scan_key
    }
}

/// A running index scan.
pub struct Scan<'table> {
    relation: pg_sys::Relation,
    index: pg_sys::Relation,
    descriptor: pg_sys::SysScanDesc,
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
        // SAFETY: the scan is open; the tuple stays until the next fetch, which the borrow excludes.
        unsafe {
            let tuple = pg_sys::systable_getnext_ordered(self.descriptor, direction);
            if tuple.is_null() {
                return None;
            }
            let mut row = Row {
                id: RowId((*tuple).t_self),
                values: [Datum::null(); MAX_COLUMNS],
                nulls: [true; MAX_COLUMNS],
                scan: PhantomData,
            };
            let descriptor = (*self.relation).rd_att;
            assert!(
                (*descriptor).natts as usize <= MAX_COLUMNS,
                "our tables are narrow"
            );
            pg_sys::heap_deform_tuple(
                tuple,
                descriptor,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
            Some(row)
        }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: both were opened by us and are closed once.
            unsafe {
                pg_sys::systable_endscan_ordered(self.descriptor);
                pg_sys::index_close(self.index, pg_sys::AccessShareLock as i32);
            }
        }
    }
}

/// A row of a scan. Columns are counted from 1, as in `sql/tables.sql`. Reading a column as another type
/// than it has is a bug of the caller that the types below cannot exclude, so each is read in one place.
pub struct Row<'scan> {
    pub id: RowId,
    values: [Datum; MAX_COLUMNS],
    nulls: [bool; MAX_COLUMNS],
    scan: PhantomData<&'scan ()>,
}

impl Row<'_> {
    fn datum(&self, column: i16) -> Option<Datum> {
        let at = column as usize - 1;
        (!self.nulls[at]).then_some(self.values[at])
    }

    fn required(&self, column: i16) -> Datum {
        self.datum(column)
            .expect("a NOT NULL column of our own tables")
    }

    pub fn int2(&self, column: i16) -> i16 {
        self.required(column).value() as i16
    }

    pub fn int4(&self, column: i16) -> i32 {
        self.required(column).value() as i32
    }

    pub fn int8(&self, column: i16) -> i64 {
        self.required(column).value() as i64
    }

    /// A `pg_lsn` or `xid8`; `None` for NULL.
    pub fn unsigned(&self, column: i16) -> Option<u64> {
        self.datum(column).map(|datum| datum.value() as u64)
    }

    pub fn oid(&self, column: i16) -> Oid {
        Oid::from_u32(self.required(column).value() as u32)
    }

    pub fn uuid(&self, column: i16) -> uuid::Uuid {
        // SAFETY: a uuid's datum points to its sixteen bytes, which stay as long as the row.
        uuid::Uuid::from_bytes(unsafe { *self.required(column).cast_mut_ptr::<[u8; 16]>() })
    }

    /// The bytes of a `text` or `bytea`; `None` for NULL.
    pub fn bytes(&self, column: i16) -> Option<Vec<u8>> {
        // SAFETY: a varlena's datum; the copy is detoasted.
        self.datum(column)
            .map(|datum| unsafe { super::bytes::varlena(datum) })
    }

    /// A `text` that we wrote ourselves from a string.
    pub fn text(&self, column: i16) -> Option<String> {
        self.bytes(column)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A `text[]` without nulls.
    pub fn texts(&self, column: i16) -> Vec<Vec<u8>> {
        // SAFETY: a text[] datum.
        unsafe { super::bytes::text_array(self.required(column)) }
    }
}

/// The values of one row in the form that the server takes.
struct Values {
    values: [Datum; MAX_COLUMNS],
    nulls: [bool; MAX_COLUMNS],
}

impl Values {
    fn of(values: &[Option<Datum>]) -> Self {
        let mut row = Self {
            values: [Datum::null(); MAX_COLUMNS],
            nulls: [true; MAX_COLUMNS],
        };
        for (at, value) in values.iter().enumerate() {
            if let Some(value) = value {
                row.values[at] = *value;
                row.nulls[at] = false;
            }
        }
        row
    }
}

/// An index that gets an entry for each row.
struct Index {
    relation: pg_sys::Relation,
    /// The table's columns, in index order.
    columns: Vec<i16>,
    unique: pg_sys::IndexUniqueCheck::Type,
}

/// A running insert. Rows are written in batches, so it has to be ended.
///
/// This is what the server's `CatalogTuplesMultiInsertWithInfo` does, without what it pays for each call: the
/// expressions and predicates that an index may have, and a slot for each row of an index.
#[must_use]
pub struct Insert<'table> {
    relation: pg_sys::Relation,
    indexes: Vec<Index>,
    rows: Vec<(Values, pg_sys::HeapTuple)>,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    table: PhantomData<&'table Table>,
}

impl Insert<'_> {
    /// Adds a row. Values that are in an index and not passed by value have to stay until the insert ends.
    pub fn row(&mut self, values: &[Option<Datum>]) {
        let mut row = Values::of(values);
        // SAFETY: the relation is open and the arrays have a value for each of its columns, of its type.
        let tuple = unsafe {
            let descriptor = (*self.relation).rd_att;
            assert_eq!(
                (*descriptor).natts as usize,
                values.len(),
                "a value for each column"
            );
            pg_sys::heap_form_tuple(descriptor, row.values.as_mut_ptr(), row.nulls.as_mut_ptr())
        };
        self.rows.push((row, tuple));
        if self.rows.len() == BATCH {
            self.flush();
        }
    }

    /// Writes what is left and closes the indexes, whose locks are kept.
    pub fn end(mut self) {
        self.flush();
        // SAFETY: the slots and the indexes are ours and are not used again.
        unsafe {
            for &slot in &self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
            for index in &self.indexes {
                pg_sys::index_close(index.relation, pg_sys::NoLock as i32);
            }
        }
    }

    fn flush(&mut self) {
        match self.rows.as_slice() {
            [] => return,
            // SAFETY: the tuple is one of the open relation.
            [(_, tuple)] => unsafe { pg_sys::simple_heap_insert(self.relation, *tuple) },
            _ => self.insert_batch(),
        }
        for (values, tuple) in &self.rows {
            for index in &self.indexes {
                let mut keys = Values {
                    values: [Datum::null(); MAX_COLUMNS],
                    nulls: [true; MAX_COLUMNS],
                };
                for (at, &column) in index.columns.iter().enumerate() {
                    keys.values[at] = values.values[column as usize - 1];
                    keys.nulls[at] = values.nulls[column as usize - 1];
                }
                // SAFETY: the tuple has been stored, so that it knows its place; the arrays have a value for
                // each column of the index, which is a B-tree and has no use for the index's description.
                unsafe {
                    pg_sys::index_insert(
                        index.relation,
                        keys.values.as_mut_ptr(),
                        keys.nulls.as_mut_ptr(),
                        &mut (**tuple).t_self,
                        self.relation,
                        index.unique,
                        false,
                        std::ptr::null_mut(),
                    );
                }
            }
        }
        for (_, tuple) in self.rows.drain(..) {
            // SAFETY: formed by us, and not used again.
            unsafe { pg_sys::heap_freetuple(tuple) }
        }
    }

    /// Stores all rows with one call, which fills page after page with one WAL record each.
    fn insert_batch(&mut self) {
        // SAFETY: each slot was made for the open relation's descriptor and refers to one of its tuples, which
        // stays ours. The insert tells the slots, and so we the tuples, where they are stored.
        unsafe {
            while self.slots.len() < self.rows.len() {
                self.slots.push(pg_sys::MakeSingleTupleTableSlot(
                    (*self.relation).rd_att,
                    &pg_sys::TTSOpsHeapTuple,
                ));
            }
            for ((_, tuple), slot) in self.rows.iter().zip(&self.slots) {
                pg_sys::ExecStoreHeapTuple(*tuple, *slot, false);
            }
            pg_sys::heap_multi_insert(
                self.relation,
                self.slots.as_mut_ptr(),
                self.rows.len() as i32,
                pg_sys::GetCurrentCommandId(true),
                0,
                std::ptr::null_mut(),
            );
            for ((_, tuple), slot) in self.rows.iter().zip(&self.slots) {
                (**tuple).t_self = (**slot).tts_tid;
                pg_sys::ExecClearTuple(*slot);
            }
        }
    }
}

/// A `pg_lsn` or `xid8`.
pub fn unsigned(value: u64) -> Datum {
    Datum::from(value as usize)
}

pub fn uuid(value: uuid::Uuid) -> Datum {
    super::bytes::datum(pgrx::Uuid::from_bytes(value.into_bytes()))
}
