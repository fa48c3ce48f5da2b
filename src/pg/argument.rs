//! Arguments of SQL functions whose type is known only at run time.

use pgrx::AnyElement;
use pgrx::pg_sys::{self, Datum, Oid};

use super::bytes::Array;

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

/// An argument of an array type, taken apart; `None` if it is of another type.
pub fn array(argument: &AnyElement) -> Option<Array> {
    // SAFETY: an argument comes with its own type.
    unsafe {
        let is_array = pg_sys::get_element_type(argument.oid()) != Oid::INVALID;
        is_array
            .then(|| Array::of(argument.datum(), usize::MAX))
            .flatten()
    }
}

/// The oid that an argument of type `regclass` is; `None` if it is of another type.
pub fn regclass(argument: &AnyElement) -> Option<Oid> {
    // SAFETY: an argument comes with its own type.
    (argument.oid() == pg_sys::REGCLASSOID).then(|| unsafe { super::bytes::read(argument.datum()) })
}

/// The string that an argument of type `text` is.
pub fn text(argument: &AnyElement) -> String {
    assert_eq!(
        argument.oid(),
        pg_sys::TEXTOID,
        "the SQL signature says text"
    );
    // SAFETY: an argument comes with its own type.
    unsafe { super::bytes::read(argument.datum()) }
}

/// A `text` attribute (counted from 1) of an argument of a composite type.
pub fn text_attribute(composite: &AnyElement, attribute: i16) -> Option<String> {
    // SAFETY: the attribute is of this type.
    attribute_datum(composite, attribute, pg_sys::TEXTOID)
        .map(|datum| unsafe { super::bytes::read(datum) })
}

/// A `text[]` attribute (counted from 1) of an argument of a composite type, with its null elements.
pub fn texts_attribute(composite: &AnyElement, attribute: i16) -> Option<Vec<Option<String>>> {
    // SAFETY: the attribute is of this type.
    attribute_datum(composite, attribute, pg_sys::TEXTARRAYOID)
        .map(|datum| unsafe { super::bytes::read(datum) })
}

/// An attribute that has to be of this type.
fn attribute_datum(composite: &AnyElement, attribute: i16, kind: Oid) -> Option<Datum> {
    let mut is_null = false;
    // SAFETY: an argument comes with its own type, which is looked at before the value is; detoasting gives the
    // tuple header that the server looks into.
    unsafe {
        let relation = pg_sys::get_typ_typrelid(composite.oid());
        assert_eq!(
            pg_sys::get_atttype(relation, attribute),
            kind,
            "the SQL signature has an identifier type"
        );
        let header = pg_sys::pg_detoast_datum(composite.datum().cast_mut_ptr());
        let datum = pg_sys::GetAttributeByNum(header.cast(), attribute, &mut is_null);
        (!is_null).then_some(datum)
    }
}
