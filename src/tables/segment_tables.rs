//! The tables of the log's segments, `event.log_0` and so on, and their indexes.

use std::cell::Cell;

use pgrx::pg_sys::Oid;

use super::registry::find;

/// So many segments there can be at a time: as many as `sql/tables.sql` has tables for.
pub const RING: i64 = 4;

thread_local! {
    /// Changes with every relation that may be an index of a segment's table.
    static INDEXES: Cell<u64> = const { Cell::new(0) };
}

/// The tables of one segment. A lock on its log stands for all of them.
#[derive(Debug)]
pub struct Tables {
    pub number: i64,
    pub recipient_set: Oid,
    pub recipient_set_member: Oid,
    pub log: Oid,
    pub transaction: Oid,
    pub transaction_set: Oid,
    pub unsequenced: Oid,
    /// With the generation of when they were looked up.
    indexes: Cell<(u64, Indexes)>,
}

/// The indexes of one segment's tables.
#[derive(Clone, Copy, Debug)]
pub struct Indexes {
    pub recipient_set_id: Oid,
    pub recipient_set_hash: Oid,
    pub recipient_set_member_session: Oid,
    pub log_order: Oid,
    pub transaction_position: Oid,
    pub transaction_leading: Oid,
    pub transaction_set_position: Oid,
    pub unsequenced_xid: Oid,
}

impl Tables {
    pub(super) fn load(number: i64) -> Option<Self> {
        let named = |table: &str| find_in(number, table, "");
        Some(Self {
            number,
            recipient_set: named("recipient_set")?,
            recipient_set_member: named("recipient_set_member")?,
            log: named("log")?,
            transaction: named("transaction")?,
            transaction_set: named("transaction_set")?,
            unsequenced: named("unsequenced")?,
            indexes: Cell::new(Indexes::load(number)?),
        })
    }

    /// For whoever has opened their table: REINDEX CONCURRENTLY puts others in their place, and drops none while a table is open.
    pub fn indexes(&self) -> Indexes {
        let (generation, indexes) = self.indexes.get();
        if generation == INDEXES.get() {
            return indexes;
        }
        // Where one is missing, whoever opens it says so.
        let loaded = Indexes::load(self.number);
        self.indexes.set(loaded.unwrap_or((generation, indexes)));
        self.indexes.get().1
    }
}

impl Indexes {
    fn load(number: i64) -> Option<(u64, Self)> {
        loop {
            let generation = INDEXES.get();
            let loaded = Self::find(number)?;
            // To look for them accepts invalidations, too.
            if generation == INDEXES.get() {
                return Some((generation, loaded));
            }
        }
    }

    fn find(number: i64) -> Option<Self> {
        let named = |table: &str, columns: &str| find_in(number, table, &format!("_{columns}_idx"));
        Some(Self {
            recipient_set_id: named("recipient_set", "id")?,
            recipient_set_hash: named("recipient_set", "hash")?,
            recipient_set_member_session: named("recipient_set_member", "session_id_set_id")?,
            log_order: named("log", "xid_set_id_command_arrival")?,
            transaction_position: named("transaction", "epoch_position_set_id")?,
            transaction_leading: named("transaction", "set_id_epoch_position")?,
            transaction_set_position: named("transaction_set", "set_id_epoch_position")?,
            unsequenced_xid: named("unsequenced", "epoch_xid")?,
        })
    }
}

fn find_in(number: i64, table: &str, index: &str) -> Option<Oid> {
    find(&format!("{table}_{}{index}", number % RING))
}

/// The indexes will be looked up again. Makes no backend call: invalidations come at any time.
pub fn at_invalidation() {
    INDEXES.set(INDEXES.get() + 1);
}
