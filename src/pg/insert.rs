//! Inserting rows into a table and its indexes.

use std::marker::PhantomData;

use pgrx::pg_sys::{self, Datum, Oid};

use super::table::{MAX_COLUMNS, Table};

/// Rows that one heap insert takes at a time, as COPY does.
const BATCH: usize = 1000;

impl Table {
    /// Begins an insert of one or many rows.
    pub fn insert(&self) -> Insert<'_> {
        // SAFETY: the relation is open; the list is ours, and an index's form stays while it is open. Our
        // indexes have plain columns and no predicate.
        let indexes = unsafe {
            let list = pgrx::PgList::<Oid>::from_pg(pg_sys::RelationGetIndexList(self.relation));
            let indexes = list.iter_oid().filter_map(|index| {
                let index = pg_sys::index_open(index, pg_sys::RowExclusiveLock as i32);
                let form = &*(*index).rd_index;
                let columns = form
                    .indkey
                    .values
                    .as_slice(form.indnkeyatts as usize)
                    .to_vec();
                // Ours are all plain. Another one that somebody has added gets no entries: we can neither
                // evaluate an expression here nor let a writer fail for it.
                let is_plain = (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
                    && !columns.contains(&0)
                    && pg_sys::heap_attisnull(
                        (*index).rd_indextuple,
                        pg_sys::Anum_pg_index_indpred as i32,
                        std::ptr::null_mut(),
                    );
                if !is_plain {
                    pg_sys::index_close(index, pg_sys::NoLock as i32);
                    return None;
                }
                let unique = if form.indisunique {
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
                } else {
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
                };
                Some(Index {
                    relation: index,
                    columns,
                    unique,
                })
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
}

/// The values of one row in the form that the server takes.
pub(super) struct Values {
    pub values: [Datum; MAX_COLUMNS],
    pub nulls: [bool; MAX_COLUMNS],
}

impl Values {
    pub fn of(values: &[Option<Datum>]) -> Self {
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
