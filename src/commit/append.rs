//! Writes the changes of a transaction to the log, unless its own row can hold them.

use std::collections::BTreeSet;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::interned;
use crate::change::inline;
use crate::change::outbox::Outbox;
use crate::change::recipients::Recipients;
use crate::tables::log::Log;
use crate::tables::transaction::Contents;

/// Stores the changes, which are in their order, or returns them for the transaction's row.
pub fn append(outbox: &Outbox, epoch: u16, xid: u64) -> Contents {
    if let Some(contents) = small(outbox) {
        return contents;
    }
    let log = Log::open(epoch, xid);
    let mut append = log.append();
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
        let relation = Oid::from_u32(change.relation);
        append.change(set, change.order, relation, record);
    }
    append.end();
    Contents::Logged {
        sets: sets.into_iter().collect(),
    }
}

/// A few short changes of one relation for the same recipients.
fn small(outbox: &Outbox) -> Option<Contents> {
    let (first, _) = outbox.iter().next()?;
    let alike = outbox.iter().all(|(change, _)| {
        change.relation == first.relation && change.recipients == first.recipients
    });
    if !alike {
        return None;
    }
    let changes = inline::encode(outbox.iter().map(|(change, record)| (change.order, record)))?;
    let set = interned::id(&first.recipients);
    Some(Contents::Inline {
        set,
        relation: Oid::from_u32(first.relation),
        changes,
    })
}
