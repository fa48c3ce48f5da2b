//! The changes of a transaction in their order, read from the log for several sets of recipients at once, within a bound of memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::log::{self, ARRIVAL, COMMAND, EPOCH, Entry, MOST_BYTES, RELATION};
use super::segment_tables::Tables;
use crate::change::chunk;
use crate::change::cursor::ChangeOrder;
use crate::error::{Error, raise};
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Table};

/// So many entries are kept at a time, of all sources together, and at most so many of one.
const KEPT: usize = 10_000;
const KEPT_OF_ONE: usize = 1_000;

/// So many bytes of records are kept at a time, of all sources together. A longer record is read when it is its turn.
const KEPT_BYTES: usize = 8 << 20;

/// The changes of one transaction in their order, of several recipient sets: the log has them in order for each set.
pub struct Merge {
    segment: Rc<Tables>,
    epoch: u16,
    xid: u64,
    from: Option<ChangeOrder>,
    read: Read,
    sources: Vec<Source>,
    /// The places of the sources before the first read.
    unread: Range<usize>,
    /// The place of each source's next entry, the first on top.
    heads: BinaryHeap<Reverse<(ChangeOrder, usize)>>,
}

/// An entry, and whether its record is still to be read.
struct Kept {
    entry: Entry,
    is_short: bool,
}

impl Kept {
    /// The changes of a row from `from` on. Raises 55000 if this library does not know their form.
    fn of_chunk(
        set: i64,
        relation: Oid,
        changes: &[u8],
        from: Option<ChangeOrder>,
    ) -> impl Iterator<Item = Self> {
        let changes = chunk::decode(changes).unwrap_or_else(|| raise(Error::ExtensionOutOfDate));
        changes
            .into_iter()
            .filter(move |(order, _)| from.is_none_or(|from| *order >= from))
            .map(move |(order, record)| Self {
                entry: Entry {
                    order,
                    relation,
                    set,
                    record: record.to_vec(),
                },
                is_short: false,
            })
    }
}

/// The changes that concern one set.
struct Source {
    set: i64,
    entries: VecDeque<Kept>,
    /// Whether all that is left is in `entries`.
    is_whole: bool,
}

impl Merge {
    /// Begins with the change at `from`. The sources come next.
    pub fn new(
        segment: Rc<Tables>,
        epoch: u16,
        xid: u64,
        from: Option<ChangeOrder>,
        read: Read,
    ) -> Self {
        Self {
            segment,
            epoch,
            xid,
            from,
            read,
            sources: Vec::new(),
            unread: 0..0,
            heads: BinaryHeap::new(),
        }
    }

    /// Adds the changes that are in the log for this set.
    pub fn add_set(&mut self, set: i64) {
        self.sources.push(Source {
            set,
            entries: VecDeque::new(),
            is_whole: false,
        });
        self.unread = 0..self.sources.len();
    }

    /// Adds the changes of a transaction's row, all of this relation. Raises 55000 if this library does not know their form.
    pub fn add_inline(&mut self, set: i64, relation: Oid, changes: &[u8]) {
        let entries: VecDeque<Kept> = Kept::of_chunk(set, relation, changes, self.from).collect();
        let head = entries.front().map(|kept| kept.entry.order);
        let place = self.sources.len();
        self.heads.extend(head.map(|head| Reverse((head, place))));
        self.sources.push(Source {
            set,
            entries,
            is_whole: true,
        });
    }

    /// The next change.
    pub fn next(&mut self) -> Option<Entry> {
        // Read only now that it is known how many share the memory.
        for place in std::mem::replace(&mut self.unread, 0..0) {
            if !self.sources[place].is_whole {
                self.refill(place, self.from);
            }
        }
        let Reverse((order, place)) = self.heads.pop()?;
        let source = &mut self.sources[place];
        let mut kept = source.entries.pop_front()?;
        if kept.is_short {
            let set = source.set;
            kept = self.read(set, Some(order), 1, usize::MAX).0.pop_front()?;
        }
        let source = &self.sources[place];
        match source.entries.front() {
            Some(next) => self.heads.push(Reverse((next.entry.order, place))),
            None if source.is_whole => {}
            None => {
                let next = ChangeOrder {
                    arrival: order.arrival + 1,
                    ..order
                };
                self.refill(place, Some(next));
            }
        }
        Some(kept.entry)
    }

    fn refill(&mut self, place: usize, from: Option<ChangeOrder>) {
        let count = self.sources.len();
        let (entries, is_whole) = self.read(
            self.sources[place].set,
            from,
            (KEPT / count).clamp(1, KEPT_OF_ONE),
            KEPT_BYTES / count,
        );
        let source = &mut self.sources[place];
        (source.entries, source.is_whole) = (entries, is_whole);
        if let Some(next) = source.entries.front() {
            self.heads.push(Reverse((next.entry.order, place)));
        }
    }

    /// At most `limit` changes of the transaction that concern the set, from `from` on, in order, and whether these are
    /// all; it stops behind the row of the log with which it has `bytes` bytes.
    fn read(
        &self,
        set: i64,
        from: Option<ChangeOrder>,
        limit: usize,
        bytes: usize,
    ) -> (VecDeque<Kept>, bool) {
        let table = Table::open_to_look(self.segment.log);
        let transaction = || log::of_set(self.xid, set);
        let scans = match from {
            None => vec![transaction()],
            // The rest of the command, then the later ones.
            Some(from) => {
                let mut rest = transaction();
                rest.extend([
                    Key::int8(COMMAND, from.command.into()),
                    Key::int8_at_least(ARRIVAL, from.arrival as i64),
                ]);
                let mut later = transaction();
                later.push(Key::int8_at_least(COMMAND, i64::from(from.command) + 1));
                vec![rest, later]
            }
        };
        let mut entries = VecDeque::new();
        let mut left = bytes;
        for keys in scans {
            let mut scan = table.scan(self.segment.indexes().log_order, &keys, self.read);
            while let Some(row) = scan.next() {
                // After a restore an older transaction can have the same id.
                if row.int4(EPOCH) != i32::from(self.epoch) {
                    continue;
                }
                if entries.len() == limit || left == 0 {
                    return (entries, false);
                }
                let length = log::length(&row);
                // A longer row has one change, and tells its order without it.
                let is_short = length > left.max(MOST_BYTES);
                left = left.saturating_sub(length);
                if is_short {
                    let entry = Entry {
                        order: log::last_order(&row),
                        relation: row.oid(RELATION),
                        set,
                        record: Vec::new(),
                    };
                    entries.push_back(Kept { entry, is_short });
                } else {
                    let changes = log::changes(&row);
                    let mut kept = Kept::of_chunk(set, row.oid(RELATION), &changes, from);
                    entries.extend(kept.by_ref().take(limit - entries.len()));
                    if kept.next().is_some() {
                        return (entries, false);
                    }
                }
            }
        }
        (entries, true)
    }
}
