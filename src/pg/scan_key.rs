//! The conditions of index scans, and the values that columns of ours have.

use super::raw;
use pgrx::pg_sys::{self, Datum, Oid};

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

    pub fn oid_above(column: i16, value: Oid) -> Self {
        Self::new(
            column,
            pg_sys::BTGreaterStrategyNumber,
            pg_sys::F_OIDGT,
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

    pub fn lsn_at_most(column: i16, value: u64) -> Self {
        Self::new(
            column,
            pg_sys::BTLessEqualStrategyNumber,
            pg_sys::F_PG_LSN_LE,
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

    /// Makes it the key of a scan.
    ///
    /// # Safety
    /// The caller is guarded; see [`raw`].
    pub(super) unsafe fn init(&self, scan_key: &mut pg_sys::ScanKeyData) {
        // SAFETY: a built-in comparison function whose second argument has the value's type.
        unsafe {
            raw::ScanKeyInit(
                scan_key,
                self.column,
                self.strategy as u16,
                Oid::from_u32(self.procedure),
                self.value,
            );
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
