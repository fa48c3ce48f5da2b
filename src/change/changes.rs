//! Changes that a transaction keeps in memory: their records stand one after the other in one buffer, so that a bulk
//! statement allocates no memory per row.

use std::ops::Range;
use std::rc::Rc;

use super::cursor::ChangeOrder;
use super::operation::Operation;
use super::recipients::Recipients;

/// A change that will be told if its transaction commits.
pub struct PendingChange {
    level: i32,
    pub order: ChangeOrder,
    pub(super) operation: Operation,
    /// Oid of the relation.
    pub relation: u32,
    pub recipients: Rc<Recipients>,
    record: Range<usize>,
}

/// Changes with their encoded records.
#[derive(Default)]
pub struct Changes {
    changes: Vec<PendingChange>,
    records: Vec<u8>,
    /// Where the first record stood in the buffer that they were taken from.
    base: usize,
}

impl Changes {
    pub(super) const fn new() -> Self {
        Self {
            changes: Vec::new(),
            records: Vec::new(),
            base: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Brings the changes into the order in which they will be told.
    pub fn sort(&mut self) {
        self.changes.sort_unstable_by_key(|change| change.order);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&PendingChange, &[u8])> {
        self.from(0)
    }

    /// The changes from this one on.
    pub(super) fn from(&self, at: usize) -> impl Iterator<Item = (&PendingChange, &[u8])> {
        self.changes[at..].iter().map(|change| {
            let record = change.record.start - self.base..change.record.end - self.base;
            (change, &self.records[record])
        })
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn push(
        &mut self,
        level: i32,
        order: ChangeOrder,
        operation: Operation,
        relation: u32,
        recipients: &Rc<Recipients>,
        record: &[u8],
    ) {
        let start = self.base + self.records.len();
        self.records.extend_from_slice(record);
        self.changes.push(PendingChange {
            level,
            order,
            operation,
            relation,
            recipients: Rc::clone(recipients),
            record: start..self.base + self.records.len(),
        });
    }

    /// Where the changes of this level begin; those inside it are among them. They are the newest ones: since the
    /// subtransaction began, nothing outside it could make any.
    pub(super) fn start_of(&self, level: i32) -> usize {
        self.changes.partition_point(|change| change.level < level)
    }

    /// Takes the changes from this one on away.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        if at == 0 {
            return std::mem::take(self);
        }
        let changes = self.changes.split_off(at);
        let base = self.changes[at - 1].record.end;
        Self {
            changes,
            records: self.records.split_off(base - self.base),
            base,
        }
    }

    /// Makes the changes of this level its parent's.
    pub(super) fn release(&mut self, level: i32) {
        let start = self.start_of(level);
        for change in &mut self.changes[start..] {
            change.level = level - 1;
        }
    }

    /// Takes away the last change of this level and kind that was made by a command from `since` on. Returns where it
    /// stood.
    pub(super) fn take_back(
        &mut self,
        level: i32,
        operation: Operation,
        relation: u32,
        since: u32,
    ) -> Option<usize> {
        let tail = self.changes.iter().enumerate().rev();
        let (at, _) = tail
            .take_while(|(_, change)| change.order.command >= since)
            .find(|(_, change)| {
                (change.level, change.operation, change.relation) == (level, operation, relation)
            })?;
        // Its record stays where it is: the next ones stand behind it.
        self.changes.remove(at);
        Some(at)
    }

    /// The bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.records.len() + size_of_val(self.changes.as_slice())
    }

    /// The bytes that those of this level take.
    pub(super) fn bytes_of(&self, level: i32) -> usize {
        let changes = &self.changes[self.start_of(level)..];
        let records = changes.first().map_or(0, |first| {
            self.base + self.records.len() - first.record.start
        });
        records + size_of_val(changes)
    }
}
