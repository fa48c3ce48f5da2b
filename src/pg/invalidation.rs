//! What the server says of changes in its catalog.

use std::cell::Cell;

use pgrx::pg_guard;
use pgrx::pg_sys::{self, Datum, Oid};

/// Hears of one relation, or with `None` of all of them.
type OnRelation = fn(Option<Oid>);

thread_local! {
    static ON_RELATION: Cell<Option<OnRelation>> = const { Cell::new(None) };
    static ON_OBJECT: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Calls `on_relation` for each relation that has changed, with `None` for all of them, and `on_object` when a
/// role, a membership or a schema has. Called once per backend; the server has no way to take it back.
///
/// Both are called at any time, also in the middle of a look-up: they must make no backend call.
pub fn register(on_relation: OnRelation, on_object: fn()) {
    ON_RELATION.set(Some(on_relation));
    ON_OBJECT.set(Some(on_object));
    // SAFETY: called once per backend; the functions live as long as the library, which is never unloaded.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(relation_invalidated), Datum::null());
        for cache in [
            pg_sys::SysCacheIdentifier::AUTHOID,
            pg_sys::SysCacheIdentifier::AUTHMEMROLEMEM,
            pg_sys::SysCacheIdentifier::NAMESPACEOID,
        ] {
            pg_sys::CacheRegisterSyscacheCallback(
                cache as i32,
                Some(object_invalidated),
                Datum::null(),
            );
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn relation_invalidated(_arg: Datum, relation: Oid) {
    if let Some(on_relation) = ON_RELATION.get() {
        on_relation((relation != Oid::INVALID).then_some(relation));
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn object_invalidated(_arg: Datum, _cache: i32, _hash: u32) {
    if let Some(on_object) = ON_OBJECT.get() {
        on_object();
    }
}
