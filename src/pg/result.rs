//! Result types of SQL functions that pgrx has no Rust type for: text in the database's encoding, json that
//! is finished already, xid8.

use pgrx::IntoDatum;
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum as ReturnedDatum;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use super::bytes::text;

/// A `text` in the database's encoding.
pub struct Text(pub Vec<u8>);

/// A `json` that is finished already.
pub struct Json(pub Vec<u8>);

/// An `xid8`.
pub struct Xid8(pub u64);

macro_rules! result_type {
    ($rust:ident, $sql:literal, $oid:ident, $datum:expr) => {
        impl IntoDatum for $rust {
            fn into_datum(self) -> Option<Datum> {
                Some($datum(self))
            }

            fn type_oid() -> Oid {
                pg_sys::$oid
            }
        }

        // SAFETY: the datum is of the SQL type that `sql/` declares.
        unsafe impl BoxRet for $rust {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> ReturnedDatum<'fcx> {
                // SAFETY: as above.
                unsafe { fcinfo.return_raw_datum($datum(self)) }
            }
        }

        // SAFETY: only names the SQL type, which our hand-written SQL declares anyway.
        unsafe impl SqlTranslatable for $rust {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($rust);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
                Ok(SqlMappingRef::literal($sql));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
                Ok(ReturnsRef::One(SqlMappingRef::literal($sql)));
        }
    };
}

result_type!(Text, "text", TEXTOID, |value: Text| text(&value.0));
result_type!(Json, "json", JSONOID, |value: Json| text(&value.0));
result_type!(Xid8, "xid8", XID8OID, |value: Xid8| Datum::from(
    value.0 as usize
));

/// A value of a composite type.
pub struct Composite<R> {
    /// The oid of the type.
    pub kind: Oid,
    pub row: R,
}

/// The attributes of a composite value, in their order; `None` for a null.
pub trait Attributes {
    fn attributes(self) -> Vec<Option<Datum>>;
}

impl<R: Attributes> IntoDatum for Composite<R> {
    fn into_datum(self) -> Option<Datum> {
        let attributes = self.row.attributes();
        let mut values: Vec<Datum> = attributes
            .iter()
            .map(|value| value.unwrap_or(Datum::null()))
            .collect();
        let mut nulls: Vec<bool> = attributes.iter().map(Option::is_none).collect();
        // SAFETY: the arrays have a value for each attribute of the type, of its own type, as `sql/` declares it; the
        // descriptor is released when the tuple has been formed.
        unsafe {
            let descriptor = pg_sys::lookup_rowtype_tupdesc(self.kind, -1);
            assert_eq!(
                (*descriptor).natts as usize,
                values.len(),
                "a value for each attribute"
            );
            let tuple =
                pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::DecrTupleDescRefCount(descriptor);
            Some(pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data))
        }
    }

    fn type_oid() -> Oid {
        pg_sys::RECORDOID
    }
}

// SAFETY: the datum is of the composite type that `sql/` declares.
unsafe impl<R: Attributes> BoxRet for Composite<R> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> ReturnedDatum<'fcx> {
        let datum = self.into_datum().expect("a row is never null");
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(datum) }
    }
}

// SAFETY: only names the SQL type, which our hand-written SQL declares anyway.
unsafe impl<R> SqlTranslatable for Composite<R> {
    const TYPE_IDENT: &'static str = "Composite";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("record"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("record")));
}
