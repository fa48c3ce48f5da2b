//! From a fired trigger to the outbox: protocol checks, row images, and the cache of what is watched.
//! What a change means, and for whom, is decided in `change/`.

pub mod invalidation;
mod relation;
mod row;
mod trigger;
mod value;

/// Registers the callbacks that keep the cache of watched relations true; called once per backend.
pub fn init() {
    invalidation::init();
}
