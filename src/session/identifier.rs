//! The identifiers of schema `meta`, and relations given as text or regclass.

use pgrx::AnyElement;
use pgrx::pg_sys::Oid;

use crate::error::{Error, raise};
use crate::pg::{argument, name};

/// A `meta.row_id`, or the row of a `meta.field_id`.
pub struct RowId {
    pub relation: Oid,
    /// Names and values of the primary key, in the caller's order.
    pub key: Vec<(String, String)>,
}

/// A relation given as `text` (a name as in SQL) or as `regclass`. Raises 42P01 for an unknown one.
pub fn relation(argument: Option<AnyElement>) -> Oid {
    let argument = required(argument, "relation");
    argument::regclass(&argument).unwrap_or_else(|| {
        let text = argument::text(&argument);
        name::resolve(&text).unwrap_or_else(|| raise(Error::RelationNotFound { name: text }))
    })
}

/// The relation of a `meta.relation_id`.
pub fn relation_id(argument: Option<AnyElement>) -> Oid {
    relation_of(&required(argument, "relation"))
}

/// The relation and the column of a `meta.column_id`.
pub fn column_id(argument: Option<AnyElement>) -> (Oid, String) {
    let argument = required(argument, "column");
    (relation_of(&argument), text(&argument, 3, "column.name"))
}

/// The row of a `meta.row_id`.
pub fn row_id(argument: Option<AnyElement>) -> RowId {
    row_of(&required(argument, "row"))
}

/// The row and the column of a `meta.field_id`.
pub fn field_id(argument: Option<AnyElement>) -> (RowId, String) {
    let argument = required(argument, "field");
    (row_of(&argument), text(&argument, 5, "field.column_name"))
}

fn required(argument: Option<AnyElement>, name: &'static str) -> AnyElement {
    argument.unwrap_or_else(|| raise(Error::NullArgument { argument: name }))
}

fn text(composite: &AnyElement, attribute: i16, name: &'static str) -> String {
    argument::text_attribute(composite, attribute)
        .unwrap_or_else(|| raise(Error::NullArgument { argument: name }))
}

/// Each identifier begins with the names of schema and relation.
fn relation_of(composite: &AnyElement) -> Oid {
    let (schema, relation) = (
        text(composite, 1, "schema_name"),
        text(composite, 2, "relation_name"),
    );
    name::resolve_exact(&schema, &relation).unwrap_or_else(|| {
        raise(Error::RelationNotFound {
            name: format!("{schema}.{relation}"),
        })
    })
}

fn row_of(composite: &AnyElement) -> RowId {
    let relation = relation_of(composite);
    let all = |attribute, name| -> Vec<String> {
        argument::texts_attribute(composite, attribute)
            .and_then(|texts| texts.into_iter().collect())
            .unwrap_or_else(|| raise(Error::NullArgument { argument: name }))
    };
    let (names, values) = (all(3, "pk_column_names"), all(4, "pk_values"));
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
