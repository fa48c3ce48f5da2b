//! From a fired trigger to the outbox: protocol checks, row images, and the cache of what is watched. Event triggers
//! follow what commands do to tracked relations.
//! What a change means, and for whom, is decided in `change/`.

mod control;
mod ddl;
mod gap;
mod levels;
mod protocol;
mod relation;
mod row;
mod trigger;
mod truncate;
pub mod value;

pub use ddl::{init, missed};
pub use gap::tell as tell_gaps;
