//! `event.log_0` and so on: the changed rows, several in a row of the table where they are short.
//!
//! A row has changes of one set of recipients, between which nothing else of that set can come, and is found by its last one.

use std::collections::BTreeMap;

use pgrx::pg_sys::Oid;

use super::segment_tables::Tables;
use crate::change::chunk::{self, Chunk};
use crate::change::cursor::ChangeOrder;
use crate::pg::bytes::Bytea;
use crate::pg::insert::Insert;
use crate::pg::row::Row;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Table};

const XID: i16 = 1;
const SET: i16 = 2;
pub(super) const COMMAND: i16 = 3;
pub(super) const ARRIVAL: i16 = 4;
pub(super) const RELATION: i16 = 5;
pub(super) const EPOCH: i16 = 6;
const CHANGES: i16 = 7;

/// A row with at most so many bytes of changes is stored without compression or TOAST. A longer one has one change, which readers
/// rely on: it can grow, but not shrink.
pub(super) const MOST_BYTES: usize = 1_900;

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

/// The scan that finds the changes of the transaction that concern the set.
pub(super) fn of_set(xid: u64, set: i64) -> Vec<Key> {
    vec![Key::xid8(XID, xid), Key::int8(SET, set)]
}

/// The last change of the transaction that concerns the set.
pub fn last(segment: &Tables, epoch: u16, xid: u64, set: i64, read: Read) -> Option<Entry> {
    let table = Table::open_to_look(segment.log);
    let mut scan = table.scan(segment.indexes().log_order, &of_set(xid, set), read);
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
    let mut scan = table.scan(segment.indexes().log_order, &[Key::xid8(XID, xid)], read);
    while let Some(row) = scan.next() {
        if row.int4(EPOCH) == i32::from(epoch) {
            for (_, record) in chunk::decode(&changes(&row)).unwrap_or_default() {
                visit(row.int8(SET), record);
            }
        }
    }
}

/// The changes that a row has.
pub(super) fn changes(row: &Row) -> Vec<u8> {
    row.bytes(CHANGES).expect("a NOT NULL column")
}

/// How long they are, without fetching them.
pub(super) fn length(row: &Row) -> usize {
    row.length(CHANGES)
}

/// That of its last change.
pub(super) fn last_order(row: &Row) -> ChangeOrder {
    ChangeOrder {
        command: row.int8(COMMAND) as u32,
        arrival: row.int8(ARRIVAL) as u64,
    }
}
