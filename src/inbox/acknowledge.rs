//! Cursors that come from outside, and how far a session has acknowledged.

use crate::change::cursor::Cursor;
use crate::error::{Error, raise};
use crate::pg::fault;
use crate::pg::table::Read;
use crate::tables::session::{self, Session};
use crate::tables::{session_expiry, transaction};

/// Reads a cursor. Raises 22P02 for a text that none has, 24000 for one that this feed never gave out or
/// that a crash has undone.
pub fn parse(text: &str) -> Cursor {
    let cursor = Cursor::parse(text).unwrap_or_else(|| raise(Error::MalformedCursor));
    let known = if cursor.is_beginning() {
        (1..=transaction::epoch(false)).contains(&cursor.position.epoch)
    } else {
        // Latest: the caller's snapshot may be older than the cursor that it was given.
        transaction::at_position(cursor.position, Read::Latest)
            .is_some_and(|placed| placed.nonce == cursor.nonce)
    };
    if !known {
        raise(Error::UnknownCursor);
    }
    cursor
}

/// The position that a read starts after: the given one, or what the session has acknowledged.
pub fn start(session: &Session, after: Option<&str>) -> Cursor {
    match after {
        Some(after) => parse(after),
        None => acknowledged(session, Read::Statement),
    }
}

/// What the session has acknowledged; from the beginning, if nothing.
pub fn acknowledged(session: &Session, read: Read) -> Cursor {
    session::acknowledged(session.id, read)
        .flatten()
        .unwrap_or_else(|| Cursor::beginning(1))
}

/// Acknowledges everything up to the cursor; never moves back. Returns the acknowledged position.
pub fn acknowledge(session: &Session, cursor: Cursor) -> Cursor {
    session::lock(session.id);
    fault::point("ack");
    session_expiry::note_use(session.id);
    let before = acknowledged(session, Read::Latest);
    if cursor > before {
        session::acknowledge(session.id, cursor);
    }
    cursor.max(before)
}
