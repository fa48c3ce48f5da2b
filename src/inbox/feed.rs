//! `event.feed`: a page of the inbox as one JSON document, for a web server to pass on.

use super::reader::Reader;
use crate::change::cursor::Cursor;
use crate::change::json::Object;
use crate::change::payload;
use crate::pg::table::Read;
use crate::tables::session::Session;
use crate::tables::transaction;

/// `{"events":[…],"cursor":…,"has_next":…}`. The cursor of an empty page is fresh: reading after it again
/// does not look at what this page has looked at.
pub fn page(session: Session, after: Cursor, limit: usize) -> Vec<u8> {
    let format = session.format;
    let newest = transaction::newest(Read::Statement).map(|newest| newest.end());
    let mut out = Vec::new();
    let mut page = Object::new(&mut out);
    let events = page.key(b"events");
    events.push(b'[');
    let mut end = None;
    let read = Reader::new(session, Read::Statement).read(
        after,
        limit,
        |event, place| {
            (
                payload::render(event, format, place.stamp.xid),
                place.stamp.clone(),
                place.cursor,
            )
        },
        |(mut event, stamp, cursor), last| {
            if last {
                event.mark_last();
            }
            if end.is_some() {
                events.push(b',');
            }
            events.extend_from_slice(&event.stamped(&stamp, cursor));
            end = Some(cursor);
        },
    );
    events.push(b']');
    let fresh = after.max(newest.unwrap_or(after));
    let cursor = if read.has_next {
        end.unwrap_or(after)
    } else {
        fresh.max(end.unwrap_or(after))
    };
    page.text("cursor", cursor.to_string().as_bytes());
    page.raw("has_next", if read.has_next { b"true" } else { b"false" });
    page.end();
    out
}
