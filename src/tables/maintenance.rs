//! `event.maintenance`: the runs of the maintenance, and whether it is time for the next one.

use std::cell::Cell;

use pgrx::pg_sys::Oid;

use super::registry::registry;
use crate::change::cursor::Position;
use crate::gucs;
use crate::pg::lock;
use crate::pg::scan_key::unsigned;
use crate::pg::table::{Read, Table};
use crate::pg::transaction::{clock, nonce};

/// The text with which a background process is started that does the maintenance if it is due.
pub const WHEN_DUE: &str = "maintain";

/// As [`WHEN_DUE`], for one that does it in any case.
pub const NOW: &str = "maintain now";

const BEGAN_AT: i16 = 1;
const EPOCH: i16 = 2;
const POSITION: i16 = 3;
const ENDED_AT: i16 = 4;

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Microseconds since 2000-01-01 UTC.
    pub began_at: i64,
    /// Up to where the changes have been counted; `None` while there are no quotas.
    pub counted: Option<Position>,
    /// When the last run ended that did; microseconds since 2000-01-01 UTC.
    pub ended_at: Option<i64>,
}

thread_local! {
    /// When this backend has asked last, in microseconds since 2000-01-01 UTC.
    static LAST_LOOK: Cell<i64> = const { Cell::new(i64::MIN / 2) };
    /// By how much, of 4096 parts, this backend asks later than others.
    static DELAY: Cell<i64> = const { Cell::new(0) };
}

/// Whether it is time for a run. Of many backends that ask only one or a few hear so.
pub fn is_due() -> bool {
    let interval = i64::from(gucs::MAINTENANCE_INTERVAL.get()) * 1_000;
    let now = clock();
    let pause = interval + interval / 4096 * DELAY.get();
    if interval == 0 || now < LAST_LOOK.get() + pause {
        return false;
    }
    LAST_LOOK.set(now);
    // Not all at the same moment: the first one starts a run, and the others see that.
    DELAY.set(i64::from(nonce() % 1024));
    newest().is_none_or(|run| run.began_at + interval <= now)
}

/// The newest run.
pub fn newest() -> Option<Run> {
    let table = Table::open_to_read(registry().maintenance);
    let mut scan = table.scan(registry().maintenance_began_at, &[], Read::Latest);
    scan.next_back().map(|row| Run {
        began_at: row.int8(BEGAN_AT),
        counted: row.unsigned(POSITION).map(|lsn| Position {
            epoch: row.int4(EPOCH) as u16,
            lsn,
        }),
        ended_at: row.unsigned(ENDED_AT).map(|time| time as i64),
    })
}

/// Stores a run, which replaces the one before. Earlier ones go later, so that a look without a snapshot finds one.
pub fn insert(run: Run) {
    let before = newest().map(|before| before.began_at);
    let table = Table::open_to_write(registry().maintenance);
    let mut scan = table.scan(registry().maintenance_began_at, &[], Read::Latest);
    while let Some(row) = scan.next()
        && Some(row.int8(BEGAN_AT)) < before
    {
        table.delete_unless_busy(row.id);
    }
    drop(scan);
    table.insert_row(&[
        Some(run.began_at.into()),
        run.counted.map(|position| i32::from(position.epoch).into()),
        run.counted.map(|position| unsigned(position.lsn)),
        run.ended_at.map(Into::into),
    ]);
}

/// Keeps other runs away until the end of the transaction; false if one is there.
pub fn try_lock() -> bool {
    lock::try_object_exclusive(registry().maintenance, Oid::INVALID)
}

/// As [`try_lock`], after a run that is there.
pub fn lock() {
    lock::object_exclusive(registry().maintenance, Oid::INVALID);
}
