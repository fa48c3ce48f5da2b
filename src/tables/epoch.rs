//! `event.epoch`: the databases that this inbox has lived in.

use std::cell::Cell;

use pgrx::pg_sys::Oid;

use super::registry::{self, registry};
use crate::pg::table::{Read, Table};
use crate::pg::transaction;

const NUMBER: i16 = 1;
const SYSTEM: i16 = 2;
const DATABASE: i16 = 3;
const NONCE: i16 = 4;

/// A row of the table.
#[derive(Clone, Copy)]
struct Epoch {
    number: u16,
    nonce: u32,
}

thread_local! {
    /// The epoch that this backend has seen, and in whose tables.
    static SEEN: Cell<Option<(Option<Oid>, Epoch)>> = const { Cell::new(None) };
}

/// The current epoch. A new one begins when the database is not the one that wrote the newest row.
pub fn current() -> u16 {
    find().map_or_else(next, |epoch| epoch.number)
}

/// A number that this database has and, but by chance, no other one, also if it has the same oid and has been copied from the same
/// one; `docs/decisions.md` names the exception. None before the epoch has begun. There are several if two writers began it at once.
pub fn nonce() -> Option<u32> {
    find().ok().map(|epoch| epoch.nonce)
}

/// As [`current`], for a writer, which stores a new one. Two writers may store the same one: both are right.
pub fn begin() -> u16 {
    find().map(|epoch| epoch.number).unwrap_or_else(|newest| {
        let (system, database) = transaction::database();
        let epoch = next(newest);
        Table::open_to_write(registry().epoch).insert_row(&[
            Some(i32::from(epoch).into()),
            Some((system as i64).into()),
            Some(database.into()),
            Some((transaction::nonce() as i32).into()),
        ]);
        epoch
    })
}

fn next(newest: Option<u16>) -> u16 {
    newest.map_or(1, |newest| newest + 1)
}

/// The epoch of this database, or else the newest one of another.
fn find() -> Result<Epoch, Option<u16>> {
    let extension = registry::extension();
    if let Some((seen, epoch)) = SEEN.get()
        && seen == extension
    {
        return Ok(epoch);
    }
    let table = Table::open_to_read(registry().epoch);
    let mut scan = table.scan(registry().epoch_number, &[], Read::Latest);
    let Some(row) = scan.next_back() else {
        return Err(None);
    };
    let epoch = Epoch {
        number: row.int4(NUMBER) as u16,
        nonce: row.int4(NONCE) as u32,
    };
    if (row.int8(SYSTEM) as u64, row.oid(DATABASE)) != transaction::database() {
        return Err(Some(epoch.number));
    }
    SEEN.set(Some((extension, epoch)));
    Ok(epoch)
}

/// An epoch that this transaction has stored is not.
pub fn at_rollback() {
    SEEN.set(None);
}
