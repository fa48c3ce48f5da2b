//! `event.unsequenced_0` and so on: transactions that have been committed without a place in the feed, since the commit lock was
//! not to be had. The next holder of the lock, or the sequencer, gives them theirs.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
use std::iter;
use std::rc::Rc;

use pgrx::pg_sys::{Datum, Oid};

use super::contents::Contents;
use super::epoch;
use super::registry;
use super::segment::{self, State};
use super::segment_tables::Tables;
use super::sequenced::{self, Sequenced};
use crate::change::event::Source;
use crate::change::snapshot::Snapshot;
use crate::pg::in_flight::{self, Mark};
use crate::pg::row::Row;
use crate::pg::scan_key::{Key, unsigned};
use crate::pg::table::{Read, Table};
use crate::pg::transaction::accept_invalidations;
use crate::pg::{bytes, snapshot};

const EPOCH: i16 = 1;
const XID: i16 = 2;
const NOTED: i16 = 3;
const SETS: i16 = 4;
const LOGGED_CHANGES: i16 = 5;
const RELATION: i16 = 6;
const CHANGES: i16 = 7;
const ORIGIN: i16 = 8;

/// A transaction as it is committed.
pub struct Unsequenced {
    /// The segment that it has written to.
    pub segment: Rc<Tables>,
    pub epoch: u16,
    pub source: Source,
    /// The WAL position at its pre-commit.
    pub noted: u64,
    pub contents: Contents,
}

thread_local! {
    /// When nothing was waiting, and in whose tables.
    static NOTHING_WAITED: Cell<Option<(Option<Oid>, Mark)>> = const { Cell::new(None) };
}

/// Records the running transaction as one without a place.
pub fn insert(transaction: &Unsequenced) {
    in_flight::begin();
    Table::open_to_write(transaction.segment.unsequenced).insert_row(&transaction.values());
}

/// The running transaction concerns these sets, too: more of its changes are in the log. Those that are in its row are given to
/// `log`. Its place is where it is now: it may have waited for others since it noted it. If it has no row yet, it is as the
/// caller says.
pub fn extend(new: Unsequenced, log: impl FnOnce(&Contents)) {
    let table = Table::open_to_write(new.segment.unsequenced);
    let keys = one(new.epoch, new.source.xid);
    let mut scan = table.scan(new.segment.indexes().unsequenced_xid, &keys, Read::Latest);
    let Some(row) = scan.next() else {
        drop(scan);
        return insert(&new);
    };
    let known = Unsequenced::of(&new.segment, &row);
    let id = row.id;
    drop(scan);
    if matches!(known.contents, Contents::Inline { .. }) {
        log(&known.contents);
    }
    let sets: BTreeSet<i64> = known
        .contents
        .sets()
        .iter()
        .chain(new.contents.sets())
        .copied()
        .collect();
    let extended = Unsequenced {
        contents: Contents::logged(
            sets,
            known.contents.logged_changes() + new.contents.logged_changes(),
        ),
        noted: new.noted,
        ..known
    };
    table.replace(id, &extended.values());
}

impl Unsequenced {
    fn values(&self) -> [Option<Datum>; 8] {
        let [relation, changes] = self.contents.values();
        [
            Some(i32::from(self.epoch).into()),
            Some(unsigned(self.source.xid)),
            Some(unsigned(self.noted)),
            Some(bytes::datum(self.contents.sets().to_vec())),
            Some((self.contents.logged_changes() as i64).into()),
            relation,
            changes,
            self.source.origin.as_deref().map(bytes::text),
        ]
    }

    fn of(segment: &Rc<Tables>, row: &Row) -> Self {
        let sets = row.int8s(SETS);
        let contents = match (sets.as_slice(), row.bytes(CHANGES)) {
            (&[set], Some(changes)) => Contents::Inline {
                set,
                relation: row.oid(RELATION),
                changes,
            },
            _ => Contents::logged(sets, row.int8(LOGGED_CHANGES) as u64),
        };
        Self {
            segment: Rc::clone(segment),
            epoch: row.int4(EPOCH) as u16,
            source: Source {
                xid: xid(row),
                origin: row.bytes(ORIGIN).map(Into::into),
            },
            noted: row.unsigned(NOTED).expect("a NOT NULL column"),
            contents,
        }
    }
}

/// Whether transactions may be waiting for their place: false only if none of those that have been committed by now is. Costs
/// nothing where none has been committed without a place lately.
pub fn may_wait() -> bool {
    let now = in_flight::mark();
    now.is_none() || now.map(|now| (registry::extension(), now)) != NOTHING_WAITED.get()
}

/// Whether a transaction that has been committed by now is waiting for its place.
pub fn is_waiting() -> bool {
    // First: who commits while we look, is looked for again. Where he has written to, we hear now.
    let begun = in_flight::mark();
    accept_invalidations();
    let is_there = |read| open_segments().iter().any(|tables| any(tables, read));
    let found = is_there(Read::Latest);
    // One that is prepared is on nobody's way, and is committed by whomever.
    if !found
        && let Some(begun) = begun
        && !is_there(Read::Uncommitted)
    {
        NOTHING_WAITED.set(Some((registry::extension(), begun)));
    }
    found
}

/// As [`is_waiting`], for those that have written to this segment.
pub fn is_waiting_in(segment: &Tables) -> bool {
    any(segment, Read::Latest)
}

/// Epochs and ids of the transactions that have been committed by now and are waiting for their place.
pub fn ids() -> Vec<(u16, u64)> {
    let sequenced = sequenced::newest();
    let mut found = Vec::new();
    for tables in open_segments() {
        visit(&tables, &sequenced, Read::Latest, |row| {
            found.push((row.int4(EPOCH) as u16, xid(row)));
            true
        });
    }
    found
}

fn xid(row: &Row) -> u64 {
    row.unsigned(XID).expect("a NOT NULL column")
}

/// Whether one that has not ended will be waiting for its place, or one is already.
pub fn may_come() -> bool {
    open_segments()
        .iter()
        .any(|tables| any(tables, Read::Uncommitted))
}

fn any(segment: &Tables, read: Read) -> bool {
    let mut found = false;
    visit(segment, &sequenced::newest(), read, |_| {
        found = true;
        false
    });
    found
}

/// Transactions that wait for their place.
pub struct Waiting {
    /// In the order in which they get it.
    pub first: Vec<Unsequenced>,
    /// The ids of those that come behind them, in order, too.
    pub rest: Vec<u64>,
    /// It sees all of these, and no others that have no place yet.
    pub seen: Snapshot,
}

/// The transactions that the active snapshot sees and that are waiting for their place. Who could have seen another, or has
/// waited for it, has noted a later WAL position, and so comes behind it. `most`: so many are read, and all of earlier epochs; the
/// others later.
pub fn waiting(most: usize) -> Waiting {
    let current = epoch::current();
    let sequenced = match sequenced::newest() {
        Some(left) if left.epoch == current && left.rest.len() > most => {
            return first_of(left, most);
        }
        sequenced => sequenced,
    };
    // The last one on top.
    let mut first: BinaryHeap<ByPlace> = BinaryHeap::new();
    let (mut earlier, mut rest) = (Vec::new(), Vec::new());
    for tables in open_segments() {
        visit(&tables, &sequenced, Read::Inserted, |row| {
            let one = ByPlace(Unsequenced::of(&tables, row));
            if one.0.epoch < current {
                earlier.push(one);
                return true;
            }
            first.push(one);
            if first.len() > most {
                rest.extend(first.pop().map(|last| last.key()));
            }
            true
        });
    }
    earlier.sort();
    rest.sort_unstable();
    let first = earlier.into_iter().chain(first.into_sorted_vec());
    Waiting {
        first: first.map(|one| one.0).collect(),
        rest: rest.into_iter().map(|(_, _, xid)| xid).collect(),
        seen: snapshot::active(),
    }
}

/// Of those that an earlier look has left. What that look has not seen comes behind all of them: none of them could have seen it, or
/// has waited for it.
fn first_of(left: Sequenced, most: usize) -> Waiting {
    let (ids, rest) = left.rest.split_at(most);
    let open = open_segments();
    let tables: Vec<(&Rc<Tables>, Table)> = open
        .iter()
        .map(|segment| (segment, Table::open_to_look(segment.unsequenced)))
        .collect();
    let mut first = Vec::with_capacity(most);
    for &xid in ids {
        let keys = one(left.epoch, xid);
        for (segment, table) in &tables {
            let mut scan = table.scan(segment.indexes().unsequenced_xid, &keys, Read::Inserted);
            first.extend(scan.next().map(|row| Unsequenced::of(segment, &row)));
        }
    }
    Waiting {
        first,
        rest: rest.to_vec(),
        seen: left.snapshot,
    }
}

/// In the order in which they get their places.
struct ByPlace(Unsequenced);

impl ByPlace {
    fn key(&self) -> (u16, u64, u64) {
        (self.0.epoch, self.0.noted, self.0.source.xid)
    }
}

impl Ord for ByPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for ByPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByPlace {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByPlace {}

/// A segment is closed only when all that has been written to it has its place.
fn open_segments() -> Vec<Rc<Tables>> {
    let ring = segment::ring();
    let open = ring.live.iter();
    open.filter(|segment| segment.state == State::Open)
        .map(|segment| segment.tables())
        .collect()
}

/// Visits those that may be waiting until `visit` returns false.
fn visit(
    segment: &Tables,
    sequenced: &Option<Sequenced>,
    read: Read,
    mut visit: impl FnMut(&Row) -> bool,
) {
    let table = Table::open_to_look(segment.unsequenced);
    for keys in ranges(sequenced) {
        let mut scan = table.scan(segment.indexes().unsequenced_xid, &keys, read);
        while let Some(row) = scan.next() {
            if !visit(&row) {
                return;
            }
        }
    }
}

/// The scans that find what has no place yet: what was left or was running when places were last given, and what is later.
fn ranges(sequenced: &Option<Sequenced>) -> Box<dyn Iterator<Item = Vec<Key>> + '_> {
    let Some(sequenced) = sequenced else {
        return Box::new(iter::once(vec![]));
    };
    let epoch = sequenced.epoch;
    let running = sequenced.snapshot.running().iter();
    let later = [
        vec![
            Key::int4(EPOCH, epoch.into()),
            Key::xid8_at_least(XID, sequenced.snapshot.end()),
        ],
        vec![Key::int4_at_least(EPOCH, i32::from(epoch) + 1)],
    ];
    let known = sequenced.rest.iter().chain(running);
    Box::new(known.map(move |&xid| one(epoch, xid).into()).chain(later))
}

fn one(epoch: u16, xid: u64) -> [Key; 2] {
    [Key::int4(EPOCH, epoch.into()), Key::xid8(XID, xid)]
}
