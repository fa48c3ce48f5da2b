//! The segment that the running transaction writes to.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::registry;
use super::segment;
use super::segment_tables::Tables;
use crate::pg::{lock, transaction};

/// A segment that a transaction writes to.
struct Own {
    /// The nesting level that holds the lock.
    level: i32,
    /// Whose segment it is.
    extension: Option<Oid>,
    tables: Rc<Tables>,
}

thread_local! {
    /// Mostly one. There is another where a savepoint has made the extension anew, which may be rolled back.
    static OWN: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) };
}

/// The segment that this transaction writes to: the same one to its end. It is not closed before that.
pub fn get() -> Rc<Tables> {
    let extension = registry::extension();
    let known = OWN.with_borrow(|all| {
        let own = all.iter().find(|own| own.extension == extension)?;
        Some(Rc::clone(&own.tables))
    });
    if let Some(tables) = known {
        return tables;
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
            let own = Own {
                level: transaction::nest_level(),
                extension,
                tables: Rc::clone(&tables),
            };
            OWN.with_borrow_mut(|all| all.push(own));
            return tables;
        }
    }
}

/// The savepoint that held the lock has given it to its parent.
pub fn at_sub_commit(level: i32) {
    OWN.with_borrow_mut(|all| {
        for own in all {
            own.level = own.level.min(level - 1);
        }
    });
}

/// The lock is gone with the savepoint, and so is what was written.
pub fn at_sub_abort(level: i32) {
    OWN.with_borrow_mut(|all| all.retain(|own| own.level < level));
}

/// The transaction has ended.
pub fn clear() {
    OWN.with_borrow_mut(Vec::clear);
}
