//! From a fired trigger to the outbox: protocol checks, row images, and the cache of what is watched.
//! What a change means, and for whom, is decided in `change/`.

mod relation;
mod row;
mod trigger;
pub mod value;
