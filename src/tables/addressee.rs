//! Sessions and their owners' privileges as the write path needs them: cached per backend, since a commit
//! asks for them each time. Everything is forgotten when a relation, a role or a session changes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::invalidation;
use super::session::{self, Session};
use crate::change::event::Readable;
use crate::change::operation::SessionId;
use crate::pg::role;

#[derive(Default)]
struct Cache {
    /// Of the catalog, as [`invalidation::generation`] counts it.
    generation: u64,
    sessions: HashMap<SessionId, Rc<Session>>,
    /// By relation and role.
    readable: HashMap<(Oid, Oid), Rc<Readable>>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// The session, if it exists.
pub fn session(id: SessionId) -> Option<Rc<Session>> {
    if let Some(known) = cached(|cache| cache.sessions.get(&id).cloned()) {
        return Some(known);
    }
    let found = Rc::new(session::find(id)?);
    cached(|cache| cache.sessions.insert(id, Rc::clone(&found)));
    Some(found)
}

/// Which columns of the relation the role may read now: none if the relation is gone.
pub fn readable(relation: Oid, owner: Oid) -> Rc<Readable> {
    if let Some(known) = cached(|cache| cache.readable.get(&(relation, owner)).cloned()) {
        return known;
    }
    let found = Rc::new(role::readable_now(owner, relation));
    cached(|cache| cache.readable.insert((relation, owner), Rc::clone(&found)));
    found
}

fn cached<T>(ask: impl FnOnce(&mut Cache) -> T) -> T {
    let generation = invalidation::generation();
    CACHE.with_borrow_mut(|cache| {
        if cache.generation != generation {
            *cache = Cache {
                generation,
                ..Cache::default()
            };
        }
        ask(cache)
    })
}
