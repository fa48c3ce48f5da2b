//! The segments of the log: `event.segment`, `event.closed_segment` and `event.removed_segment`.
//!
//! Segments are numbered without end and live in a ring of tables. The newest one is written to. It is opened under the
//! commit lock, so that whoever has the lock, or sees a transaction in it, has heard of it. It is closed once nobody who
//! writes to it is left, and then it never changes until it is removed.
//!
//! That log segments are rolled, and the oldest removed as a whole, is how Apache Kafka does it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pgrx::pg_sys::{Datum, Oid};

use super::registry::{self, registry};
use super::segment_tables::{self, Tables};
use crate::change::cursor::{Cursor, Position};
use crate::error::{Error, raise};
use crate::pg::row::Row;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Table};
use crate::pg::{relation, transaction};

const NUMBER: i16 = 1;
const OPENED_AT: i16 = 2;

const EPOCH: i16 = 2;
const POSITION: i16 = 3;
const NONCE: i16 = 4;
const AT: i16 = 5;

/// The newest transaction of what is closed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    pub position: Position,
    pub nonce: u32,
    /// Microseconds since 2000-01-01 UTC.
    pub at: i64,
}

impl End {
    /// The cursor after everything of it.
    pub fn cursor(&self) -> Cursor {
        Cursor::end_of(self.position, self.nonce)
    }

    /// `None` for a row without one.
    fn of(row: &Row) -> Option<Self> {
        Some(Self {
            position: Position {
                lsn: row.unsigned(POSITION)?,
                epoch: row.int4(EPOCH) as u16,
            },
            nonce: row.int4(NONCE) as u32,
            at: row.int8(AT),
        })
    }

    fn values(number: i64, end: Option<Self>) -> [Option<Datum>; 5] {
        [
            Some(number.into()),
            end.map(|end| i32::from(end.position.epoch).into()),
            end.map(|end| unsigned(end.position.lsn)),
            end.map(|end| (end.nonce as i32).into()),
            end.map(|end| end.at.into()),
        ]
    }
}

/// A segment that has not been removed.
#[derive(Debug)]
pub struct Segment {
    pub number: i64,
    /// Microseconds since 2000-01-01 UTC.
    pub opened_at: i64,
    /// Whether somebody may still add to it. If nobody does, its newest transaction, if it has one.
    pub state: State,
    tables: RefCell<Option<Rc<Tables>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Closed(Option<End>),
}

impl Segment {
    /// Raises 55000 if they are not those that this library knows.
    pub fn tables(&self) -> Rc<Tables> {
        self.find_tables()
            .unwrap_or_else(|| raise(Error::ExtensionOutOfDate))
    }

    fn find_tables(&self) -> Option<Rc<Tables>> {
        let known = self.tables.borrow().clone();
        known.or_else(|| {
            let tables = Some(Rc::new(Tables::load(self.number)?));
            self.tables.replace(tables.clone());
            tables
        })
    }

    /// Whether all that it holds is before this position.
    fn is_before(&self, position: Position) -> bool {
        match self.state {
            State::Open => false,
            State::Closed(end) => end.is_none_or(|end| end.position < position),
        }
    }
}

/// The segments that there are.
#[derive(Debug)]
pub struct Ring {
    /// The oldest first; the last one is written to.
    pub live: Vec<Segment>,
    /// The newest transaction that has been removed.
    pub removed: Option<End>,
}

impl Ring {
    fn load() -> Self {
        // First: what is removed later is still among the live ones then, and who wants to read it sees to that.
        let newest = newest_removed(Read::Latest);
        let (first, removed) = newest.map_or((0, None), |(number, end)| (number + 1, end));
        let from_first = [Key::int8_at_least(NUMBER, first)];
        let closed: Vec<(i64, Option<End>)> = rows(
            Table::open_to_read(registry().closed_segment),
            registry().closed_segment_number,
            &from_first,
            |row| (row.int8(NUMBER), End::of(row)),
        );
        let live = rows(
            Table::open_to_read(registry().segment),
            registry().segment_number,
            &from_first,
            |row| {
                let number = row.int8(NUMBER);
                let end = closed.iter().find(|(closed, _)| *closed == number);
                Segment {
                    number,
                    opened_at: row.int8(OPENED_AT),
                    state: end.map_or(State::Open, |(_, end)| State::Closed(*end)),
                    tables: RefCell::default(),
                }
            },
        );
        Self { live, removed }
    }

    /// The segment that is written to.
    pub fn active(&self) -> &Segment {
        self.live
            .last()
            .unwrap_or_else(|| raise(Error::ExtensionOutOfDate))
    }
}

fn rows<T>(table: Table, index: Oid, keys: &[Key], read: impl Fn(&Row) -> T) -> Vec<T> {
    let mut scan = table.scan(index, keys, Read::Latest);
    let mut found = Vec::new();
    while let Some(row) = scan.next() {
        found.push(read(&row));
    }
    found
}

/// The last segment that has been removed, with the newest transaction that has been.
fn newest_removed(read: Read) -> Option<(i64, Option<End>)> {
    let table = Table::open_to_read(registry().removed_segment);
    // Its rows go, too.
    let read = match read {
        Read::Inserted => Read::Statement,
        read => read,
    };
    let mut scan = table.scan(registry().removed_segment_number, &[], read);
    scan.next_back()
        .map(|row| (row.int8(NUMBER), End::of(&row)))
}

/// The newest transaction that has been removed, as this snapshot sees it.
pub fn removed_end(read: Read) -> Option<End> {
    newest_removed(read).and_then(|(_, end)| end)
}

/// A ring, and the extension that it is of.
type Known = (Option<Oid>, Rc<Ring>);

thread_local! {
    static RING_SEEN: RefCell<Option<Known>> = const { RefCell::new(None) };
    static STALE: Cell<bool> = const { Cell::new(false) };
}

/// The segments as of the last invalidation that this backend has accepted.
pub fn ring() -> Rc<Ring> {
    let extension = registry::extension();
    let seen = RING_SEEN.with_borrow(Clone::clone);
    if let Some((known, ring)) = seen
        && known == extension
        && !STALE.get()
    {
        return ring;
    }
    // If this does not end well, the next one reads it.
    RING_SEEN.set(None);
    loop {
        STALE.set(false);
        let ring = Rc::new(Ring::load());
        // Reading accepts invalidations, too.
        if !STALE.get() {
            RING_SEEN.set(Some((extension, Rc::clone(&ring))));
            return ring;
        }
    }
}

/// Whether our tables are there, so that a transaction can be logged. It can drop the extension after it has made changes,
/// and somebody can rename its schema: a writer must not fail for that.
pub fn exists() -> bool {
    registry::exists()
        && ring()
            .live
            .last()
            .is_some_and(|active| active.find_tables().is_some())
}

/// The segments will be read again. Makes no backend call: invalidations come at any time.
pub fn at_invalidation() {
    STALE.set(true);
    segment_tables::at_invalidation(None);
}

/// Segments that a reader has open: none of them is removed meanwhile, whatever its snapshot.
pub struct Opened {
    pub segments: Vec<Rc<Tables>>,
    _kept: Vec<Table>,
}

/// Opens the segments that can hold transactions from this position on.
pub fn open_from(position: Position) -> Opened {
    loop {
        let ring = ring();
        let segments: Vec<Rc<Tables>> = ring
            .live
            .iter()
            .filter(|segment| !segment.is_before(position))
            .map(Segment::tables)
            .collect();
        let kept = segments
            .iter()
            .map(|tables| Table::open_to_look(tables.log))
            .collect();
        // Opening them, this backend has heard of what was removed before.
        if Rc::ptr_eq(&ring, &self::ring()) {
            return Opened {
                segments,
                _kept: kept,
            };
        }
    }
}

/// Tells all backends, when this transaction has been committed, that the segments have changed.
fn announce() {
    relation::invalidate(registry().segment);
}

/// Opens a segment. The caller holds the commit lock.
pub fn insert(number: i64) {
    announce();
    Table::open_to_write(registry().segment)
        .insert_row(&[Some(number.into()), Some(transaction::clock().into())]);
}

/// Closes a segment. The caller has seen that nobody writes to it any more.
pub fn close(number: i64, end: Option<End>) {
    announce();
    Table::open_to_write(registry().closed_segment).insert_row(&End::values(number, end));
}

/// Says that a segment has been emptied. `end`: the newest transaction of it and of all before it.
pub fn remove(number: i64, end: Option<End>) {
    announce();
    let removed = Table::open_to_write(registry().removed_segment);
    removed.insert_row(&End::values(number, end));
    // Nobody asks for earlier ones; the last one goes later, so that a look without a snapshot finds one.
    delete_before(&removed, registry().removed_segment_number, number - 1);
    let closed = Table::open_to_write(registry().closed_segment);
    delete_before(&closed, registry().closed_segment_number, number);
    let segment = Table::open_to_write(registry().segment);
    delete_before(&segment, registry().segment_number, number);
}

fn delete_before(table: &Table, index: Oid, number: i64) {
    let mut scan = table.scan(index, &[], Read::Latest);
    while let Some(row) = scan.next()
        && row.int8(NUMBER) < number
    {
        table.delete_unless_busy(row.id);
    }
}
