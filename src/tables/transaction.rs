//! `event.transaction_0` and `event.transaction_set_0` and so on: the place of each transaction in the
//! feed, as readers find it. [`super::feed`] writes there.

use pgrx::pg_sys::Oid;

use super::epoch;
use super::segment::{self, End};
use super::segment_tables::Tables;
use super::stretch::Stretch;
use crate::change::cursor::Position;
use crate::change::event::{Source, Stamp};
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Row, Table};
use crate::pg::transaction;

pub(super) const EPOCH: i16 = 1;
pub(super) const POSITION: i16 = 2;
const XID: i16 = 3;
const NONCE: i16 = 4;
const AT: i16 = 5;
const NOTED: i16 = 6;
pub(super) const TRANSACTION_SET: i16 = 7;
pub(super) const RELATION: i16 = 8;
const HAS_SKIPS: i16 = 9;
pub(super) const LEADS: i16 = 10;
pub(super) const CHANGES: i16 = 11;
const ORIGIN: i16 = 12;

pub(super) const SET: i16 = 1;
pub(super) const SET_EPOCH: i16 = 2;
pub(super) const SET_POSITION: i16 = 3;

/// A transaction that has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub position: Position,
    pub source: Source,
    pub nonce: u32,
    /// Microseconds since 2000-01-01 UTC.
    pub at: i64,
    /// The WAL position at its pre-commit.
    pub noted: u64,
    /// Whether there may be channels after it on which events were not notified (see [`super::skipped`]).
    pub has_skips: bool,
}

impl Placed {
    /// The place as events tell it.
    pub fn stamp(&self) -> Stamp {
        Stamp {
            position: self.position,
            nonce: self.nonce,
            at: transaction::utc_text(self.at),
        }
    }

    pub fn as_end(&self) -> End {
        End {
            position: self.position,
            nonce: self.nonce,
            at: self.at,
        }
    }
}

/// The newest transaction that has its place.
pub fn newest(read: Read) -> Option<End> {
    let opened = segment::open_from(Position::default());
    let live = opened.segments.iter();
    let newest = live.filter_map(|segment| newest_of_epoch(segment, epoch::current(), read));
    newest
        .map(|newest| newest.as_end())
        .max()
        .or_else(|| segment::removed_end(read).filter(|end| end.position.epoch == epoch::current()))
}

/// What is found of a time in the feed.
pub enum AtTime {
    /// The last transaction that is not after it.
    Last(End),
    /// There has been none.
    Before,
    /// What is asked for has been removed.
    Removed,
}

/// The last transaction not after this time (microseconds since 2000-01-01 UTC), of the newest epoch that has one.
///
/// Within an epoch the time never decreases with the position. So the index by position serves, which a writer has to
/// keep anyway.
pub fn last_at(time: i64, read: Read) -> AtTime {
    let opened = segment::open_from(Position::default());
    let last = (1..=epoch::current()).rev().find_map(|epoch| {
        let segments = opened.segments.iter();
        segments
            .filter_map(|segment| last_at_of_epoch(segment, epoch, time, read))
            .max_by_key(|placed| placed.position)
    });
    let last = last.map(|placed| placed.as_end());
    let removed = segment::removed_end(read);
    if removed < segment::ring().removed {
        // More than an older snapshot knows of.
        return AtTime::Removed;
    }
    match (last, removed) {
        // What is left may lie before something that is not.
        (Some(last), Some(removed)) if last < removed && removed.at <= time => {
            AtTime::Last(removed)
        }
        (Some(last), _) => AtTime::Last(last),
        (None, Some(removed)) if removed.at <= time => AtTime::Last(removed),
        (None, Some(_)) => AtTime::Removed,
        (None, None) => AtTime::Before,
    }
}

fn last_at_of_epoch(segment: &Tables, epoch: u16, time: i64, read: Read) -> Option<Placed> {
    let table = Table::open_to_look(segment.transaction);
    let scan = |lsn| {
        let keys = [
            Key::int4(EPOCH, epoch.into()),
            Key::lsn_at_least(POSITION, lsn),
        ];
        table.scan(segment.indexes().transaction_position, &keys, read)
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

/// The newest transaction of the segment in the newest epoch that it has one of.
pub fn newest_of(segment: &Tables, read: Read) -> Option<Placed> {
    (1..=epoch::current())
        .rev()
        .find_map(|epoch| newest_of_epoch(segment, epoch, read))
}

/// As [`newest_of`] in this epoch.
pub(super) fn newest_of_epoch(segment: &Tables, epoch: u16, read: Read) -> Option<Placed> {
    let table = Table::open_to_look(segment.transaction);
    let keys = [Key::int4(EPOCH, epoch.into())];
    let mut scan = table.scan(segment.indexes().transaction_position, &keys, read);
    scan.next_back().map(|row| placed(&row))
}

/// A transaction that is only known as the newest of what is closed.
impl From<End> for Placed {
    fn from(end: End) -> Self {
        Self {
            position: end.position,
            source: Source::default(),
            nonce: end.nonce,
            at: end.at,
            noted: 0,
            has_skips: true,
        }
    }
}

/// The transaction at this position, if there is one that has not been removed.
pub fn at_position(position: Position, read: Read) -> Option<Placed> {
    let opened = segment::open_from(position);
    let mut segments = opened.segments.iter();
    segments.find_map(|segment| in_segment(segment, position, read))
}

fn in_segment(segment: &Tables, position: Position, read: Read) -> Option<Placed> {
    let table = Table::open_to_look(segment.transaction);
    let keys = [
        Key::int4(EPOCH, position.epoch.into()),
        Key::lsn(POSITION, position.lsn),
    ];
    let mut scan = table.scan(segment.indexes().transaction_position, &keys, read);
    scan.next().map(|row| placed(&row))
}

fn position(row: &Row) -> Position {
    Position {
        epoch: row.int4(EPOCH) as u16,
        lsn: row.unsigned(POSITION).expect("a NOT NULL column"),
    }
}

fn placed(row: &Row) -> Placed {
    Placed {
        position: position(row),
        source: Source {
            xid: row.unsigned(XID).expect("a NOT NULL column"),
            origin: row.bytes(ORIGIN).map(Into::into),
        },
        nonce: row.int4(NONCE) as u32,
        at: row.int8(AT),
        noted: row.unsigned(NOTED).expect("a NOT NULL column"),
        has_skips: row.bool(HAS_SKIPS),
    }
}

/// A transaction that a set of recipients knows of.
pub struct OfSet {
    pub placed: Placed,
    /// Its changes, if they are in its row, with their relation.
    pub inline: Option<(Oid, Vec<u8>)>,
}

impl OfSet {
    /// One that concerns this set alone.
    fn alone(row: &Row) -> Self {
        let inline = row
            .bytes(CHANGES)
            .map(|changes| (row.oid(RELATION), changes));
        Self {
            placed: placed(row),
            inline,
        }
    }

    /// One that concerns others, too, of this row of `event.transaction_set_0` and so on; none that this read does not see.
    fn shared(segment: &Tables, row: &Row, read: Read) -> Option<Self> {
        let position = Position {
            epoch: row.int4(SET_EPOCH) as u16,
            lsn: row.unsigned(SET_POSITION).expect("a NOT NULL column"),
        };
        let placed = in_segment(segment, position, read)?;
        Some(Self {
            placed,
            inline: None,
        })
    }
}

/// A transaction with its changes, and the set that they concern, if they are in its row; otherwise they are in the log.
pub struct Recorded {
    pub placed: Placed,
    pub inline: Option<(i64, Vec<u8>)>,
}

/// The transactions of a segment that concern the set, from `from` on, in order. There may be more behind the last one if
/// at least `limit` are returned.
pub fn of_set(segment: &Tables, set: i64, from: Position, limit: usize, read: Read) -> Vec<OfSet> {
    let mut found = alone_from(segment, set, from, limit, read);
    found.extend(shared_from(segment, set, from, limit, read));
    found.sort_unstable_by_key(|of_set| of_set.placed.position);
    found.truncate(limit);
    found
}

fn alone_from(segment: &Tables, set: i64, from: Position, limit: usize, read: Read) -> Vec<OfSet> {
    let table = Table::open_to_look(segment.transaction);
    let mut found = Vec::new();
    let mut last = None;
    let columns = [TRANSACTION_SET, EPOCH, POSITION];
    for keys in from_position(columns, set, Stretch::of(from).first()) {
        let mut leading = table.scan(segment.indexes().transaction_leading, &keys, read);
        while found.len() < limit
            && let Some(row) = leading.next()
        {
            let stretch = Stretch::of(position(&row));
            // Another one that leads there, since it was forgotten that one does.
            if last.replace(stretch) == Some(stretch) {
                continue;
            }
            let keys = alone_in_stretch(from.max(position(&row)), set);
            let mut scan = table.scan(segment.indexes().transaction_position, &keys, read);
            while found.len() < limit
                && let Some(row) = scan.next()
            {
                found.push(OfSet::alone(&row));
            }
        }
    }
    found
}

fn shared_from(segment: &Tables, set: i64, from: Position, limit: usize, read: Read) -> Vec<OfSet> {
    let table = Table::open_to_look(segment.transaction_set);
    let mut found = Vec::new();
    let columns = [SET, SET_EPOCH, SET_POSITION];
    for keys in from_position(columns, set, from) {
        let mut scan = table.scan(segment.indexes().transaction_set_position, &keys, read);
        while found.len() < limit
            && let Some(row) = scan.next()
        {
            found.extend(OfSet::shared(segment, &row, read));
        }
    }
    found
}

/// The newest transaction of a segment that concerns the set.
pub fn newest_of_set(segment: &Tables, set: i64, read: Read) -> Option<OfSet> {
    let transactions = Table::open_to_look(segment.transaction);
    let sets = Table::open_to_look(segment.transaction_set);
    let keys = [Key::int8(TRANSACTION_SET, set)];
    let mut leading = transactions.scan(segment.indexes().transaction_leading, &keys, read);
    let alone = leading.next_back().and_then(|row| {
        let keys = alone_in_stretch(position(&row), set);
        let mut scan = transactions.scan(segment.indexes().transaction_position, &keys, read);
        scan.next_back().map(|row| OfSet::alone(&row))
    });
    let keys = [Key::int8(SET, set)];
    let mut scan = sets.scan(segment.indexes().transaction_set_position, &keys, read);
    let shared = scan
        .next_back()
        .and_then(|row| OfSet::shared(segment, &row, read));
    let found = alone.into_iter().chain(shared);
    found.max_by_key(|of_set| of_set.placed.position)
}

/// The scan that finds the transactions that concern the set alone, from a position to the end of its stretch.
fn alone_in_stretch(from: Position, set: i64) -> [Key; 4] {
    [
        Key::int4(EPOCH, from.epoch.into()),
        Key::lsn_at_least(POSITION, from.lsn),
        Key::lsn_at_most(POSITION, Stretch::of(from).last().lsn),
        Key::int8(TRANSACTION_SET, set),
    ]
}

/// Visits the transactions of a segment behind a position, in order.
pub fn visit(segment: &Tables, after: Position, read: Read, mut visit: impl FnMut(&Recorded)) {
    let table = Table::open_to_look(segment.transaction);
    let rest = [
        Key::int4(EPOCH, after.epoch.into()),
        Key::lsn_at_least(POSITION, after.lsn + 1),
    ];
    let later = [
        Key::int4_at_least(EPOCH, i32::from(after.epoch) + 1),
        Key::lsn_at_least(POSITION, 0),
    ];
    for keys in [rest, later] {
        let mut scan = table.scan(segment.indexes().transaction_position, &keys, read);
        while let Some(row) = scan.next() {
            let set = row.unsigned(TRANSACTION_SET);
            visit(&Recorded {
                placed: placed(&row),
                inline: set
                    .zip(row.bytes(CHANGES))
                    .map(|(set, changes)| (set as i64, changes)),
            });
        }
    }
}

/// The scans that find a set's rows from a position on, by the columns of set, epoch and position: the rest of the position's own
/// epoch, then the later epochs from their beginning.
fn from_position(columns: [i16; 3], set: i64, from: Position) -> [[Key; 3]; 2] {
    let [of_set, epoch, position] = columns;
    [
        [
            Key::int8(of_set, set),
            Key::int4(epoch, from.epoch.into()),
            Key::lsn_at_least(position, from.lsn),
        ],
        [
            Key::int8(of_set, set),
            Key::int4_at_least(epoch, i32::from(from.epoch) + 1),
            Key::lsn_at_least(position, 0),
        ],
    ]
}
