//! `event.sequenced`: which of the transactions that were committed without a place have theirs by now.

use super::epoch;
use super::registry::registry;
use crate::change::snapshot::Snapshot;
use crate::pg::scan_key::unsigned;
use crate::pg::table::{Read, RowId, Table};
use crate::pg::{snapshot, transaction};

const EPOCH: i16 = 1;
const SNAPSHOT: i16 = 3;

/// All transactions have their place that the snapshot sees, and all of earlier epochs.
#[derive(Debug)]
pub struct Sequenced {
    pub epoch: u16,
    pub snapshot: Snapshot,
}

impl Sequenced {
    /// Whether the transaction, which has been committed, has its place.
    pub fn covers(&self, epoch: u16, xid: u64) -> bool {
        epoch < self.epoch || (epoch == self.epoch && self.snapshot.sees(xid))
    }
}

/// As of the last time that somebody has given places; `None` if nobody has.
pub fn newest() -> Option<Sequenced> {
    let table = Table::open_to_look(registry().sequenced);
    let mut scan = table.scan(registry().sequenced_position, &[], Read::Latest);
    scan.next_back().map(|row| Sequenced {
        epoch: row.int4(EPOCH) as u16,
        snapshot: row.snapshot(SNAPSHOT),
    })
}

/// The caller, who holds the commit lock, has given places to all that the active snapshot sees, these excepted. Earlier rows go
/// later, so that a look without a snapshot finds one.
pub fn insert(rest: &[u64]) {
    let table = Table::open_to_write(registry().sequenced);
    let mut scan = table.scan(registry().sequenced_position, &[], Read::Latest);
    let mut earlier: Vec<RowId> = Vec::new();
    if scan.next_back().is_some() {
        while let Some(row) = scan.next_back() {
            earlier.push(row.id);
        }
    }
    drop(scan);
    for row in earlier {
        table.delete_unless_busy(row);
    }
    table.insert_row(&[
        Some(i32::from(epoch::begin()).into()),
        Some(unsigned(transaction::wal_position())),
        Some(snapshot::datum(&snapshot::active().without(rest))),
    ]);
}
