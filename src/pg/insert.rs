//! Inserting rows into a table and its indexes.

use pgrx::pg_sys::{self, Datum, Oid};

use super::raw;
use super::table::{MAX_COLUMNS, Table};

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
                let indexes = raw::RelationGetIndexList(self.relation);
                let mut at = 0;
                while !indexes.is_null() && at < (*indexes).length {
                    let index = (*(*indexes).elements.offset(at as isize)).oid_value;
                    if Some(index) != passed_over
                        && let Some(index) = Index::open(index)
                    {
                        index.insert_entry(&row, tuple, self.relation);
                        index.close();
                    }
                    at += 1;
                }
                raw::list_free(indexes);
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

/// An open index of a table of ours: a plain B-tree, which has entries for all rows or for those in which a column is true.
struct Index {
    relation: pg_sys::Relation,
    /// The table's column that is its predicate, counted from 1.
    predicate: Option<i16>,
}

impl Index {
    /// Opens an index, if we can make entries in it. Another one that somebody has added gets none: we can neither evaluate an
    /// expression here nor let a writer fail for it.
    ///
    /// # Safety
    /// The oid is that of an index of an open table; the caller is guarded.
    unsafe fn open(index: Oid) -> Option<Self> {
        // SAFETY: the caller's promise; an index's form stays while it is open.
        unsafe {
            let relation = raw::index_open(index, pg_sys::RowExclusiveLock as i32);
            let is_plain = (*(*relation).rd_rel).relam == pg_sys::BTREE_AM_OID
                // One that REINDEX CONCURRENTLY is about to fill has no first page yet.
                && (*(*relation).rd_index).indisready
                && !columns(relation).contains(&0)
                && columns(relation).len() <= MAX_COLUMNS;
            let is_total = || {
                raw::heap_attisnull(
                    (*relation).rd_indextuple,
                    pg_sys::Anum_pg_index_indpred as i32,
                    std::ptr::null_mut(),
                )
            };
            let predicate = if !is_plain {
                None
            } else if is_total() {
                Some(None)
            } else {
                predicate_column(relation).map(Some)
            };
            if predicate.is_none() {
                raw::index_close(relation, pg_sys::NoLock as i32);
            }
            predicate.map(|predicate| Self {
                relation,
                predicate,
            })
        }
    }

    /// Closes the index, whose lock is kept.
    ///
    /// # Safety
    /// It is not used again; the caller is guarded.
    unsafe fn close(&self) {
        // SAFETY: the caller's promise.
        unsafe { raw::index_close(self.relation, pg_sys::NoLock as i32) }
    }

    /// Makes the entry of a row that has been stored, if it is to have one.
    ///
    /// # Safety
    /// The index is one of the table, and the tuple is that of the row; the caller is guarded.
    unsafe fn insert_entry(&self, row: &Values, tuple: pg_sys::HeapTuple, table: pg_sys::Relation) {
        // Columns are counted from 1, and `check` has seen that the row has a value for each, so that nothing panics here.
        let value = |column: i16| row.values[column as usize - 1];
        let is_null = |column: i16| row.nulls[column as usize - 1];
        if self
            .predicate
            .is_some_and(|column| is_null(column) || value(column).value() == 0)
        {
            return;
        }
        let mut keys = Values::nulls();
        // SAFETY: the caller's promise. The tuple has been stored, so that it knows its place; the arrays have a value for each
        // column of the index, which is a B-tree and has no use for the index's description.
        unsafe {
            for (at, &column) in columns(self.relation).iter().enumerate() {
                keys.values[at] = value(column);
                keys.nulls[at] = is_null(column);
            }
            let check = if (*(*self.relation).rd_index).indisunique {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
            } else {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
            };
            raw::index_insert(
                self.relation,
                keys.values.as_mut_ptr(),
                keys.nulls.as_mut_ptr(),
                &mut (*tuple).t_self,
                table,
                check,
                false,
                std::ptr::null_mut(),
            );
        }
    }
}

/// The table's column that an index's predicate consists of, if it is nothing else. It is taken as it was written:
/// `RelationGetIndexPredicate` would call functions that are in it.
///
/// # Safety
/// The index is open and has a predicate; the caller is guarded.
unsafe fn predicate_column(index: pg_sys::Relation) -> Option<i16> {
    // SAFETY: the caller's promise: a text that the server has made of a node. Its copy and the node are ours.
    unsafe {
        let predicate = raw::SysCacheGetAttr(
            pg_sys::SysCacheIdentifier::INDEXRELID as i32,
            (*index).rd_indextuple,
            pg_sys::Anum_pg_index_indpred as i16,
            &mut false,
        );
        let text = raw::text_to_cstring(predicate.cast_mut_ptr());
        let node = raw::stringToNode(text).cast::<pg_sys::Node>();
        // One that is not of the system, and not the whole row.
        let column = ((*node).type_ == pg_sys::NodeTag::T_Var)
            .then(|| (*node.cast::<pg_sys::Var>()).varattno)
            .filter(|&column| column > 0);
        raw::pfree(node.cast());
        raw::pfree(text.cast());
        column
    }
}

/// The table's columns that an index has, in index order: its key, and what it includes beside it.
///
/// # Safety
/// The index is open, and stays so as long as the columns.
unsafe fn columns<'a>(index: pg_sys::Relation) -> &'a [i16] {
    // SAFETY: the caller's promise.
    unsafe {
        let form = &*(*index).rd_index;
        form.indkey.values.as_slice(form.indnatts as usize)
    }
}

/// # Safety
/// The relation is open, and the row has a value for each of its columns, of its type; the caller is guarded.
unsafe fn form(table: pg_sys::Relation, row: &Values) -> pg_sys::HeapTuple {
    // SAFETY: the caller's promise.
    unsafe { raw::heap_form_tuple((*table).rd_att, row.values.as_ptr(), row.nulls.as_ptr()) }
}

/// The values of one row in the form that the server takes.
pub(super) struct Values {
    pub values: [Datum; MAX_COLUMNS],
    pub nulls: [bool; MAX_COLUMNS],
}

impl Values {
    fn nulls() -> Self {
        Self {
            values: [Datum::null(); MAX_COLUMNS],
            nulls: [true; MAX_COLUMNS],
        }
    }

    pub fn of(values: &[Option<Datum>]) -> Self {
        let mut row = Self::nulls();
        for (at, value) in values.iter().enumerate() {
            if let Some(value) = value {
                row.values[at] = *value;
                row.nulls[at] = false;
            }
        }
        row
    }
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
