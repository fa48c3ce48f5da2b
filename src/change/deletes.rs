//! The keys that a transaction has deleted, and by which commands: what decides the place of an insert that
//! arrives after changes of later commands ([`super::outbox`]).

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::record::encoded_key;

/// A key's hash and the command that deleted it. Two keys of one hash do no harm: an insert that is told
/// after a delete that does not concern it is told between the same changes of its own key.
type Deleted = (u32, u32);

/// Eight bytes for each, and they are put into order only when somebody asks.
#[derive(Default)]
pub struct Deletes {
    ordered: BTreeSet<Deleted>,
    added: Vec<Deleted>,
}

impl Deletes {
    pub const fn new() -> Self {
        Self {
            ordered: BTreeSet::new(),
            added: Vec::new(),
        }
    }

    /// Takes note of a row's delete from its encoded record.
    pub fn add(&mut self, relation: u32, record: &[u8], command: u32) {
        self.added.push((hash(relation, record), command));
    }

    /// The last command from `from` on, and before `before` if that is given, that deleted the key of this
    /// encoded record.
    pub fn last(
        &mut self,
        relation: u32,
        record: &[u8],
        from: u32,
        before: Option<u32>,
    ) -> Option<u32> {
        self.ordered.extend(self.added.drain(..));
        let key = hash(relation, record);
        let last = before.map_or(Some(u32::MAX), |before| before.checked_sub(1))?;
        if last < from {
            return None;
        }
        let mut found = self.ordered.range((key, from)..=(key, last));
        found.next_back().map(|(_, command)| *command)
    }
}

fn hash(relation: u32, record: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    (relation, encoded_key(record)).hash(&mut hasher);
    hasher.finish() as u32
}
