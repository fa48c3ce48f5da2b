//! The names of a relation, as events tell them.

use super::operation::ColumnNumber;

/// The names that the events of one relation carry, in the database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationNames {
    pub schema: Vec<u8>,
    pub name: Vec<u8>,
    /// `schema.name`, quoted where SQL needs it.
    pub qualified: Vec<u8>,
    /// Live columns, ascending by number.
    pub columns: Vec<(ColumnNumber, Vec<u8>)>,
}

impl RelationNames {
    /// Of a relation that has been dropped: its qualified name is all that is left.
    pub fn gone(qualified: &[u8]) -> Self {
        Self {
            schema: Vec::new(),
            name: Vec::new(),
            qualified: qualified.to_vec(),
            columns: Vec::new(),
        }
    }

    /// `None` for a column that has been dropped.
    pub fn column(&self, number: ColumnNumber) -> Option<&[u8]> {
        let at = self
            .columns
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        Some(&self.columns[at].1)
    }
}
