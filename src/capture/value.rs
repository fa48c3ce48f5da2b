//! A value's JSON: what `to_json` gives under pinned settings, except that a type's cast to json is never
//! called (anybody can define one): types outside pg_catalog are strings in their text form.
//!
//! The caller holds [`PinnedSettings`](crate::pg::pinned::PinnedSettings).

use std::ffi::c_char;

use pgrx::pg_sys::{self, Datum, Oid};

use crate::change::json::{Object, array, string};
use crate::pg::bytes::Array;
use crate::pg::output::{Trust, canonical, trust};
use crate::pg::{argument, bytes, compat, fault, subtransaction};

/// How the values of a type become JSON.
#[derive(Clone, Debug)]
pub enum Renderer {
    Bool,
    Int2,
    Int4,
    Int8,
    /// A number as the output function prints it; NaN and infinities are strings.
    Number(Oid),
    /// The bytes as they are stored, as a string.
    Text,
    /// The text form is JSON already.
    Json(Oid),
    /// Dates and timestamps, in ISO 8601.
    DateTime(Oid),
    Array,
    Composite,
    /// The text form, as a string.
    Output(Oid, Trust),
}

impl Renderer {
    /// For a type, domains looked through.
    pub fn of(kind: Oid) -> Self {
        // SAFETY: plain values; the type exists, since a relation has a column of it.
        let kind = unsafe { pg_sys::getBaseType(kind) };
        match kind {
            pg_sys::BOOLOID => Self::Bool,
            pg_sys::INT2OID => Self::Int2,
            pg_sys::INT4OID => Self::Int4,
            pg_sys::INT8OID => Self::Int8,
            pg_sys::FLOAT4OID | pg_sys::FLOAT8OID | pg_sys::NUMERICOID => Self::Number(kind),
            pg_sys::TEXTOID | pg_sys::VARCHAROID => Self::Text,
            pg_sys::JSONOID | pg_sys::JSONBOID => Self::Json(kind),
            pg_sys::DATEOID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => Self::DateTime(kind),
            // SAFETY: as above.
            _ if unsafe { pg_sys::get_element_type(kind) } != Oid::INVALID => Self::Array,
            // SAFETY: as above.
            _ if unsafe { pg_sys::type_is_rowtype(kind) } => Self::Composite,
            _ => Self::Output(kind, trust(kind)),
        }
    }

    /// Appends the JSON of a non-null value, unless that would make the buffer longer than `most` bytes. False
    /// if it cannot be rendered.
    ///
    /// A few stored bytes can make a long text: a numeric of ten prints 131,072 digits.
    ///
    /// # Safety
    /// The value is of the type that the renderer was made for.
    pub unsafe fn render(&self, value: Datum, out: &mut Vec<u8>, most: usize) -> bool {
        fault::point("value");
        match self {
            Self::Bool => out.extend_from_slice(if value.value() != 0 {
                b"true"
            } else {
                b"false"
            }),
            Self::Int2 => integer((value.value() as i16).into(), out),
            Self::Int4 => integer((value.value() as i32).into(), out),
            Self::Int8 => integer(value.value() as i64, out),
            Self::Number(kind) => {
                let text = argument::output(value, *kind);
                // The output functions print digits, signs, points and exponents, or these words.
                if text.ends_with(b"NaN") || text.ends_with(b"Infinity") {
                    string(&text, out);
                } else {
                    out.extend_from_slice(&text);
                }
            }
            // SAFETY: the value is a varlena.
            Self::Text => string(&unsafe { bytes::varlena(value) }, out),
            // SAFETY: the value is a varlena.
            Self::Json(kind) => match unsafe { output_of_varlena(value, *kind) } {
                Some(json) => out.extend_from_slice(&json),
                None => return false,
            },
            Self::DateTime(kind) => {
                // The longest form, a timestamptz BC with microseconds, is well below.
                let mut buffer = [0 as c_char; pg_sys::MAXDATELEN as usize + 1];
                // SAFETY: the buffer has the length that the function asks for; it ends the text with NUL.
                let text = unsafe {
                    pg_sys::JsonEncodeDateTime(buffer.as_mut_ptr(), value, *kind, std::ptr::null());
                    std::ffi::CStr::from_ptr(buffer.as_ptr())
                };
                string(text.to_bytes(), out);
            }
            // SAFETY: the value is an array.
            Self::Array => return unsafe { render_array(value, out, most) },
            // SAFETY: the value is a composite.
            Self::Composite => return unsafe { render_composite(value, out, most) },
            Self::Output(kind, trust) => {
                let text = match (*trust, is_varlena(*kind)) {
                    // SAFETY: the value is a varlena.
                    (Trust::Plain, true) => unsafe { output_of_varlena(value, *kind) },
                    _ => canonical(value, *kind, *trust),
                };
                match text {
                    Some(text) => string(&text, out),
                    None => return false,
                }
            }
        }
        out.len() <= most
    }
}

impl Renderer {
    /// Appends the text form of a non-null value, if that is known without its output function. False if it is not.
    ///
    /// # Safety
    /// The value is of the type that the renderer was made for.
    pub unsafe fn plain_text(&self, value: Datum, out: &mut Vec<u8>) -> bool {
        match self {
            // SAFETY: the caller's promise. Digits are as short as the type, so no bound is asked for.
            Self::Int2 | Self::Int4 | Self::Int8 => unsafe { self.render(value, out, usize::MAX) },
            _ => false,
        }
    }
}

/// So many stored bytes cannot make an output function run into the 1 GB that a string can have.
const SAFE_BYTES: usize = 1024;

/// The text of a varlena by one of the server's own output functions; `None` if the text would be too long,
/// for which they raise.
///
/// # Safety
/// The value is a non-null varlena of this type.
unsafe fn output_of_varlena(value: Datum, kind: Oid) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise; the length is known without fetching the value.
    if unsafe { pg_sys::toast_raw_datum_size(value) } <= SAFE_BYTES {
        Some(argument::output(value, kind))
    } else {
        subtransaction::catch(|| argument::output(value, kind))
    }
}

fn is_varlena(kind: Oid) -> bool {
    // SAFETY: a plain value.
    unsafe { pg_sys::get_typlen(kind) == -1 }
}

fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// An array of more elements is not rendered.
const MOST_ELEMENTS: usize = 10_000_000;

/// Nested JSON arrays, a level for each dimension; lower bounds are not shown, as in `to_json`.
unsafe fn render_array(value: Datum, out: &mut Vec<u8>, most: usize) -> bool {
    // SAFETY: the caller's promise.
    let Some(array) = (unsafe { Array::of(value, MOST_ELEMENTS) }) else {
        return false;
    };
    let Array {
        kind,
        dimensions,
        values,
    } = array;
    let element = Renderer::of(kind);
    let mut rendered = true;
    if values.is_empty() {
        out.extend_from_slice(b"[]");
    } else {
        // SAFETY: the elements are of the array's element type.
        dimension(&dimensions, &values, out, &mut |value, out| unsafe {
            match value {
                _ if !rendered => {}
                Some(value) => rendered = element.render(*value, out, most),
                None => {
                    out.extend_from_slice(b"null");
                    rendered = out.len() <= most;
                }
            }
        });
    }
    rendered
}

fn dimension(
    dimensions: &[i32],
    values: &[Option<Datum>],
    out: &mut Vec<u8>,
    element: &mut impl FnMut(&Option<Datum>, &mut Vec<u8>),
) {
    match dimensions {
        [] | [_] => array(values, out, element),
        [outer, inner @ ..] => {
            let chunks = values.chunks(values.len() / (*outer).max(1) as usize);
            array(chunks, out, |values, out| {
                dimension(inner, values, out, element)
            });
        }
    }
}

/// An object with a key for each live attribute, as in `to_json`.
unsafe fn render_composite(value: Datum, out: &mut Vec<u8>, most: usize) -> bool {
    // SAFETY: the caller's promise: the header names the row type; the descriptor is released below, and by
    // the transaction's abort after an ERROR. The tuple is built over the detoasted header.
    unsafe {
        let header =
            pg_sys::pg_detoast_datum(value.cast_mut_ptr()).cast::<pg_sys::HeapTupleHeaderData>();
        let datum_fields = (*header).t_choice.t_datum;
        let descriptor =
            pg_sys::lookup_rowtype_tupdesc(datum_fields.datum_typeid, datum_fields.datum_typmod);
        let natts = (*descriptor).natts as usize;
        let mut tuple = pg_sys::HeapTupleData {
            t_len: pgrx::varlena::varsize(header.cast()) as u32,
            t_data: header,
            ..Default::default()
        };
        let mut values = vec![Datum::null(); natts];
        let mut nulls = vec![true; natts];
        pg_sys::heap_deform_tuple(
            &mut tuple,
            descriptor,
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
        );
        let mut rendered = true;
        let mut object = Object::new(out);
        for at in 0..natts {
            let attribute = compat::tuple_desc_attr(descriptor, at);
            if attribute.attisdropped {
                continue;
            }
            let out = object.key(&bytes::c_string(attribute.attname.data.as_ptr()));
            if nulls[at] {
                out.extend_from_slice(b"null");
                rendered &= out.len() <= most;
            } else {
                rendered =
                    rendered && Renderer::of(attribute.atttypid).render(values[at], out, most);
            }
        }
        object.end();
        pg_sys::DecrTupleDescRefCount(descriptor);
        rendered
    }
}
