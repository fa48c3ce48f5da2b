//! What a change is, whom it concerns and what it says. Pure: no backend call is made from here, so
//! every rule is a plain `#[test]` beside the code.
//!
//! A row image is reached through [`diff::RowPair`], which `capture/row` implements.

mod changes;
pub mod chunk;
pub mod cursor;
mod deletes;
pub mod diff;
pub mod digits;
pub mod event;
pub mod gaps;
pub mod json;
pub mod lineage;
pub mod matching;
pub mod operation;
pub mod outbox;
pub mod payload;
pub mod recipients;
pub mod record;
pub mod relation;
pub mod replay;
mod resets;
pub mod snapshot;
