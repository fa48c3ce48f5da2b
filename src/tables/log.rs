//! `event.log`: a row per changed row.

use pgrx::pg_sys::Oid;

use super::registry::registry;
use crate::change::cursor::ChangeOrder;
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
const RECORD: i16 = 7;

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
    /// For the changes of the transaction with this id.
    pub fn open(epoch: u16, xid: u64) -> Self {
        Self {
            table: Table::open_to_write(registry().log),
            epoch,
            xid,
        }
    }

    pub fn append(&self) -> Append<'_> {
        Append {
            log: self,
            insert: self.table.insert(),
            buffer: Bytea::default(),
        }
    }
}

/// A running append; it has to be ended.
#[must_use]
pub struct Append<'log> {
    log: &'log Log,
    insert: Insert<'log>,
    buffer: Bytea,
}

impl Append<'_> {
    /// Appends one changed row.
    pub fn change(&mut self, set: i64, order: ChangeOrder, relation: Oid, record: &[u8]) {
        self.insert.row(&[
            Some(unsigned(self.log.xid)),
            Some(set.into()),
            Some(i64::from(order.command).into()),
            Some((order.arrival as i64).into()),
            Some(relation.into()),
            Some(i32::from(self.log.epoch).into()),
            Some(self.buffer.datum(record)),
        ]);
    }

    pub fn end(self) {
        self.insert.end();
    }
}

/// At most `limit` changes of the transaction that concern the set, from `from` on, in order.
pub fn read(
    epoch: u16,
    xid: u64,
    set: i64,
    from: Option<ChangeOrder>,
    limit: usize,
    read: Read,
) -> Vec<Entry> {
    let registry = registry();
    let table = Table::open_to_read(registry.log);
    let transaction = || vec![Key::xid8(XID, xid), Key::int8(SET, set)];
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
    let mut entries = Vec::new();
    for keys in scans {
        let mut scan = table.scan(registry.log_order, &keys, read);
        while entries.len() < limit
            && let Some(row) = scan.next()
        {
            // After a restore an older transaction can have the same id.
            if row.int4(EPOCH) == i32::from(epoch) {
                let record = row.bytes(RECORD).expect("a NOT NULL column");
                entries.push(Entry {
                    order: order(&row),
                    relation: row.oid(RELATION),
                    set,
                    record,
                });
            }
        }
    }
    entries
}

fn order(row: &Row) -> ChangeOrder {
    ChangeOrder {
        command: row.int8(COMMAND) as u32,
        arrival: row.int8(ARRIVAL) as u64,
    }
}
