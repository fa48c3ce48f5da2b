//! Sessions, relations and privileges as a commit needs them: cached per backend, since each asks for them.
//! Everything is forgotten when a relation, a role, a schema or a session changes, so that a transaction that
//! alters a relation after it has changed its rows tells what a reader of the inbox is told.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys::Oid;
use rustc_hash::FxHashMap;

use super::invalidation;
use super::session::{self, Session};
use crate::change::event::Readable;
use crate::change::operation::SessionId;
use crate::change::recipients::Recipients;
use crate::change::relation::RelationNames;
use crate::pg::relation::{self, Description};
use crate::pg::role;

#[derive(Default)]
struct Cache {
    /// As [`invalidation::generation`] counts it.
    generation: u64,
    sessions: FxHashMap<SessionId, Rc<Session>>,
    relations: FxHashMap<Oid, Option<Rc<Relation>>>,
}

/// A relation as events tell it.
pub struct Relation {
    pub names: RelationNames,
    description: Description,
    /// By role.
    readable: RefCell<FxHashMap<Oid, Rc<Readable>>>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// The session, if it exists.
pub fn session(id: SessionId) -> Option<Rc<Session>> {
    let generation = invalidation::generation();
    if let Some(known) = cached(|cache| cache.sessions.get(&id).cloned()) {
        return Some(known);
    }
    let found = Rc::new(session::find(id)?);
    keep(generation, |cache| {
        cache.sessions.insert(id, Rc::clone(&found))
    });
    Some(found)
}

/// The relation, if it exists.
pub fn relation(oid: Oid) -> Option<Rc<Relation>> {
    let generation = invalidation::generation();
    if let Some(known) = cached(|cache| cache.relations.get(&oid).cloned()) {
        return known;
    }
    let found = relation::peek(oid).map(|description| {
        Rc::new(Relation {
            names: description.names(),
            description,
            readable: RefCell::default(),
        })
    });
    keep(generation, |cache| {
        cache.relations.insert(oid, found.clone())
    });
    found
}

/// Without the sessions whose owner may not read any of the relation: they get nothing of it, and what concerns only
/// them is not worth a lock.
pub fn who_may_read(relation: Oid, recipients: &Recipients) -> Recipients {
    let Some(relation) = self::relation(relation) else {
        return Recipients::default();
    };
    recipients.filter(|recipient| {
        session(recipient.session)
            .is_some_and(|session| !relation.readable(session.owner).is_nothing())
    })
}

impl Relation {
    /// Whether the role may not read the key, or no column at all, so that no row could be told to it. Row-level security
    /// withholds everything, but is no lack of privileges.
    pub fn is_closed_to(&self, role: Oid) -> bool {
        let readable = self.readable(role);
        let mut key = self.description.key.iter();
        !self.description.row_security
            && (readable.is_nothing() || key.any(|&column| !readable.contains(column)))
    }

    /// Which columns the role may read.
    pub fn readable(&self, role: Oid) -> Rc<Readable> {
        if let Some(known) = self.readable.borrow().get(&role) {
            return Rc::clone(known);
        }
        let found = Rc::new(role::readable(role, &self.description));
        self.readable.borrow_mut().insert(role, Rc::clone(&found));
        found
    }
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

/// Keeps what was found, unless an invalidation has come since we began to look.
fn keep<T>(begun: u64, keep: impl FnOnce(&mut Cache) -> T) {
    if begun == invalidation::generation() {
        cached(keep);
    }
}
