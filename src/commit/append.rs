//! Writes the changes of a transaction to the log, unless its own row can hold them.

use std::collections::BTreeSet;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::interned;
use crate::change::chunk::{self, Chunk};
use crate::change::outbox::Changes;
use crate::change::recipients::Recipients;
use crate::pg::fault;
use crate::pg::transaction::top_xid;
use crate::tables::contents::Contents;
use crate::tables::epoch;
use crate::tables::log::Log;
use crate::tables::own_segment;
use crate::tables::segment_tables::Tables;
use crate::tables::unsequenced::Unsequenced;

/// A transaction's row with at most so many bytes of changes is stored without compression or TOAST.
const MOST_BYTES: usize = 1_600;

/// Stores the changes, which are in their order, in the log, or returns them for the transaction's row.
pub fn small_or_logged(changes: &Changes) -> Contents {
    let segment = own_segment::get();
    small(&segment, changes).unwrap_or_else(|| {
        let sets = append(&segment, changes, epoch::begin(), top_xid());
        Contents::logged(sets, changes.len() as u64)
    })
}

/// The changes for the transaction's row: a few short ones of one relation for the same recipients.
fn small(segment: &Tables, changes: &Changes) -> Option<Contents> {
    let (first, record) = changes.iter().next()?;
    fault::point("append");
    let mut chunk = Chunk::for_bytes(record.len());
    for (change, record) in changes.iter() {
        let is_alike = change.relation == first.relation && change.recipients == first.recipients;
        if !is_alike || !chunk.has_room(record, MOST_BYTES) {
            return None;
        }
        chunk.push(change.order, record);
    }
    let set = interned::id(segment, &first.recipients);
    Some(Contents::Inline {
        set,
        relation: Oid::from_u32(first.relation),
        changes: chunk.into_bytes(),
    })
}

/// Stores the changes of the transaction's row in the log.
pub fn from_row(transaction: &Unsequenced, contents: &Contents) {
    let Contents::Inline {
        set,
        relation,
        changes,
    } = contents
    else {
        return;
    };
    let log = Log::open(
        &transaction.segment,
        transaction.epoch,
        transaction.source.xid,
    );
    let mut append = log.append();
    for (order, record) in chunk::decode(changes).expect("we have just written it") {
        append.change(*set, order, *relation, record);
    }
    append.end();
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
