//! `event.log_0` and so on: the changed rows, several in a row of the table where they are short.
//!
//! A row has changes of one set of recipients, between which nothing else of that set can come, and is found by its last one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::Range;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::segment::Tables;
use crate::change::chunk::{self, Chunk};
use crate::change::cursor::ChangeOrder;
use crate::error::{Error, raise};
use crate::pg::bytes::Bytea;
use crate::pg::insert::Insert;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Row, Table};

const XID: i16 = 1;
const SET: i16 = 2;
const COMMAND: i16 = 3;
const ARRIVAL: i16 = 4;
const RELATION: i16 = 5;
const EPOCH: i16 = 6;
const CHANGES: i16 = 7;

/// A row with at most so many bytes of changes is stored without compression or TOAST. A longer one has one change, which readers
/// rely on: it can grow, but not shrink.
const MOST_BYTES: usize = 1_900;

/// So many rows can wait for more changes: of more sets in turn few have two of them soon.
const MOST_UNWRITTEN: usize = 100;

/// A changed row as it is stored.
pub struct Entry {
    pub order: ChangeOrder,
    pub relation: Oid,
    pub set: i64,
    pub record: Vec<u8>,
}

/// The log, while a transaction writes its changes.
pub struct Log {
    table: Table,
    epoch: u16,
    xid: u64,
}

impl Log {
    /// For the changes of the transaction with this id, in its segment.
    pub fn open(segment: &Tables, epoch: u16, xid: u64) -> Self {
        Self {
            table: Table::open_to_write(segment.log),
            epoch,
            xid,
        }
    }

    pub fn append(&self) -> Append<'_> {
        Append {
            log: self,
            insert: self.table.insert(),
            unwritten: BTreeMap::new(),
            last: None,
            buffer: Bytea::default(),
        }
    }
}

/// A running append; it has to be ended.
#[must_use]
pub struct Append<'log> {
    log: &'log Log,
    insert: Insert<'log>,
    /// The rows that may get more changes, by set.
    unwritten: BTreeMap<i64, Unwritten>,
    /// The last change.
    last: Option<ChangeOrder>,
    buffer: Bytea,
}

/// A row that may get more changes.
struct Unwritten {
    relation: Oid,
    last: ChangeOrder,
    chunk: Chunk,
}

impl Append<'_> {
    /// Appends one changed row. They come in their order, or as they have arrived.
    pub fn change(&mut self, set: i64, order: ChangeOrder, relation: Oid, record: &[u8]) {
        // What lies between can have been written before, or come later.
        let is_next = self.last.is_some_and(|last| order.is_next_after(last));
        if !is_next || self.unwritten.len() == MOST_UNWRITTEN {
            self.write_all();
        }
        self.last = Some(order);
        if let Some(row) = self.unwritten.get_mut(&set)
            && row.relation == relation
            && row.chunk.has_room(record, MOST_BYTES)
        {
            row.last = order;
            row.chunk.push(order, record);
            return;
        }
        let mut chunk = Chunk::for_bytes(record.len());
        chunk.push(order, record);
        let row = Unwritten {
            relation,
            last: order,
            chunk,
        };
        if let Some(full) = self.unwritten.insert(set, row) {
            self.write(set, &full);
        }
    }

    fn write_all(&mut self) {
        for (set, row) in std::mem::take(&mut self.unwritten) {
            self.write(set, &row);
        }
    }

    fn write(&mut self, set: i64, row: &Unwritten) {
        self.insert.row(&[
            Some(unsigned(self.log.xid)),
            Some(set.into()),
            Some(i64::from(row.last.command).into()),
            Some((row.last.arrival as i64).into()),
            Some(row.relation.into()),
            Some(i32::from(self.log.epoch).into()),
            Some(self.buffer.datum(row.chunk.bytes())),
        ]);
    }

    pub fn end(mut self) {
        self.write_all();
        self.insert.end();
    }
}

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

/// So many entries are kept at a time, of all sources together, and at most so many of one.
const KEPT: usize = 10_000;
const KEPT_OF_ONE: usize = 1_000;

/// So many bytes of records are kept at a time, of all sources together. A longer record is read when it is its turn.
const KEPT_BYTES: usize = 8 << 20;

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
        let transaction = || of_set(self.xid, set);
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
            let mut scan = table.scan(self.segment.log_order, &keys, self.read);
            while let Some(row) = scan.next() {
                // After a restore an older transaction can have the same id.
                if row.int4(EPOCH) != i32::from(self.epoch) {
                    continue;
                }
                if entries.len() == limit || left == 0 {
                    return (entries, false);
                }
                let length = row.length(CHANGES);
                // A longer row has one change, and tells its order without it.
                let is_short = length > left.max(MOST_BYTES);
                left = left.saturating_sub(length);
                if is_short {
                    let entry = Entry {
                        order: last_order(&row),
                        relation: row.oid(RELATION),
                        set,
                        record: Vec::new(),
                    };
                    entries.push_back(Kept { entry, is_short });
                } else {
                    let changes = changes(&row);
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

/// The changes of the transaction that concern the set.
fn of_set(xid: u64, set: i64) -> Vec<Key> {
    vec![Key::xid8(XID, xid), Key::int8(SET, set)]
}

/// The last change of the transaction that concerns the set.
pub fn last(segment: &Tables, epoch: u16, xid: u64, set: i64, read: Read) -> Option<Entry> {
    let table = Table::open_to_look(segment.log);
    let mut scan = table.scan(segment.log_order, &of_set(xid, set), read);
    while let Some(row) = scan.next_back() {
        if row.int4(EPOCH) == i32::from(epoch) {
            let changes = changes(&row);
            let (order, record) = chunk::decode(&changes)?.pop()?;
            return Some(Entry {
                order,
                relation: row.oid(RELATION),
                set,
                record: record.to_vec(),
            });
        }
    }
    None
}

/// Visits all changes of the transaction, by set: the set, and the record.
pub fn visit(
    segment: &Tables,
    epoch: u16,
    xid: u64,
    read: Read,
    mut visit: impl FnMut(i64, &[u8]),
) {
    let table = Table::open_to_look(segment.log);
    let mut scan = table.scan(segment.log_order, &[Key::xid8(XID, xid)], read);
    while let Some(row) = scan.next() {
        if row.int4(EPOCH) == i32::from(epoch) {
            for (_, record) in chunk::decode(&changes(&row)).unwrap_or_default() {
                visit(row.int8(SET), record);
            }
        }
    }
}

fn changes(row: &Row) -> Vec<u8> {
    row.bytes(CHANGES).expect("a NOT NULL column")
}

fn last_order(row: &Row) -> ChangeOrder {
    ChangeOrder {
        command: row.int8(COMMAND) as u32,
        arrival: row.int8(ARRIVAL) as u64,
    }
}
