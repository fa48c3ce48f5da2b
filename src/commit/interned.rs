//! Recipient sets that this backend has seen stored, so that a set is looked up once.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys::Oid;
use rustc_hash::FxHashMap;

use crate::change::recipients::Recipients;
use crate::pg::transaction::ActiveSnapshot;
use crate::tables::segment_tables::Tables;
use crate::tables::{recipient_set, registry};

/// So many are kept; a set costs a look-up when it is met again.
const MOST: usize = 10_000;

#[derive(Default)]
struct Interned {
    /// The extension, and its segment that the sets are stored in.
    place: (Option<Oid>, i64),
    /// Stored by committed transactions.
    known: FxHashMap<Rc<Recipients>, i64>,
    /// Stored by this transaction.
    own: FxHashMap<Rc<Recipients>, i64>,
    /// The one that was asked for last: mostly it is the same again, and a large one takes long to compare.
    last: Option<(Rc<Recipients>, i64)>,
}

thread_local! {
    static INTERNED: RefCell<Interned> = RefCell::default();
}

/// The id of the set with these recipients that is stored in this transaction's segment; it is stored if it is not found.
pub fn id(segment: &Tables, recipients: &Rc<Recipients>) -> i64 {
    let place = (registry::extension(), segment.number);
    let seen = INTERNED.with_borrow_mut(|interned| {
        if interned.place != place {
            *interned = Interned {
                place,
                ..Interned::default()
            };
        }
        if let Some((last, id)) = &interned.last
            && Rc::ptr_eq(last, recipients)
        {
            return Some(*id);
        }
        let known = interned.known.get(recipients);
        let seen = known.or_else(|| interned.own.get(recipients)).copied();
        interned.last = seen.map(|id| (Rc::clone(recipients), id));
        seen
    });
    if let Some(id) = seen {
        return id;
    }
    let _snapshot = ActiveSnapshot::push();
    // What is found may be this transaction's own, so it is not trusted any longer than that.
    let id = recipient_set::find(segment, recipients)
        .unwrap_or_else(|| recipient_set::insert(segment, recipients));
    INTERNED.with_borrow_mut(|interned| {
        interned.own.insert(Rc::clone(recipients), id);
        // The commit must not ask for memory.
        interned.known.reserve(interned.own.len());
    });
    id
}

/// What this transaction has found or stored is stored for good.
pub fn at_commit() {
    INTERNED.with_borrow_mut(|interned| {
        if interned.known.len() + interned.own.len() > MOST {
            interned.known.clear();
        }
        interned.known.extend(interned.own.drain());
    });
}

/// What this transaction has stored is not there.
pub fn at_rollback() {
    INTERNED.with_borrow_mut(|interned| {
        interned.own.clear();
        interned.last = None;
    });
}
