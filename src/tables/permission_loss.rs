//! `event.permission_loss`: which history of which relations is withheld from a session for good.
//!
//! When a session's owner has lost the right to read a relation, what it had not read by then stays withheld, also when
//! the right comes back. A new subscription begins behind that. Rows are only inserted: a look without a snapshot that
//! comes across the commit of a replacement could miss both.

use std::collections::HashMap;

use pgrx::pg_sys::Oid;

use super::epoch;
use super::registry::registry;
use super::transaction::Placed;
use crate::change::cursor::Position;
use crate::change::operation::SessionId;
use crate::pg::scan_key::{Key, unsigned, uuid};
use crate::pg::table::{Read, Table};
use crate::pg::transaction;

const SESSION: i16 = 1;
const RELATION: i16 = 2;
const EPOCH: i16 = 3;
const POSITION: i16 = 4;

/// How often the right was lost, how often there was a new subscription after that, and where the newest of those begins.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    losses: usize,
    returns: usize,
    begins: Option<Position>,
}

/// What is withheld of the relations that a session's owner once had no right to read.
#[derive(Debug, Default)]
pub struct Withheld(HashMap<Oid, History>);

impl Withheld {
    /// Of this session, as of now.
    pub fn of(session: SessionId) -> Self {
        Self::found(&[Key::uuid(SESSION, session)])
    }

    fn found(keys: &[Key]) -> Self {
        let table = Table::open_to_read(registry().permission_loss);
        let mut scan = table.scan(registry().permission_loss_session, keys, Read::Latest);
        let mut found = Self::default();
        while let Some(row) = scan.next() {
            let history = found.0.entry(row.oid(RELATION)).or_default();
            match row.unsigned(POSITION) {
                None => history.losses += 1,
                Some(lsn) => {
                    let epoch = row.int4(EPOCH) as u16;
                    history.returns += 1;
                    history.begins = history.begins.max(Some(Position { epoch, lsn }));
                }
            }
        }
        found
    }

    /// Whether what the transaction has changed in the relation is withheld.
    pub fn contains(&self, relation: Oid, transaction: &Placed) -> bool {
        // What it had changed before it noted this was not for the new subscription, whenever it got its place.
        let noted = Position {
            epoch: transaction.position.epoch,
            lsn: transaction.noted,
        };
        self.0.get(&relation).is_some_and(|history| {
            history.losses > history.returns || history.begins.is_some_and(|begin| noted <= begin)
        })
    }

    fn is_lost(&self, relation: Oid) -> bool {
        let history = self.0.get(&relation);
        history.is_some_and(|history| history.losses > history.returns)
    }
}

/// The session's owner has lost the right to read the relation. The caller holds its lock.
pub fn insert(session: SessionId, relation: Oid) {
    Table::open_to_write(registry().permission_loss).insert_row(&[
        Some(uuid(session)),
        Some(relation.into()),
        None,
        None,
    ]);
}

/// The session has subscribed to the relation anew: what comes from now on is not withheld. The caller holds its lock.
pub fn end(session: SessionId, relation: Oid) {
    let keys = [Key::uuid(SESSION, session), Key::oid(RELATION, relation)];
    if !Withheld::found(&keys).is_lost(relation) {
        return;
    }
    let begin = Position {
        epoch: epoch::begin(),
        lsn: transaction::wal_position(),
    };
    Table::open_to_write(registry().permission_loss).insert_row(&[
        Some(uuid(session)),
        Some(relation.into()),
        Some(i32::from(begin.epoch).into()),
        Some(unsigned(begin.lsn)),
    ]);
}

/// The key of a session's rows.
pub fn key(session: SessionId) -> Key {
    Key::uuid(SESSION, session)
}
