//! Rows of our own tables, as they are read and as they are written.

use std::marker::PhantomData;

use pgrx::pg_sys::{self, Datum, Oid};

use crate::change::snapshot::Snapshot;

/// The most columns that one of our tables has.
pub(super) const MAX_COLUMNS: usize = 16;

/// Where a row stands in its table.
#[derive(Clone, Copy)]
pub struct RowId(pub(super) pg_sys::ItemPointerData);

/// The values of one row in the form that the server takes.
pub(super) struct Values {
    pub values: [Datum; MAX_COLUMNS],
    pub nulls: [bool; MAX_COLUMNS],
}

impl Values {
    pub fn nulls() -> Self {
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

/// A row of a scan. Columns are counted from 1, as in `sql/tables.sql`. Reading a column as another type
/// than it has is a bug of the caller that the types below cannot exclude, so each is read in one place.
pub struct Row<'scan> {
    pub id: RowId,
    tuple: pg_sys::HeapTuple,
    values: Values,
    scan: PhantomData<&'scan ()>,
}

impl Row<'_> {
    /// # Safety
    /// The tuple stays as long as the row, and the values are its own.
    pub(super) unsafe fn new(tuple: pg_sys::HeapTuple, values: Values) -> Self {
        Self {
            // SAFETY: the caller's promise.
            id: RowId(unsafe { (*tuple).t_self }),
            tuple,
            values,
            scan: PhantomData,
        }
    }

    fn datum(&self, column: i16) -> Option<Datum> {
        let at = column as usize - 1;
        (!self.values.nulls[at]).then_some(self.values.values[at])
    }

    fn required(&self, column: i16) -> Datum {
        self.datum(column)
            .expect("a NOT NULL column of our own tables")
    }

    /// Whether this transaction has written the row, so that no other one sees it yet.
    pub fn is_own(&self) -> bool {
        // SAFETY: the tuple stays as long as the row.
        unsafe { super::catalog::is_own(self.tuple) }
    }

    pub fn bool(&self, column: i16) -> bool {
        self.required(column).value() != 0
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

    /// A `pg_lsn` or `xid8`, or the bits of another number; `None` for NULL.
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

    /// The length of a `text` or `bytea` that is not null, without fetching it.
    pub fn length(&self, column: i16) -> usize {
        // SAFETY: a varlena's datum.
        unsafe { pg_sys::toast_raw_datum_size(self.required(column)) - pg_sys::VARHDRSZ }
    }

    /// A `text` that we wrote ourselves from a string.
    pub fn text(&self, column: i16) -> Option<String> {
        self.bytes(column)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// An `interval`; `None` for NULL.
    pub fn interval(&self, column: i16) -> Option<pgrx::datum::Interval> {
        // SAFETY: an interval's datum.
        self.datum(column)
            .map(|datum| unsafe { super::bytes::read(datum) })
    }

    /// A `smallint[]` without nulls.
    pub fn int2s(&self, column: i16) -> Vec<i16> {
        // SAFETY: a smallint[] datum.
        unsafe { super::bytes::read(self.required(column)) }
    }

    /// A `bigint[]` without nulls.
    pub fn int8s(&self, column: i16) -> Vec<i64> {
        // SAFETY: a bigint[] datum.
        unsafe { super::bytes::read(self.required(column)) }
    }

    /// A `pg_snapshot`.
    pub fn snapshot(&self, column: i16) -> Snapshot {
        // SAFETY: a pg_snapshot's datum.
        unsafe { super::snapshot::read(self.required(column)) }
    }

    /// A `text[]` without nulls.
    pub fn texts(&self, column: i16) -> Vec<Vec<u8>> {
        // SAFETY: a text[] datum.
        unsafe { super::bytes::text_array(self.required(column)) }
    }
}
