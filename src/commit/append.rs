//! Writes the changes of a transaction to the log.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::interned;
use crate::change::outbox::Outbox;
use crate::change::recipients::Recipients;
use crate::tables::log;

/// Appends the changes and returns the sets of recipients that they concern, ascending.
pub fn append(outbox: &Outbox, epoch: u16, xid: u64) -> Vec<i64> {
    let table = log::open();
    let mut insert = table.insert();
    let mut sets = BTreeSet::new();
    // Neighbours mostly concern the same recipients.
    let mut last: Option<(*const Recipients, i64)> = None;
    for (change, record) in outbox.iter() {
        let recipients = Rc::as_ptr(&change.recipients);
        let set = match last {
            Some((pointer, set)) if pointer == recipients => set,
            _ => interned::id(&change.recipients),
        };
        last = Some((recipients, set));
        sets.insert(set);
        let relation = pgrx::pg_sys::Oid::from_u32(change.relation);
        log::append(&mut insert, epoch, xid, set, change.order, relation, record);
    }
    insert.end();
    sets.into_iter().collect()
}
