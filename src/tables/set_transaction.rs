//! The transactions that a set of recipients knows of: those that concern it alone stand in `event.transaction_0` and so on, those that
//! concern other sets, too, in `event.transaction_set_0` and so on. [`super::feed`] writes there.

use pgrx::pg_sys::Oid;

use super::segment_tables::Tables;
use super::stretch::Stretch;
use super::transaction::{
    CHANGES, EPOCH, POSITION, Placed, RELATION, TRANSACTION_SET, in_segment, placed, position,
};
use crate::change::cursor::Position;
use crate::pg::row::Row;
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Table};

pub(super) const SET: i16 = 1;
pub(super) const SET_EPOCH: i16 = 2;
pub(super) const SET_POSITION: i16 = 3;

/// A transaction that a set of recipients knows of.
pub struct SetTransaction {
    pub placed: Placed,
    /// Its changes, if they are in its row, with their relation.
    pub inline: Option<(Oid, Vec<u8>)>,
}

impl SetTransaction {
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

/// The transactions of a segment that concern the set, from `from` on, in order. There may be more behind the last one if
/// at least `limit` are returned.
pub fn of(
    segment: &Tables,
    set: i64,
    from: Position,
    limit: usize,
    read: Read,
) -> Vec<SetTransaction> {
    let mut found = alone_from(segment, set, from, limit, read);
    found.extend(shared_from(segment, set, from, limit, read));
    found.sort_unstable_by_key(|of_set| of_set.placed.position);
    found.truncate(limit);
    found
}

fn alone_from(
    segment: &Tables,
    set: i64,
    from: Position,
    limit: usize,
    read: Read,
) -> Vec<SetTransaction> {
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
                found.push(SetTransaction::alone(&row));
            }
        }
    }
    found
}

fn shared_from(
    segment: &Tables,
    set: i64,
    from: Position,
    limit: usize,
    read: Read,
) -> Vec<SetTransaction> {
    let table = Table::open_to_look(segment.transaction_set);
    let mut found = Vec::new();
    let columns = [SET, SET_EPOCH, SET_POSITION];
    for keys in from_position(columns, set, from) {
        let mut scan = table.scan(segment.indexes().transaction_set_position, &keys, read);
        while found.len() < limit
            && let Some(row) = scan.next()
        {
            found.extend(SetTransaction::shared(segment, &row, read));
        }
    }
    found
}

/// The newest transaction of a segment that concerns the set.
pub fn newest_of(segment: &Tables, set: i64, read: Read) -> Option<SetTransaction> {
    let transactions = Table::open_to_look(segment.transaction);
    let sets = Table::open_to_look(segment.transaction_set);
    let keys = [Key::int8(TRANSACTION_SET, set)];
    let mut leading = transactions.scan(segment.indexes().transaction_leading, &keys, read);
    let alone = leading.next_back().and_then(|row| {
        let keys = alone_in_stretch(position(&row), set);
        let mut scan = transactions.scan(segment.indexes().transaction_position, &keys, read);
        scan.next_back().map(|row| SetTransaction::alone(&row))
    });
    let keys = [Key::int8(SET, set)];
    let mut scan = sets.scan(segment.indexes().transaction_set_position, &keys, read);
    let shared = scan
        .next_back()
        .and_then(|row| SetTransaction::shared(segment, &row, read));
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
