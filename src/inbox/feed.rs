//! `event.feed`: a page of the inbox as one JSON document, for a web server to pass on.

use super::acknowledge::Start;
use super::reader::Reader;
use crate::change::json::Object;
use crate::change::payload;
use crate::pg::table::Read;
use crate::tables::session::Session;
use crate::tables::transaction;

/// `{"events":[…],"cursor":…,"has_next":…}`. The cursor of an empty page is fresh: reading after it again
/// does not look at what this page has looked at.
pub fn page(session: Session, start: Start, limit: usize) -> Vec<u8> {
    let format = session.format;
    let newest = transaction::newest(Read::Inserted).map(|newest| newest.cursor());
    let mut out = Vec::new();
    let mut page = Object::new(&mut out);
    let events = page.key(b"events");
    events.push(b'[');
    let mut is_first = true;
    let mut reader = Reader::new(&session, Read::Inserted, start);
    let read = reader.read(
        limit,
        |event, place| {
            (
                payload::render(event, format, place.source),
                place.stamp.clone(),
                place.cursor,
            )
        },
        |(mut event, stamp, cursor), last| {
            if last {
                event.mark_last();
            }
            if !std::mem::take(&mut is_first) {
                events.push(b',');
            }
            events.extend_from_slice(&event.stamped(&stamp, cursor));
        },
    );
    events.push(b']');
    let end = reader.position();
    let cursor = match newest {
        Some(newest) if !read.has_next => end.max(newest),
        _ => end,
    };
    page.text("cursor", &cursor.text());
    page.raw("has_next", if read.has_next { b"true" } else { b"false" });
    page.end();
    out
}
