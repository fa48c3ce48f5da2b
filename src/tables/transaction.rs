//! `event.epoch`, `event.transaction` and `event.transaction_recipient_set`: the place of each transaction
//! in the feed.

use std::cell::Cell;

use pgrx::pg_sys::{Datum, Oid};

use super::registry::{generation, registry};
use crate::change::cursor::{Cursor, Position};
use crate::change::event::Stamp;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Row, Table};
use crate::pg::{bytes, transaction};

const EPOCH_NUMBER: i16 = 1;
const EPOCH_SYSTEM: i16 = 2;
const EPOCH_DATABASE: i16 = 3;

const EPOCH: i16 = 1;
const POSITION: i16 = 2;
const XID: i16 = 3;
const NONCE: i16 = 4;
const AT: i16 = 5;

const TRANSACTION_SET: i16 = 7;
const RELATION: i16 = 8;
const HAS_SKIPS: i16 = 9;
const CHANGES: i16 = 10;

const SET: i16 = 1;
const SET_EPOCH: i16 = 2;
const SET_POSITION: i16 = 3;

/// A transaction that has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub position: Position,
    pub xid: u64,
    pub nonce: u32,
    /// Microseconds since 2000-01-01 UTC.
    pub at: i64,
    /// Whether there are channels after it on which events were not notified (see [`super::skipped`]).
    pub has_skips: bool,
}

impl Placed {
    /// The place as events tell it.
    pub fn stamp(&self) -> Stamp {
        Stamp {
            position: self.position,
            nonce: self.nonce,
            xid: self.xid,
            at: transaction::utc_text(self.at),
        }
    }

    /// The cursor after everything of it.
    pub fn end(&self) -> Cursor {
        Cursor::end_of(self.position, self.nonce)
    }
}

thread_local! {
    /// The epoch that this backend has seen, and the registry's generation then.
    static SEEN: Cell<Option<(u64, u16)>> = const { Cell::new(None) };
    /// A position that was the newest once.
    static LAST_SEEN: Cell<u64> = const { Cell::new(0) };
}

/// The current epoch. A new one begins when the database is not the one that wrote the newest row; a writer
/// sets `begin`, which stores it. Two writers may store the same one: both are right.
pub fn epoch(begin: bool) -> u16 {
    let generation = generation();
    if let Some((seen, epoch)) = SEEN.get()
        && seen == generation
    {
        return epoch;
    }
    let registry = registry();
    let (system, database) = transaction::database();
    let table = Table::open_to_read(registry.epoch);
    let mut scan = table.scan(registry.epoch_number, &[], Read::Latest);
    let newest = scan.next_back().map(|row| {
        (
            row.int4(EPOCH_NUMBER),
            row.int8(EPOCH_SYSTEM) as u64,
            row.oid(EPOCH_DATABASE),
        )
    });
    drop(scan);
    match newest {
        Some((epoch, its_system, its_database))
            if (its_system, its_database) == (system, database) =>
        {
            SEEN.set(Some((generation, epoch as u16)));
            epoch as u16
        }
        _ => {
            let epoch = newest.map_or(1, |(epoch, ..)| epoch + 1);
            if begin {
                Table::open_to_write(registry.epoch).insert_row(&[
                    Some(epoch.into()),
                    Some((system as i64).into()),
                    Some(database.into()),
                ]);
            }
            epoch as u16
        }
    }
}

/// An epoch that this transaction has stored is not.
pub fn at_rollback() {
    SEEN.set(None);
}

/// The newest transaction that has its place.
pub fn newest(read: Read) -> Option<Placed> {
    newest_from(&Table::open_to_read(registry().transaction), 0, read)
}

/// The last transaction not after this time (microseconds since 2000-01-01 UTC), of the newest epoch that has one.
///
/// Within an epoch the time never decreases with the position. So the index by position serves, which a writer has to
/// keep anyway.
pub fn last_at(time: i64, read: Read) -> Option<Placed> {
    let table = Table::open_to_read(registry().transaction);
    (1..=epoch(false))
        .rev()
        .find_map(|epoch| last_at_of_epoch(&table, epoch, time, read))
}

fn last_at_of_epoch(table: &Table, epoch: u16, time: i64, read: Read) -> Option<Placed> {
    let scan = |lsn| {
        let keys = [
            Key::int4(EPOCH, epoch.into()),
            Key::lsn_at_least(POSITION, lsn),
        ];
        table.scan(registry().transaction_position, &keys, read)
    };
    let first_from = |lsn| scan(lsn).next().map(|row| placed(&row));
    let newest = scan(0).next_back().map(|row| placed(&row))?;
    if newest.at <= time {
        return Some(newest);
    }
    let mut found = first_from(0).filter(|first| first.at <= time)?;
    // All that stands from here on is later.
    let mut later = newest.position.lsn;
    while found.position.lsn + 1 < later {
        let middle = found.position.lsn.midpoint(later);
        match first_from(middle) {
            Some(placed) if placed.at <= time => found = placed,
            _ => later = middle,
        }
    }
    Some(found)
}

/// The newest transaction of the current epoch at this WAL position or behind it. One that has no position
/// yet sorts after all others and is not compared.
fn newest_from(table: &Table, lsn: u64, read: Read) -> Option<Placed> {
    let keys = [
        Key::int4(EPOCH, epoch(false).into()),
        Key::lsn_at_least(POSITION, lsn),
    ];
    let mut scan = table.scan(registry().transaction_position, &keys, read);
    scan.next_back().map(|row| placed(&row))
}

/// The feed, while the holder of the commit lock adds to it.
pub struct Feed(Table);

impl Feed {
    pub fn open() -> Self {
        Self(Table::open_to_write(registry().transaction))
    }

    /// The newest transaction: every other one that has its place ended its commit before we got the lock.
    pub fn newest(&self) -> Option<Placed> {
        // A backward scan reads all of a leaf page that matches, so it begins where this backend last was. What
        // stood there may have been rolled back, or be gone: then the whole index says what is newest.
        let newest = newest_from(&self.0, LAST_SEEN.get(), Read::Latest)
            .or_else(|| newest_from(&self.0, 0, Read::Latest));
        LAST_SEEN.set(newest.as_ref().map_or(0, |newest| newest.position.lsn));
        newest
    }
}

/// The transaction at this position, if there is one.
pub fn at_position(position: Position, read: Read) -> Option<Placed> {
    let registry = registry();
    let table = Table::open_to_read(registry.transaction);
    let keys = [
        Key::int4(EPOCH, position.epoch.into()),
        Key::lsn(POSITION, position.lsn),
    ];
    let mut scan = table.scan(registry.transaction_position, &keys, read);
    scan.next().map(|row| placed(&row))
}

fn placed(row: &Row) -> Placed {
    Placed {
        position: Position {
            epoch: row.int4(EPOCH) as u16,
            lsn: row.unsigned(POSITION).expect("the scan is for positions"),
        },
        xid: row.unsigned(XID).expect("a NOT NULL column"),
        nonce: row.int4(NONCE) as u32,
        at: row.int8(AT),
        has_skips: row.bool(HAS_SKIPS),
    }
}

/// Whom a transaction concerns, and where its changes are.
pub enum Contents {
    /// One set of recipients; the changes, all of one relation, go into the transaction's row.
    Inline {
        set: i64,
        relation: Oid,
        changes: Vec<u8>,
    },
    /// These sets of recipients; the changes are in the log.
    Logged { sets: Vec<i64> },
}

impl Contents {
    /// For these sets of recipients.
    pub fn logged(sets: impl IntoIterator<Item = i64>) -> Self {
        Self::Logged {
            sets: sets.into_iter().collect(),
        }
    }
}

/// Gives this transaction its place, and each set of recipients a way to find it. `noted`: the WAL position
/// at its pre-commit.
pub fn insert(feed: &Feed, transaction: &Placed, noted: u64, contents: &Contents) {
    let (epoch, lsn): (Datum, _) = (
        i32::from(transaction.position.epoch).into(),
        unsigned(transaction.position.lsn),
    );
    let (set, relation, changes): (Option<Datum>, Option<Datum>, Option<Datum>) = match contents {
        Contents::Inline {
            set,
            relation,
            changes,
        } => (
            Some((*set).into()),
            Some((*relation).into()),
            Some(bytes::datum(changes.as_slice())),
        ),
        Contents::Logged { sets } => match sets.as_slice() {
            [set] => (Some((*set).into()), None, None),
            _ => (None, None, None),
        },
    };
    feed.0.insert_row(&[
        Some(epoch),
        Some(lsn),
        Some(unsigned(transaction.xid)),
        Some((transaction.nonce as i32).into()),
        Some(transaction.at.into()),
        Some(unsigned(noted)),
        set,
        relation,
        Some(transaction.has_skips.into()),
        changes,
    ]);
    if let Contents::Logged { sets } = contents
        && sets.len() > 1
    {
        let table = Table::open_to_write(registry().transaction_recipient_set);
        let mut insert = table.insert();
        for &set in sets {
            insert.row(&[Some(set.into()), Some(epoch), Some(lsn)]);
        }
        insert.end();
    }
}

/// A transaction that a set of recipients knows of.
pub struct OfSet {
    pub placed: Placed,
    /// Its changes, if they are in its row, with their relation.
    pub inline: Option<(Oid, Vec<u8>)>,
}

/// The transactions that concern the set, from `from` on, in order. There may be more behind the last one if
/// at least `limit` are returned.
pub fn of_set(set: i64, from: Position, limit: usize, read: Read) -> Vec<OfSet> {
    let registry = registry();
    let alone = Table::open_to_read(registry.transaction);
    let mut found = Vec::new();
    for keys in from_position(TRANSACTION_SET, EPOCH, POSITION, set, from) {
        let mut scan = alone.scan(registry.transaction_set, &keys, read);
        while found.len() < limit
            && let Some(row) = scan.next()
        {
            let inline = row
                .bytes(CHANGES)
                .map(|changes| (row.oid(RELATION), changes));
            found.push(OfSet {
                placed: placed(&row),
                inline,
            });
        }
    }
    let mut shared = Vec::new();
    let table = Table::open_to_read(registry.transaction_recipient_set);
    for keys in from_position(SET, SET_EPOCH, SET_POSITION, set, from) {
        let mut scan = table.scan(registry.transaction_recipient_set_position, &keys, read);
        while shared.len() < limit
            && let Some(row) = scan.next()
        {
            let lsn = row.unsigned(SET_POSITION).expect("a NOT NULL column");
            shared.push(Position {
                epoch: row.int4(SET_EPOCH) as u16,
                lsn,
            });
        }
    }
    let shared = shared
        .into_iter()
        .filter_map(|position| at_position(position, read));
    found.extend(shared.map(|placed| OfSet {
        placed,
        inline: None,
    }));
    found.sort_unstable_by_key(|of_set| of_set.placed.position);
    found.truncate(limit);
    found
}

/// The scans that find a set's rows from a position on: the rest of the position's own epoch, then the later
/// epochs from their beginning.
fn from_position(
    set_column: i16,
    epoch: i16,
    position: i16,
    set: i64,
    from: Position,
) -> [Vec<Key>; 2] {
    let set = || Key::int8(set_column, set);
    [
        vec![
            set(),
            Key::int4(epoch, from.epoch.into()),
            Key::lsn_at_least(position, from.lsn),
        ],
        vec![
            set(),
            Key::int4_at_least(epoch, i32::from(from.epoch) + 1),
            Key::lsn_at_least(position, 0),
        ],
    ]
}
