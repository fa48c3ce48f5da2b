//! The identifiers of schema `meta`, and relations given as text or regclass.

use pgrx::AnyElement;
use pgrx::pg_sys::{self, Oid};

use crate::error::{Error, raise};
use crate::pg::argument::{text_attribute, texts_attribute};
use crate::pg::{bytes, relation};

/// A `meta.row_id`, or the row of a `meta.field_id`.
pub struct RowId {
    pub relation: Oid,
    /// Names and values of the primary key, in the caller's order.
    pub key: Vec<(String, String)>,
}

/// A relation given as `text` (a name as in SQL) or as `regclass`. Raises 42P01 for an unknown one.
pub fn relation(argument: Option<AnyElement>) -> Oid {
    let argument = required(argument, "relation");
    if argument.oid() == pg_sys::REGCLASSOID {
        // SAFETY: the argument's type says that it is an oid.
        return unsafe { bytes::read(argument.datum()) };
    }
    // SAFETY: the SQL signature has text for everything else.
    let name: String = unsafe { bytes::read(argument.datum()) };
    relation::resolve(&name).unwrap_or_else(|| raise(Error::RelationNotFound { name }))
}

/// The relation of a `meta.relation_id`.
pub fn relation_id(argument: Option<AnyElement>) -> Oid {
    // SAFETY: the SQL signature has the composite type, whose first two attributes are text.
    unsafe { relation_of(&required(argument, "relation")) }
}

/// The relation and the column of a `meta.column_id`.
pub fn column_id(argument: Option<AnyElement>) -> (Oid, String) {
    let argument = required(argument, "column");
    // SAFETY: the SQL signature has the composite type of three text attributes.
    unsafe { (relation_of(&argument), text(&argument, 3, "column.name")) }
}

/// The row of a `meta.row_id`.
pub fn row_id(argument: Option<AnyElement>) -> RowId {
    // SAFETY: the SQL signature has the composite type.
    unsafe { row_of(&required(argument, "row")) }
}

/// The row and the column of a `meta.field_id`.
pub fn field_id(argument: Option<AnyElement>) -> (RowId, String) {
    let argument = required(argument, "field");
    // SAFETY: the SQL signature has the composite type, which is a row_id and a text attribute.
    unsafe { (row_of(&argument), text(&argument, 5, "field.column_name")) }
}

fn required(argument: Option<AnyElement>, name: &'static str) -> AnyElement {
    argument.unwrap_or_else(|| raise(Error::NullArgument { argument: name }))
}

unsafe fn text(composite: &AnyElement, attribute: i16, name: &'static str) -> String {
    // SAFETY: the caller's promise.
    unsafe { text_attribute(composite, attribute) }
        .unwrap_or_else(|| raise(Error::NullArgument { argument: name }))
}

unsafe fn relation_of(composite: &AnyElement) -> Oid {
    // SAFETY: the caller's promise.
    let (schema, name) = unsafe {
        (
            text(composite, 1, "schema_name"),
            text(composite, 2, "relation_name"),
        )
    };
    relation::resolve_exact(&schema, &name).unwrap_or_else(|| {
        raise(Error::RelationNotFound {
            name: format!("{schema}.{name}"),
        })
    })
}

unsafe fn row_of(composite: &AnyElement) -> RowId {
    // SAFETY: the caller's promise.
    let (relation, names, values) = unsafe {
        (
            relation_of(composite),
            texts_attribute(composite, 3),
            texts_attribute(composite, 4),
        )
    };
    let all = |texts: Option<Vec<Option<String>>>, name| -> Vec<String> {
        texts
            .and_then(|texts| texts.into_iter().collect())
            .unwrap_or_else(|| raise(Error::NullArgument { argument: name }))
    };
    let (names, values) = (all(names, "pk_column_names"), all(values, "pk_values"));
    if names.len() != values.len() {
        raise(Error::BadOption {
            option: "pk_values",
            value: format!("{} values for {} columns", values.len(), names.len()),
            allowed: "ARRAY['1']",
        });
    }
    RowId {
        relation,
        key: names.into_iter().zip(values).collect(),
    }
}
