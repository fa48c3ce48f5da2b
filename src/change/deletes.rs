//! The keys that a transaction has deleted, and by which commands: what decides the place of an insert that
//! arrives after changes of later commands ([`super::outbox`]). What has been rolled back since may be among them, which
//! does no harm: an insert that is told after a delete that was not is told between the same changes of its key.

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
    /// Relations that have been emptied, and by which commands.
    emptied: Vec<(u32, u32)>,
}

impl Deletes {
    pub const fn new() -> Self {
        Self {
            ordered: BTreeSet::new(),
            added: Vec::new(),
            emptied: Vec::new(),
        }
    }

    /// Takes note of a row's delete from its encoded record.
    pub fn add(&mut self, relation: u32, record: &[u8], command: u32) {
        self.added.push((hash(relation, record), command));
    }

    /// Takes note of a truncation, which deletes every key of the relation.
    pub fn add_all(&mut self, relation: u32, command: u32) {
        self.emptied.push((relation, command));
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
        let mut deleted = self.ordered.range((key, from)..=(key, last));
        let deleted = deleted.next_back().map(|(_, command)| *command);
        let emptied = self.emptied.iter().filter_map(|&(emptied, command)| {
            (emptied == relation && (from..=last).contains(&command)).then_some(command)
        });
        emptied.chain(deleted).max()
    }
}

fn hash(relation: u32, record: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    (relation, encoded_key(record)).hash(&mut hasher);
    hasher.finish() as u32
}
