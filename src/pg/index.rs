//! Entries in the indexes of our own tables.

use pgrx::pg_sys::{self, Oid};

use super::compat;
use super::raw;
use super::row::{MAX_COLUMNS, Values};

/// An open index of a table of ours: a plain B-tree of values whose length is fixed, which has entries for all rows or for those in
/// which a column is true.
pub(super) struct Index {
    relation: pg_sys::Relation,
    /// The table's column that is its predicate, counted from 1.
    predicate: Option<i16>,
}

impl Index {
    /// Opens an index, if we can make entries in it. Another one that somebody has added gets none: we can neither evaluate an
    /// expression here nor let a writer fail for it, or for a value that is too long for an entry.
    ///
    /// # Safety
    /// The oid is that of an index of an open table; the caller is guarded.
    pub unsafe fn open(index: Oid) -> Option<Self> {
        // SAFETY: the caller's promise; an index's form stays while it is open.
        unsafe {
            let relation = raw::index_open(index, pg_sys::RowExclusiveLock as i32);
            let is_plain = (*(*relation).rd_rel).relam == pg_sys::BTREE_AM_OID
                // One that REINDEX CONCURRENTLY is about to fill has no first page yet.
                && (*(*relation).rd_index).indisready
                && !columns(relation).contains(&0)
                && columns(relation).len() <= MAX_COLUMNS
                && (0..columns(relation).len())
                    .all(|at| compat::attribute_length((*relation).rd_att, at) > 0);
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
    pub unsafe fn close(&self) {
        // SAFETY: the caller's promise.
        unsafe { raw::index_close(self.relation, pg_sys::NoLock as i32) }
    }

    /// Makes the entry of a row that has been stored, if it is to have one.
    ///
    /// # Safety
    /// The index is one of the table, and the tuple is that of the row; the caller is guarded.
    pub unsafe fn insert_entry(
        &self,
        row: &Values,
        tuple: pg_sys::HeapTuple,
        table: pg_sys::Relation,
    ) {
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
