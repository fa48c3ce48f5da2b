//! `event.skipped_notification`: the channels on which events were not notified because the server's queue was too full.
//!
//! Only the holder of the commit lock comes here, so that no two transactions meet, and who deletes a session. A transaction's
//! row says whether there are any such channels after it: where there are none, nothing is looked up.

use std::ffi::CStr;

use super::registry::registry;
use crate::pg::bytes::text;
use crate::pg::row::Row;
use crate::pg::scan_key::Key;
use crate::pg::table::{Read, Table};
use crate::pg::{ffi, transaction};

const HASH: i16 = 1;
const CHANNEL: i16 = 2;
const EVENTS: i16 = 3;

/// Makes known that so many events were not notified on the channel. One row says so of all of them, however long the
/// queue stays full.
pub fn add(channel: &CStr, events: u64) {
    let events = take(channel) + events;
    Table::open_to_write(registry().skipped_notification).insert_row(&[
        Some(hash(channel).into()),
        Some(text(channel.to_bytes())),
        Some((events as i64).into()),
    ]);
    // What a command has inserted itself it cannot delete, and the same channel may come again.
    transaction::next_command();
}

/// How many events were not notified on the channel, which is forgotten with the question.
pub fn take(channel: &CStr) -> u64 {
    let table = Table::open_to_write(registry().skipped_notification);
    let mut events = 0;
    visit(&table, channel, |row| {
        events += row.int8(EVENTS) as u64;
        table.delete_unless_busy(row.id);
    });
    events
}

/// Whether events were not notified on the channel.
pub fn is_known(channel: &CStr) -> bool {
    let table = Table::open_to_read(registry().skipped_notification);
    let mut is_known = false;
    visit(&table, channel, |_| is_known = true);
    is_known
}

fn visit(table: &Table, channel: &CStr, mut visit: impl FnMut(&Row)) {
    let keys = [Key::int8(HASH, hash(channel))];
    let mut scan = table.scan(registry().skipped_notification_channel, &keys, Read::Latest);
    while let Some(row) = scan.next() {
        if row.bytes(CHANNEL).as_deref() == Some(channel.to_bytes()) {
            visit(&row);
        }
    }
}

/// Whether there are any such channels.
pub fn any() -> bool {
    let table = Table::open_to_read(registry().skipped_notification);
    let mut scan = table.scan(registry().skipped_notification_channel, &[], Read::Latest);
    scan.next().is_some()
}

fn hash(channel: &CStr) -> i64 {
    ffi::hash_bytes(channel.to_bytes())
}
