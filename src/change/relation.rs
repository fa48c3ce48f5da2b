//! The names of a relation, as events tell them.

use super::json::{self, Object};
use super::operation::ColumnNumber;

/// A name in the database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub text: Vec<u8>,
    /// As a JSON string: it is the same in each event.
    pub json: Vec<u8>,
}

impl Name {
    pub fn new(text: &[u8]) -> Self {
        let mut json = Vec::new();
        json::string(text, &mut json);
        Self {
            text: text.to_vec(),
            json,
        }
    }
}

/// The names that the events of one relation carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationNames {
    pub schema: Name,
    pub name: Name,
    /// `schema.name`, quoted where SQL needs it.
    pub qualified: Name,
    /// `meta.relation_id` as JSON.
    pub identifier: Vec<u8>,
    /// Live columns, ascending by number.
    columns: Vec<(ColumnNumber, Name)>,
}

impl RelationNames {
    /// `columns`: the live ones, ascending by number.
    pub fn new<'a>(
        schema: &[u8],
        name: &[u8],
        qualified: &[u8],
        columns: impl IntoIterator<Item = (ColumnNumber, &'a [u8])>,
    ) -> Self {
        let (schema, name) = (Name::new(schema), Name::new(name));
        let mut identifier = Vec::new();
        let mut object = Object::new(&mut identifier);
        let mut schema_id = Object::new(object.member("schema_id"));
        schema_id.raw("name", &schema.json);
        schema_id.end();
        object.raw("name", &name.json);
        object.end();
        let columns = columns.into_iter();
        Self {
            schema,
            name,
            qualified: Name::new(qualified),
            identifier,
            columns: columns
                .map(|(number, name)| (number, Name::new(name)))
                .collect(),
        }
    }

    /// Of a relation that has been dropped: its qualified name is all that is left.
    pub fn gone(qualified: &[u8]) -> Self {
        Self::new(b"", b"", qualified, [])
    }

    /// `None` for a column that has been dropped.
    pub fn column(&self, number: ColumnNumber) -> Option<&Name> {
        let at = self
            .columns
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        Some(&self.columns[at].1)
    }
}
