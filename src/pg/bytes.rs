//! Byte strings across the border: values in the database's encoding, which need not be UTF-8.

use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{FromDatum, IntoDatum};

/// The value as a datum in the current memory context.
pub fn datum<T: IntoDatum>(value: T) -> Datum {
    value.into_datum().expect("the value is not null")
}

/// Whether the database's encoding is UTF-8.
pub fn is_utf8() -> bool {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32 }
}

/// A `text` (or `json`, or `bytea`) of these bytes.
pub fn text(bytes: &[u8]) -> Datum {
    // SAFETY: the pointer and the length are of one slice; the server copies them.
    unsafe {
        Datum::from(pg_sys::cstring_to_text_with_len(
            bytes.as_ptr().cast(),
            bytes.len() as i32,
        ))
    }
}

/// A `bytea` in a buffer that is used again: what is made of it copies it at once.
#[derive(Default)]
pub struct Bytea(Vec<u32>);

impl Bytea {
    /// The datum is valid until the next call.
    pub fn datum(&mut self, bytes: &[u8]) -> Datum {
        let length = bytes.len() + pg_sys::VARHDRSZ;
        assert!(length < 1 << 30, "a varlena is shorter than 1 GB");
        self.0.resize(length.div_ceil(4), 0);
        let start = self.0.as_mut_ptr().cast::<u8>();
        // SAFETY: the buffer has room for the four bytes of the header and the bytes behind it.
        unsafe {
            pgrx::varlena::set_varsize_4b(start.cast(), length as i32);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.add(pg_sys::VARHDRSZ), bytes.len());
        }
        Datum::from(start)
    }
}

/// A `text[]` of these strings.
pub fn texts(strings: &[Vec<u8>]) -> Datum {
    let mut elements: Vec<Datum> = strings.iter().map(|string| text(string)).collect();
    // SAFETY: the elements are text values, whose length, passing and alignment are named.
    unsafe {
        Datum::from(pg_sys::construct_array(
            elements.as_mut_ptr(),
            elements.len() as i32,
            pg_sys::TEXTOID,
            -1,
            false,
            b'i' as std::ffi::c_char,
        ))
    }
}

/// A `smallint[]` of these numbers.
pub fn int2s(numbers: &[i16]) -> Datum {
    datum(numbers.to_vec())
}

/// The bytes of a varlena, detoasted.
///
/// # Safety
/// The datum is a non-null `text`, `json`, `bytea` or another varlena.
pub unsafe fn varlena(datum: Datum) -> Vec<u8> {
    // SAFETY: the caller's promise; the packed copy stays valid until it has been copied.
    unsafe {
        let packed = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        let bytes = std::slice::from_raw_parts(
            pgrx::varlena::vardata_any(packed).cast::<u8>(),
            pgrx::varlena::varsize_any_exhdr(packed),
        );
        let copy = bytes.to_vec();
        if packed != datum.cast_mut_ptr() {
            pg_sys::pfree(packed.cast());
        }
        copy
    }
}

/// The elements of a `text[]`.
///
/// # Safety
/// The datum is a non-null `text[]` without null elements.
pub unsafe fn text_array(datum: Datum) -> Vec<Vec<u8>> {
    // SAFETY: the caller's promise.
    let array = unsafe { Array::of(datum, usize::MAX) };
    let values = array.into_iter().flat_map(|array| array.values).flatten();
    // SAFETY: the elements are texts.
    values.map(|value| unsafe { varlena(value) }).collect()
}

/// A NUL-terminated string of the server, copied.
///
/// # Safety
/// The pointer is not null and the string is NUL-terminated.
pub unsafe fn c_string(string: *const std::ffi::c_char) -> Vec<u8> {
    // SAFETY: the caller's promise.
    unsafe { std::ffi::CStr::from_ptr(string) }
        .to_bytes()
        .to_vec()
}

/// An array taken apart.
pub struct Array {
    /// The type of the elements.
    pub kind: Oid,
    /// The length of each dimension, the outermost first.
    pub dimensions: Vec<i32>,
    /// The elements, in storage order; `None` for a null.
    pub values: Vec<Option<Datum>>,
}

impl Array {
    /// `None` for one of more than `most` elements: nulls take a bit each, so that a short array can have more
    /// than the server takes apart.
    ///
    /// # Safety
    /// The datum is a non-null value of an array type.
    pub unsafe fn of(datum: Datum, most: usize) -> Option<Self> {
        let (mut length, mut by_value, mut align) = (0, false, 0);
        let (mut elements, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        // SAFETY: the caller's promise; an array carries its element type and its dimensions, which follow its
        // header, and the element type's storage is the catalog's.
        unsafe {
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            let kind = (*array).elemtype;
            let dimensions =
                std::slice::from_raw_parts(array.add(1).cast::<i32>(), (*array).ndim as usize)
                    .to_vec();
            if dimensions
                .iter()
                .map(|&length| length as usize)
                .product::<usize>()
                > most
            {
                return None;
            }
            pg_sys::get_typlenbyvalalign(kind, &mut length, &mut by_value, &mut align);
            pg_sys::deconstruct_array(
                array,
                kind,
                length.into(),
                by_value,
                align,
                &mut elements,
                &mut nulls,
                &mut count,
            );
            let values = (0..count as usize).map(|at| (!*nulls.add(at)).then(|| *elements.add(at)));
            Some(Self {
                kind,
                dimensions,
                values: values.collect(),
            })
        }
    }
}

/// Copies a value out of a datum of its own type.
///
/// # Safety
/// The datum is a non-null value of the type that `T` reads.
pub unsafe fn read<T: FromDatum>(datum: Datum) -> T {
    // SAFETY: the caller's promise.
    unsafe { T::from_datum(datum, false) }.expect("the value is not null")
}

/// A `timestamptz` from microseconds since 2000-01-01 UTC.
pub fn timestamp(time: i64) -> pgrx::datum::TimestampWithTimeZone {
    // SAFETY: a timestamptz is this number.
    unsafe { read(Datum::from(time)) }
}
