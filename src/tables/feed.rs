//! The feed, while the holder of the commit lock adds to it.

use std::collections::BTreeSet;
use std::rc::Rc;

use pgrx::pg_sys::Datum;

use super::contents::Contents;
use super::segment::{self, State};
use super::segment_tables::Tables;
use super::set_transaction::{SET, SET_EPOCH, SET_POSITION};
use super::stretch;
use super::transaction::{
    CHANGES, EPOCH, LEADS, POSITION, Placed, RELATION, TRANSACTION_SET, newest_of_epoch,
};
use crate::pg::bytes;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Table};

/// The newest transaction of this epoch: every other one that has its place ended its commit before we got the commit lock.
pub fn newest(epoch: u16) -> Option<Placed> {
    let ring = segment::ring();
    let live = ring.live.iter().filter_map(|segment| match segment.state {
        State::Open => newest_of_epoch(&segment.tables(), epoch, Read::Latest),
        State::Closed(end) => end.map(Placed::from),
    });
    live.chain(ring.removed.map(Placed::from))
        .filter(|placed| placed.position.epoch == epoch)
        .max_by_key(|placed| placed.position)
}

/// Where the transactions of a segment get their places.
pub struct Feed {
    segment: Rc<Tables>,
    transactions: Table,
}

impl Feed {
    /// For transactions that have written to this segment.
    pub fn open(segment: Rc<Tables>) -> Self {
        let transactions = Table::open_to_write(segment.transaction);
        Self {
            segment,
            transactions,
        }
    }

    /// Gives a transaction its place, and each set of recipients a way to find it. The caller holds the commit lock.
    pub fn insert(&self, transaction: &Placed, contents: &Contents) {
        let alone = match contents.sets() {
            [set] => Some(*set),
            _ => None,
        };
        let leads = alone.is_some_and(|set| stretch::leads(set, transaction.position));
        self.insert_row(&values(transaction, alone, leads, contents.values()), leads);
        if alone.is_none() {
            self.insert_sets(transaction, contents.sets().iter().copied());
        }
    }

    fn insert_row(&self, row: &[Option<Datum>], leads: bool) {
        // Each transaction would pay for opening it.
        let passed_over = (!leads).then_some(self.segment.indexes().transaction_leading);
        self.transactions.insert_row_without(passed_over, row);
    }

    fn insert_sets(&self, transaction: &Placed, sets: impl Iterator<Item = i64>) {
        let table = Table::open_to_write(self.segment.transaction_set);
        let [epoch, lsn] = place(transaction);
        let mut insert = table.insert();
        for set in sets {
            insert.row(&[Some(set.into()), epoch, lsn]);
        }
        insert.end();
    }

    /// This transaction, which has its place, concerns these sets, too: more of its changes are in the log. Those that are in
    /// its row are given to `log`.
    pub fn extend(&self, transaction: &Placed, sets: &BTreeSet<i64>, log: impl FnOnce(&Contents)) {
        let (epoch, lsn) = (transaction.position.epoch, transaction.position.lsn);
        let keys = [Key::int4(EPOCH, epoch.into()), Key::lsn(POSITION, lsn)];
        let index = self.segment.indexes().transaction_position;
        let mut scan = self.transactions.scan(index, &keys, Read::Latest);
        let row = scan.next().expect("inserted by this transaction");
        let alone = row.unsigned(TRANSACTION_SET).map(|set| set as i64);
        if let (Some(set), Some(changes)) = (alone, row.bytes(CHANGES)) {
            log(&Contents::Inline {
                set,
                relation: row.oid(RELATION),
                changes,
            });
        }
        let (id, led) = (row.id, row.bool(LEADS));
        drop(scan);
        let mut all: BTreeSet<i64> = sets.iter().copied().chain(alone).collect();
        let still_alone = alone.filter(|_| all.len() == 1);
        let leads = led && still_alone.is_some();
        if let Some(set) = alone.filter(|_| led && !leads) {
            stretch::does_not_lead(set, transaction.position);
        }
        assert!(self.transactions.delete(id), "the own row");
        self.insert_row(
            &values(transaction, still_alone, leads, [None, None]),
            leads,
        );
        if still_alone.is_none() {
            if alone.is_none() {
                all.retain(|&set| !self.has_set(transaction, set));
            }
            self.insert_sets(transaction, all.into_iter());
        }
    }

    /// Whether the set finds this transaction, which concerns others, too.
    fn has_set(&self, transaction: &Placed, set: i64) -> bool {
        let table = Table::open_to_read(self.segment.transaction_set);
        let keys = [
            Key::int8(SET, set),
            Key::int4(SET_EPOCH, transaction.position.epoch.into()),
            Key::lsn(SET_POSITION, transaction.position.lsn),
        ];
        let index = self.segment.indexes().transaction_set_position;
        table.scan(index, &keys, Read::Latest).next().is_some()
    }
}

fn place(transaction: &Placed) -> [Option<Datum>; 2] {
    let position = transaction.position;
    [
        Some(i32::from(position.epoch).into()),
        Some(unsigned(position.lsn)),
    ]
}

/// A row of the transactions. `alone`: the only set that it concerns.
fn values(
    transaction: &Placed,
    alone: Option<i64>,
    leads: bool,
    [relation, changes]: [Option<Datum>; 2],
) -> [Option<Datum>; 12] {
    let [epoch, lsn] = place(transaction);
    [
        epoch,
        lsn,
        Some(unsigned(transaction.source.xid)),
        Some((transaction.nonce as i32).into()),
        Some(transaction.at.into()),
        Some(unsigned(transaction.noted)),
        alone.map(Into::into),
        relation,
        Some(transaction.has_skips.into()),
        Some(leads.into()),
        changes,
        transaction.source.origin.as_deref().map(bytes::text),
    ]
}
