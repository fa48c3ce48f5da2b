//! The place in the feed that the holder of the commit lock takes.
//!
//! The lock is taken as the last act before the commit and held until the commit is visible: so a visible
//! position implies that every smaller one is visible, on standbys too. `sequence > cursor` skips
//! transactions in flight, `xid < xmin` with a sequence still does, and `(xid, sequence)` order replays a
//! row to the wrong value.

use crate::change::cursor::Position;
use crate::change::event::Source;
use crate::pg::{fault, transaction};
use crate::tables::skipped;
use crate::tables::transaction::{Feed, Placed};

/// The next place; skips are those of the place before. The caller holds the lock and stores the transaction under it, so that the next holder's
/// WAL position is greater.
pub fn next(feed: &Feed, epoch: u16, source: Source) -> Placed {
    let before = feed
        .newest()
        .filter(|before| before.position.epoch == epoch);
    let (last_lsn, last_at, has_skips) = before.map_or_else(
        || (0, i64::MIN, skipped::any()),
        |before| (before.position.lsn, before.at, before.has_skips),
    );
    fault::point("position");
    Placed {
        position: Position {
            epoch,
            lsn: transaction::wal_position().max(last_lsn + 1),
        },
        source,
        nonce: transaction::nonce(),
        at: transaction::clock().max(last_at),
        has_skips,
    }
}
