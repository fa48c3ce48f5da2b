//! What a transaction has changed for whom, as its row says it.

use pgrx::pg_sys::{Datum, Oid};

use crate::pg::bytes;

/// Whom a transaction concerns, and where its changes are.
pub enum Contents {
    /// One set of recipients; the changes, all of one relation, are in the transaction's row (`change/chunk.rs`).
    Inline {
        set: i64,
        relation: Oid,
        changes: Vec<u8>,
    },
    /// These sets of recipients, ascending; so many changes are in the log.
    Logged { sets: Vec<i64>, changes: u64 },
}

impl Contents {
    /// None at all.
    pub fn nothing() -> Self {
        Self::logged([], 0)
    }

    /// For these sets of recipients.
    pub fn logged(sets: impl IntoIterator<Item = i64>, changes: u64) -> Self {
        let mut sets: Vec<i64> = sets.into_iter().collect();
        sets.sort_unstable();
        Self::Logged { sets, changes }
    }

    pub fn sets(&self) -> &[i64] {
        match self {
            Self::Inline { set, .. } => std::slice::from_ref(set),
            Self::Logged { sets, .. } => sets,
        }
    }

    /// How many changes are in the log.
    pub fn logged_changes(&self) -> u64 {
        match self {
            Self::Inline { .. } => 0,
            Self::Logged { changes, .. } => *changes,
        }
    }

    /// The values of the columns `relation` and `changes` of the transaction's row.
    pub(super) fn values(&self) -> [Option<Datum>; 2] {
        match self {
            Self::Inline {
                relation, changes, ..
            } => [
                Some((*relation).into()),
                Some(bytes::datum(changes.as_slice())),
            ],
            Self::Logged { .. } => [None, None],
        }
    }
}
