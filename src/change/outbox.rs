//! The changes of the running transaction, until it commits.
//!
//! Each is tagged with the nesting level of the subtransaction that made it (savepoints and PL/pgSQL
//! exception blocks alike), so that a rollback leaves nothing of what it undid. Records stand one after
//! the other in one buffer: a bulk statement allocates no memory per row.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use super::cursor::ChangeOrder;
use super::recipients::Recipients;

/// A change that will be told if its transaction commits.
pub struct PendingChange {
    /// Subtransaction nesting level, 1 for the top level.
    level: i32,
    pub order: ChangeOrder,
    /// Oid of the relation.
    pub relation: u32,
    pub recipients: Rc<Recipients>,
    record: Range<usize>,
}

#[derive(Default)]
pub struct Outbox {
    changes: Vec<PendingChange>,
    records: Vec<u8>,
    arrivals: u64,
}

impl Outbox {
    pub const fn new() -> Self {
        Self {
            changes: Vec::new(),
            records: Vec::new(),
            arrivals: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes a change that subtransaction level `level` made by its command `command`.
    pub fn push(
        &mut self,
        level: i32,
        command: u32,
        is_delete: bool,
        relation: u32,
        recipients: &Rc<Recipients>,
        record: &[u8],
    ) {
        let start = self.records.len();
        self.records.extend_from_slice(record);
        self.changes.push(PendingChange {
            level,
            order: ChangeOrder::new(command, is_delete, self.arrivals),
            relation,
            recipients: Rc::clone(recipients),
            record: start..self.records.len(),
        });
        self.arrivals += 1;
    }

    /// The subtransaction at this level was rolled back, and those inside it with it. Their changes are the
    /// newest ones: since it began, nothing outside it could make any.
    pub fn at_sub_abort(&mut self, level: i32) {
        let kept = self
            .changes
            .iter()
            .rposition(|change| change.level < level)
            .map_or(0, |at| at + 1);
        self.changes.truncate(kept);
        self.records
            .truncate(self.changes.last().map_or(0, |change| change.record.end));
    }

    /// The subtransaction at this level was released: its changes are its parent's now.
    pub fn at_sub_commit(&mut self, level: i32) {
        for change in self
            .changes
            .iter_mut()
            .rev()
            .take_while(|change| change.level >= level)
        {
            change.level = level - 1;
        }
    }

    /// Brings the changes into the order in which they will be told.
    pub fn sort(&mut self) {
        self.changes.sort_unstable_by_key(|change| change.order);
    }

    /// The changes with their encoded records.
    pub fn iter(&self) -> impl Iterator<Item = (&PendingChange, &[u8])> {
        self.changes
            .iter()
            .map(|change| (change, &self.records[change.record.clone()]))
    }
}

thread_local! {
    static OUTBOX: RefCell<Outbox> = const { RefCell::new(Outbox::new()) };
}

/// The outbox of this backend's transaction. No user code may run inside `with`: a nested trigger would
/// come here again.
pub fn with<T>(with: impl FnOnce(&mut Outbox) -> T) -> T {
    OUTBOX.with_borrow_mut(with)
}

/// Takes the outbox away, which leaves an empty one.
pub fn take() -> Outbox {
    OUTBOX.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &mut Outbox, level: i32, command: u32, is_delete: bool, record: &[u8]) {
        outbox.push(level, command, is_delete, 1, &Rc::default(), record);
    }

    fn told(outbox: &mut Outbox) -> Vec<String> {
        outbox.sort();
        outbox
            .iter()
            .map(|(_, record)| String::from_utf8(record.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_rolled_back_savepoint_leaves_nothing() {
        let mut outbox = Outbox::default();
        push(&mut outbox, 1, 0, false, b"before");
        push(&mut outbox, 2, 1, false, b"inside");
        push(&mut outbox, 3, 2, false, b"deeper");
        outbox.at_sub_abort(2);
        push(&mut outbox, 1, 3, false, b"after");
        assert_eq!(told(&mut outbox), ["before", "after"]);
    }

    #[test]
    fn a_released_savepoint_goes_with_its_parent() {
        let mut outbox = Outbox::default();
        push(&mut outbox, 1, 0, false, b"before");
        push(&mut outbox, 3, 1, false, b"deeper");
        outbox.at_sub_commit(3);
        push(&mut outbox, 2, 2, false, b"inside");
        outbox.at_sub_abort(3);
        assert_eq!(told(&mut outbox), ["before", "deeper", "inside"]);
        outbox.at_sub_abort(2);
        assert_eq!(told(&mut outbox), ["before"]);
        outbox.at_sub_abort(1);
        assert!(outbox.is_empty());
    }

    #[test]
    fn changes_are_told_by_command_then_deletes_first_then_arrival() {
        let mut outbox = Outbox::default();
        push(
            &mut outbox,
            1,
            7,
            false,
            b"made by a trigger of the statement",
        );
        push(&mut outbox, 1, 5, false, b"insert 1");
        push(&mut outbox, 1, 5, true, b"delete 1");
        push(&mut outbox, 1, 5, false, b"insert 2");
        push(&mut outbox, 1, 5, true, b"delete 2");
        assert_eq!(
            told(&mut outbox),
            [
                "delete 1",
                "delete 2",
                "insert 1",
                "insert 2",
                "made by a trigger of the statement"
            ]
        );
    }
}
