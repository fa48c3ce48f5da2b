//! `event.transaction_0` and so on: the place of each transaction in the feed, as readers find it. [`super::feed`] writes there, and
//! [`super::set_transaction`] finds those of a set of recipients.

use super::epoch;
use super::segment::{self, End};
use super::segment_tables::Tables;
use crate::change::cursor::Position;
use crate::change::event::{Source, Stamp};
use crate::pg::row::Row;
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Table};
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

pub(super) fn in_segment(segment: &Tables, position: Position, read: Read) -> Option<Placed> {
    let table = Table::open_to_look(segment.transaction);
    let keys = [
        Key::int4(EPOCH, position.epoch.into()),
        Key::lsn(POSITION, position.lsn),
    ];
    let mut scan = table.scan(segment.indexes().transaction_position, &keys, read);
    scan.next().map(|row| placed(&row))
}

pub(super) fn position(row: &Row) -> Position {
    Position {
        epoch: row.int4(EPOCH) as u16,
        lsn: row.unsigned(POSITION).expect("a NOT NULL column"),
    }
}

pub(super) fn placed(row: &Row) -> Placed {
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

/// A transaction with its changes, and the set that they concern, if they are in its row; otherwise they are in the log.
pub struct Recorded {
    pub placed: Placed,
    pub inline: Option<(i64, Vec<u8>)>,
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
