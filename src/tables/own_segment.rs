//! The segment that the running transaction writes to.

use std::cell::RefCell;
use std::rc::Rc;

use super::registry;
use super::segment;
use super::segment_tables::Tables;
use crate::pg::{lock, transaction};

/// A segment that a transaction writes to.
#[derive(Clone)]
struct Own {
    /// The nesting level that holds the lock.
    level: i32,
    /// Of the registry.
    generation: u64,
    tables: Rc<Tables>,
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// The segment that this transaction writes to: the same one to its end. It is not closed before that.
pub fn get() -> Rc<Tables> {
    let generation = registry::generation();
    // Of another generation it is gone: the transaction has dropped the extension, and created it anew.
    if let Some(own) = OWN.with_borrow(Clone::clone)
        && own.generation == generation
    {
        return own.tables;
    }
    loop {
        let tables = segment::ring().active().tables();
        // Who closes a segment first opens the next one, and then takes a lock that this one excludes. So there is
        // nobody to wait for where this is the active one.
        if !lock::try_relation_row_exclusive(tables.log)
            && segment::ring().active().number == tables.number
        {
            lock::relation_row_exclusive(tables.log);
        }
        if segment::ring().active().number == tables.number {
            OWN.set(Some(Own {
                level: transaction::nest_level(),
                generation,
                tables: Rc::clone(&tables),
            }));
            return tables;
        }
    }
}

/// The savepoint that held the lock has given it to its parent.
pub fn at_sub_commit(level: i32) {
    OWN.with_borrow_mut(|own| {
        if let Some(own) = own
            && own.level >= level
        {
            own.level = level - 1;
        }
    });
}

/// The lock is gone with the savepoint, and so is what was written.
pub fn at_sub_abort(level: i32) {
    OWN.with_borrow_mut(|own| own.take_if(|own| own.level >= level));
}

/// The transaction has ended.
pub fn clear() {
    OWN.set(None);
}
