//! Queries of the catalog, where no other way tells it.

use pgrx::spi::SpiHeapTupleData;
use pgrx::{FromDatum, IntoDatum, Spi};

/// What `read` takes of each row. The query is ours, and runs with a pinned search_path.
pub fn rows<T>(query: &str, read: impl Fn(&SpiHeapTupleData) -> T) -> Vec<T> {
    super::pinned::with_search_path(|| {
        Spi::connect(|client| match client.select(query, None, &[]) {
            Ok(rows) => rows.map(|row| read(&row)).collect(),
            Err(error) => pgrx::error!("could not run a query of the extension: {error}"),
        })
    })
}

/// A column of a row, counted from 1.
pub fn column<T: FromDatum + IntoDatum>(row: &SpiHeapTupleData, number: usize) -> Option<T> {
    row.get(number).expect("the query has this column")
}
