//! Cursors that come from outside, and how far a session has acknowledged.

use crate::change::cursor::Cursor;
use crate::change::operation::SessionId;
use crate::error::{Error, raise};
use crate::pg::fault;
use crate::pg::table::Read;
use crate::tables::session::{self, Session};
use crate::tables::{epoch, lost_event, segment, session_expiry, transaction};

/// Reads a cursor that is for these sessions. Raises 22P02 for a text that none has, 24000 for one that this feed never gave
/// out, that a crash has undone, or that has expired.
pub fn parse(text: &str, sessions: &[SessionId]) -> Cursor {
    let cursor = Cursor::parse(text).unwrap_or_else(|| raise(Error::MalformedCursor));
    let is_known = if cursor.is_beginning() {
        (1..=epoch::current()).contains(&cursor.position.epoch)
    } else {
        // Latest: the caller's snapshot may be older than the cursor that it was given.
        transaction::at_position(cursor.position, Read::Latest)
            .is_some_and(|placed| placed.nonce == cursor.nonce)
            || is_removed(cursor, sessions)
    };
    if !is_known {
        raise(Error::UnknownCursor);
    }
    cursor
}

/// Whether the cursor is of what has been removed, and nothing that one of the sessions gets comes after it there.
fn is_removed(cursor: Cursor, sessions: &[SessionId]) -> bool {
    let removed = segment::ring().removed.map(|end| end.cursor());
    let mut lost = sessions
        .iter()
        .filter_map(|&session| lost_event::of(session));
    removed == Some(cursor) || lost.any(|lost| [lost.last, lost.resume].contains(&cursor))
}

/// Where a read starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Events after this one are read.
    pub after: Cursor,
    /// Whether the caller has named the cursor: then it is an error that events after it are lost, and otherwise an event.
    pub is_passed: bool,
}

/// The position that a read starts after: the given one, or what the session has acknowledged.
pub fn start(session: &Session, after: Option<&str>) -> Start {
    match after {
        Some(after) => Start::passed(parse(after, &[session.id])),
        None => Start::acknowledged(acknowledged(session, Read::Statement)),
    }
}

impl Start {
    /// After the cursor that the caller has named.
    pub fn passed(after: Cursor) -> Self {
        Self {
            after,
            is_passed: true,
        }
    }

    /// After what the session has acknowledged.
    pub fn acknowledged(after: Cursor) -> Self {
        Self {
            after,
            is_passed: false,
        }
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
    session_expiry::note_use(session.id);
    let before = acknowledged(session, Read::Latest);
    if cursor > before {
        session::acknowledge(session.id, cursor);
    }
    fault::point("ack");
    cursor.max(before)
}
