//! The place in the feed that the holder of the commit lock takes.
//!
//! The lock is taken as the last act before the commit and held until the commit is visible: so a visible
//! position implies that every smaller one is visible, on standbys too. `sequence > cursor` skips
//! transactions in flight, `xid < xmin` with a sequence still does, and `(xid, sequence)` order replays a
//! row to the wrong value.

use crate::change::cursor::Position;
use crate::pg::{fault, transaction as backend};
use crate::tables::last_place::Last;
use crate::tables::transaction::Placed;
use crate::tables::unsequenced::Unsequenced;

/// The place behind the last one of the epoch; skips are those of that. The caller holds the lock and stores the transaction
/// under it, so that the next holder's WAL position is greater.
pub fn next(last: Last, transaction: &Unsequenced) -> Placed {
    fault::point("position");
    Placed {
        position: Position {
            epoch: transaction.epoch,
            lsn: backend::wal_position().max(last.lsn + 1),
        },
        source: transaction.source.clone(),
        nonce: backend::nonce(),
        at: backend::clock().max(last.at),
        noted: transaction.noted,
        has_skips: last.has_skips,
    }
}
