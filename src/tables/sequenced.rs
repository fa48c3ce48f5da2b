//! `event.sequenced`: which of the transactions that were committed without a place have theirs by now.

use std::collections::HashSet;

use super::epoch;
use super::registry::registry;
use crate::change::snapshot::Snapshot;
use crate::pg::row::RowId;
use crate::pg::scan_key::unsigned;
use crate::pg::table::{Read, Table};
use crate::pg::{bytes, snapshot, transaction};

const EPOCH: i16 = 1;
const SNAPSHOT: i16 = 3;
const REST: i16 = 4;

/// All transactions have their place that the snapshot sees, but for the rest, and all of earlier epochs.
#[derive(Debug)]
pub struct Sequenced {
    pub epoch: u16,
    pub snapshot: Snapshot,
    /// The ids of those that come next, in order.
    pub rest: Vec<u64>,
}

impl Sequenced {
    /// Of transactions that have been committed, by epoch and id, this leaves those that have no place yet.
    pub fn retain_waiting(&self, transactions: &mut Vec<(u16, u64)>) {
        let rest: HashSet<u64> = self.rest.iter().copied().collect();
        transactions.retain(|&(epoch, xid)| {
            epoch > self.epoch
                || (epoch == self.epoch && (!self.snapshot.sees(xid) || rest.contains(&xid)))
        });
    }
}

/// As of the last time that somebody has given places; `None` if nobody has.
pub fn newest() -> Option<Sequenced> {
    // A long rest is not in the row itself, and at a commit there is no snapshot.
    let _snapshot = transaction::ActiveSnapshot::push();
    let table = Table::open_to_look(registry().sequenced);
    let mut scan = table.scan(registry().sequenced_position, &[], Read::Latest);
    scan.next_back().map(|row| Sequenced {
        epoch: row.int4(EPOCH) as u16,
        snapshot: row.snapshot(SNAPSHOT),
        rest: row.bytes(REST).map_or_else(Vec::new, |rest| ids(&rest)),
    })
}

/// The caller, who holds the commit lock, has given places to all that the snapshot sees, but for the rest. Earlier rows go
/// later, so that a look without a snapshot finds one.
pub fn insert(seen: &Snapshot, rest: &[u64]) {
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
        Some(snapshot::datum(seen)),
        (!rest.is_empty()).then(|| bytes::text(&bytes_of(rest))),
    ]);
}

fn bytes_of(ids: &[u64]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

fn ids(bytes: &[u8]) -> Vec<u64> {
    let (ids, _) = bytes.as_chunks();
    ids.iter().map(|id| u64::from_be_bytes(*id)).collect()
}
