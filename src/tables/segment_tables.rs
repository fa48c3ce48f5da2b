//! The tables of the log's segments, `event.log_0` and so on, and their indexes.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys::Oid;

use super::registry::find;

/// So many segments there can be at a time: as many as `sql/tables.sql` has tables for.
pub const RING: i64 = 4;

thread_local! {
    /// Changes with each relation.
    static RELATIONS: Cell<u64> = const { Cell::new(0) };
    /// Changes with those of the segments that have been looked up, by which their other ones come and go.
    static INDEXES: Cell<u64> = const { Cell::new(0) };
    /// These, by the place of the segment in the ring.
    static KNOWN: RefCell<[Vec<Oid>; RING as usize]> = const { RefCell::new([const { Vec::new() }; RING as usize]) };
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
        let tables = [
            named("recipient_set")?,
            named("recipient_set_member")?,
            named("log")?,
            named("transaction")?,
            named("transaction_set")?,
            named("unsequenced")?,
        ];
        let indexes = Indexes::load(number, tables)?;
        let [
            recipient_set,
            recipient_set_member,
            log,
            transaction,
            transaction_set,
            unsequenced,
        ] = tables;
        Some(Self {
            number,
            recipient_set,
            recipient_set_member,
            log,
            transaction,
            transaction_set,
            unsequenced,
            indexes: Cell::new(indexes),
        })
    }

    fn oids(&self) -> [Oid; 6] {
        [
            self.recipient_set,
            self.recipient_set_member,
            self.log,
            self.transaction,
            self.transaction_set,
            self.unsequenced,
        ]
    }

    /// For whoever has opened their table: REINDEX CONCURRENTLY puts others in their place, and drops none while a table is open.
    pub fn indexes(&self) -> Indexes {
        let (generation, indexes) = self.indexes.get();
        if generation == INDEXES.get() {
            return indexes;
        }
        // Where one is missing, whoever opens it says so.
        let loaded = Indexes::load(self.number, self.oids());
        self.indexes.set(loaded.unwrap_or((generation, indexes)));
        self.indexes.get().1
    }
}

impl Indexes {
    fn load(number: i64, tables: [Oid; 6]) -> Option<(u64, Self)> {
        loop {
            let relations = RELATIONS.get();
            let loaded = Self::find(number)?;
            let known = tables.into_iter().chain(loaded.oids()).collect();
            KNOWN.with_borrow_mut(|all| all[(number % RING) as usize] = known);
            // To look for them accepts invalidations, too, and one can be of what was not known yet.
            if relations == RELATIONS.get() {
                return Some((INDEXES.get(), loaded));
            }
        }
    }

    fn oids(&self) -> [Oid; 8] {
        [
            self.recipient_set_id,
            self.recipient_set_hash,
            self.recipient_set_member_session,
            self.log_order,
            self.transaction_position,
            self.transaction_leading,
            self.transaction_set_position,
            self.unsequenced_xid,
        ]
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

/// If this relation is one of them, or it is not known which ones are meant, the indexes will be looked up again. Makes no backend
/// call: invalidations come at any time.
pub fn at_invalidation(relation: Option<Oid>) {
    RELATIONS.set(RELATIONS.get() + 1);
    let is_known = |relation| {
        KNOWN.with(|known| {
            known.try_borrow().map_or(true, |known| {
                known.iter().any(|known| known.contains(&relation))
            })
        })
    };
    if relation.is_none_or(is_known) {
        INDEXES.set(INDEXES.get() + 1);
    }
}
