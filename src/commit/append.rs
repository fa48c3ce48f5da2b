//! Writes the changes of a transaction to the log, unless its own row can hold them.

use std::collections::BTreeSet;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::interned;
use crate::change::inline;
use crate::change::outbox::Changes;
use crate::change::recipients::Recipients;
use crate::pg::fault;
use crate::tables::log::Log;
use crate::tables::segment::Tables;
use crate::tables::transaction::Contents;

/// The changes, which are in their order, for the transaction's row: a few short ones of one relation for the same
/// recipients.
pub fn small(segment: &Tables, changes: &Changes) -> Option<Contents> {
    let (first, _) = changes.iter().next()?;
    fault::point("append");
    let alike = changes.iter().all(|(change, _)| {
        change.relation == first.relation && change.recipients == first.recipients
    });
    if !alike {
        return None;
    }
    let encoded = inline::encode(
        changes
            .iter()
            .map(|(change, record)| (change.order, record)),
    )?;
    let set = interned::id(segment, &first.recipients);
    Some(Contents::Inline {
        set,
        relation: Oid::from_u32(first.relation),
        changes: encoded,
    })
}

/// Stores the changes in the log, in the order in which they stand. Returns their recipient sets.
pub fn append(segment: &Tables, changes: &Changes, epoch: u16, xid: u64) -> BTreeSet<i64> {
    let log = Log::open(segment, epoch, xid);
    let mut append = log.append();
    fault::point("append");
    let mut sets = BTreeSet::new();
    // Neighbours mostly concern the same recipients.
    let mut last: Option<(*const Recipients, i64)> = None;
    for (change, record) in changes.iter() {
        let recipients = Rc::as_ptr(&change.recipients);
        let set = match last {
            Some((pointer, set)) if pointer == recipients => set,
            _ => interned::id(segment, &change.recipients),
        };
        last = Some((recipients, set));
        sets.insert(set);
        let relation = Oid::from_u32(change.relation);
        append.change(set, change.order, relation, record);
    }
    append.end();
    sets
}
