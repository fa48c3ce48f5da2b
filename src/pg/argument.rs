//! Arguments of SQL functions whose type is known only at run time.

use pgrx::AnyElement;
use pgrx::pg_sys::{self, Datum, Oid};

/// The text form of a value, by its type's output function under the settings that are in force.
pub fn output(value: Datum, kind: Oid) -> Vec<u8> {
    let (mut function, mut is_varlena) = (Oid::INVALID, false);
    // SAFETY: the value is of the type that was passed with it; the server raises for a type without output.
    unsafe {
        pg_sys::getTypeOutputInfo(kind, &mut function, &mut is_varlena);
        super::bytes::c_string(pg_sys::OidOutputFunctionCall(function, value))
    }
}

/// A value from its text form, by its type's input function under the caller's settings. Raises what the
/// input function raises.
pub fn input(text: &[u8], kind: Oid, modifier: i32) -> Datum {
    let text = std::ffi::CString::new(text).expect("a text value holds no NUL");
    let (mut function, mut parameter) = (Oid::INVALID, Oid::INVALID);
    // SAFETY: the string is NUL-terminated and stays until the function returns; the server raises for a
    // type without input.
    unsafe {
        pg_sys::getTypeInputInfo(kind, &mut function, &mut parameter);
        pg_sys::OidInputFunctionCall(function, text.as_ptr().cast_mut(), parameter, modifier)
    }
}

/// A text attribute (counted from 1) of a value of a composite type.
///
/// # Safety
/// The value is of a composite type whose attribute is a `text`.
pub unsafe fn text_attribute(composite: &AnyElement, attribute: i16) -> Option<String> {
    // SAFETY: the caller's promise.
    unsafe { attribute_datum(composite, attribute).map(|datum| super::bytes::read(datum)) }
}

/// A text[] attribute (counted from 1) of a value of a composite type, with its null elements.
///
/// # Safety
/// The value is of a composite type whose attribute is a `text[]`.
pub unsafe fn texts_attribute(
    composite: &AnyElement,
    attribute: i16,
) -> Option<Vec<Option<String>>> {
    // SAFETY: the caller's promise.
    unsafe { attribute_datum(composite, attribute).map(|datum| super::bytes::read(datum)) }
}

unsafe fn attribute_datum(composite: &AnyElement, attribute: i16) -> Option<Datum> {
    let mut is_null = false;
    // SAFETY: the caller's promise; detoasting gives the tuple header that the server looks into.
    unsafe {
        let header = pg_sys::pg_detoast_datum(composite.datum().cast_mut_ptr());
        let datum = pg_sys::GetAttributeByNum(header.cast(), attribute, &mut is_null);
        (!is_null).then_some(datum)
    }
}
