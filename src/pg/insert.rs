//! Writing rows to a table and its indexes.

use pgrx::pg_sys::{self, Datum, Oid};

use super::compat;
use super::index::Index;
use super::raw;
use super::row::{RowId, Values};
use super::table::Table;

/// Rows that one heap insert takes at a time, as COPY does.
const BATCH: usize = 1000;

impl Table {
    /// Begins an insert of many rows.
    pub fn insert(&self) -> Insert<'_> {
        // SAFETY: the relation is open, and the list is ours.
        let indexes = unsafe {
            let list = pgrx::PgList::<Oid>::from_pg(pg_sys::RelationGetIndexList(self.relation));
            let indexes = list.iter_oid();
            indexes
                .filter_map(|index| raw::guarded(|| Index::open(index)))
                .collect()
        };
        Insert {
            indexes,
            rows: Vec::new(),
            slots: Vec::new(),
            table: self,
        }
    }

    /// Inserts one row.
    pub fn insert_row(&self, values: &[Option<Datum>]) {
        self.insert_row_without(None, values);
    }

    /// Inserts one row that has no entry in this index by its predicate, so that the index need not be opened.
    pub fn insert_row_without(&self, passed_over: Option<Oid>, values: &[Option<Datum>]) {
        let row = Values::of(values);
        self.check(values);
        // SAFETY: the relation is open and the arrays have a value for each of its columns, of its type. Nothing inside has
        // a destructor.
        unsafe {
            raw::guarded(|| {
                let tuple = form(self.relation, &row);
                raw::simple_heap_insert(self.relation, tuple);
                insert_entries(self.relation, &row, tuple, passed_over);
                raw::heap_freetuple(tuple);
            });
        }
    }

    /// Replaces a row that this transaction is the only one to change.
    pub fn replace(&self, id: RowId, values: &[Option<Datum>]) {
        let row = Values::of(values);
        self.check(values);
        // SAFETY: as when it is inserted; the row that is replaced is one that a scan of the table has just seen.
        unsafe {
            let tuple = raw::guarded(|| form(self.relation, &row));
            compat::simple_heap_update(self.relation, id, tuple);
            // Where no index has what has changed, it can be found by the entries of the one before.
            let is_heap_only = u32::from((*(*tuple).t_data).t_infomask2) & pg_sys::HEAP_ONLY_TUPLE;
            raw::guarded(|| {
                if is_heap_only == 0 {
                    insert_entries(self.relation, &row, tuple, None);
                }
                raw::heap_freetuple(tuple);
            });
        }
    }

    fn check(&self, values: &[Option<Datum>]) {
        // SAFETY: the relation is open.
        let natts = unsafe { (*(*self.relation).rd_att).natts };
        assert_eq!(natts as usize, values.len(), "a value for each column");
    }
}

/// Makes the entries of a row that has been stored, but for that in one index.
///
/// # Safety
/// The relation is open, and the tuple is that of the row, whose arrays have a value for each column; the caller is guarded.
unsafe fn insert_entries(
    table: pg_sys::Relation,
    row: &Values,
    tuple: pg_sys::HeapTuple,
    passed_over: Option<Oid>,
) {
    // SAFETY: the caller's promise; the list is ours.
    unsafe {
        let indexes = raw::RelationGetIndexList(table);
        let mut at = 0;
        while !indexes.is_null() && at < (*indexes).length {
            let index = (*(*indexes).elements.offset(at as isize)).oid_value;
            if Some(index) != passed_over
                && let Some(index) = Index::open(index)
            {
                index.insert_entry(row, tuple, table);
                index.close();
            }
            at += 1;
        }
        raw::list_free(indexes);
    }
}

/// # Safety
/// The relation is open, and the row has a value for each of its columns, of its type; the caller is guarded.
unsafe fn form(table: pg_sys::Relation, row: &Values) -> pg_sys::HeapTuple {
    // SAFETY: the caller's promise.
    unsafe { raw::heap_form_tuple((*table).rd_att, row.values.as_ptr(), row.nulls.as_ptr()) }
}

/// A running insert. Rows are written in batches, so it has to be ended.
///
/// This is what the server's `CatalogTuplesMultiInsertWithInfo` does, without what it pays for each call: the
/// expressions that an index may have, and a slot for each row of an index.
#[must_use]
pub struct Insert<'table> {
    indexes: Vec<Index>,
    rows: Vec<(Values, pg_sys::HeapTuple)>,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    table: &'table Table,
}

impl Insert<'_> {
    /// Adds a row. Values that are in an index and not passed by value have to stay until the insert ends.
    pub fn row(&mut self, values: &[Option<Datum>]) {
        self.table.check(values);
        let row = Values::of(values);
        // SAFETY: the relation is open and the arrays have a value for each of its columns, of its type.
        let tuple = unsafe { raw::guarded(|| form(self.table.relation, &row)) };
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
            raw::guarded(|| {
                for index in &self.indexes {
                    index.close();
                }
            });
        }
    }

    fn flush(&mut self) {
        match self.rows.as_slice() {
            [] => return,
            // SAFETY: the tuple is one of the open relation.
            [(_, tuple)] => unsafe { pg_sys::simple_heap_insert(self.table.relation, *tuple) },
            _ => self.insert_batch(),
        }
        let (rows, indexes) = (self.rows.as_slice(), self.indexes.as_slice());
        let table = self.table.relation;
        // SAFETY: the tuples have been stored; nothing inside has a destructor.
        unsafe {
            raw::guarded(|| {
                for (values, tuple) in rows {
                    for index in indexes {
                        index.insert_entry(values, *tuple, table);
                    }
                }
            });
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
                    (*self.table.relation).rd_att,
                    &pg_sys::TTSOpsHeapTuple,
                ));
            }
            for ((_, tuple), slot) in self.rows.iter().zip(&self.slots) {
                pg_sys::ExecStoreHeapTuple(*tuple, *slot, false);
            }
            pg_sys::heap_multi_insert(
                self.table.relation,
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
