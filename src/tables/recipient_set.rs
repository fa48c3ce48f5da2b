//! `event.recipient_set_0` and `event.recipient_set_member_0` and so on: interned sets of recipients. Each segment has its
//! own, so that they go with what names them.

use super::segment_tables::Tables;
use crate::change::operation::SessionId;
use crate::change::recipients::Recipients;
use crate::pg::scan_key::{Key, uuid};
use crate::pg::table::{Read, Table};
use crate::pg::{bytes, ffi, transaction};

const ID: i16 = 1;
const HASH: i16 = 2;
const RECIPIENTS: i16 = 3;

const MEMBER_SESSION: i16 = 1;
const MEMBER_SET: i16 = 2;

/// The id of a stored set with these recipients, if a committed transaction or this one has stored it.
pub fn find(segment: &Tables, recipients: &Recipients) -> Option<i64> {
    let encoded = recipients.encode();
    let table = Table::open_to_read(segment.recipient_set);
    let keys = [Key::int8(HASH, ffi::hash_bytes(&encoded))];
    let mut scan = table.scan(segment.indexes().recipient_set_hash, &keys, Read::Latest);
    while let Some(row) = scan.next() {
        if row.bytes(RECIPIENTS).as_deref() == Some(&encoded) {
            return Some(row.int8(ID));
        }
    }
    None
}

/// Stores the set. Another transaction may be storing the same one: both are good.
pub fn insert(segment: &Tables, recipients: &Recipients) -> i64 {
    let encoded = recipients.encode();
    // No sequence: it would change what lastval() gives the writer.
    let id = i64::from_le_bytes(transaction::random());
    Table::open_to_write(segment.recipient_set).insert_row(&[
        Some(id.into()),
        Some(ffi::hash_bytes(&encoded).into()),
        Some(bytes::datum(encoded.as_slice())),
    ]);
    let members = Table::open_to_write(segment.recipient_set_member);
    let mut insert = members.insert();
    for recipient in recipients.iter() {
        insert.row(&[Some(uuid(recipient.session)), Some(id.into())]);
    }
    insert.end();
    id
}

/// The recipients of a stored set.
pub fn load(segment: &Tables, id: i64, read: Read) -> Option<Recipients> {
    let table = Table::open_to_look(segment.recipient_set);
    let mut scan = table.scan(
        segment.indexes().recipient_set_id,
        &[Key::int8(ID, id)],
        read,
    );
    Recipients::decode(&scan.next()?.bytes(RECIPIENTS)?)
}

/// The ids of the sets that the session is in.
pub fn of_session(segment: &Tables, session: SessionId, read: Read) -> Vec<i64> {
    let table = Table::open_to_look(segment.recipient_set_member);
    let keys = [Key::uuid(MEMBER_SESSION, session)];
    let mut scan = table.scan(segment.indexes().recipient_set_member_session, &keys, read);
    let mut ids = Vec::new();
    while let Some(row) = scan.next() {
        ids.push(row.int8(MEMBER_SET));
    }
    ids
}

/// Visits the sessions that are in the segment's sets, each with the ids of its sets.
pub fn visit_sessions(segment: &Tables, read: Read, mut visit: impl FnMut(SessionId, &[i64])) {
    let table = Table::open_to_look(segment.recipient_set_member);
    let mut scan = table.scan(segment.indexes().recipient_set_member_session, &[], read);
    let mut last: Option<(SessionId, Vec<i64>)> = None;
    while let Some(row) = scan.next() {
        let (session, set) = (row.uuid(MEMBER_SESSION), row.int8(MEMBER_SET));
        match &mut last {
            Some((known, sets)) if *known == session => sets.push(set),
            _ => {
                if let Some((session, sets)) = last.replace((session, vec![set])) {
                    visit(session, &sets);
                }
            }
        }
    }
    if let Some((session, sets)) = last {
        visit(session, &sets);
    }
}
