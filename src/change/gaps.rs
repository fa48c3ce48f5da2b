//! The relations that a transaction has changed in silence, since `reldiff.capture` was off: when it commits, those who
//! watch them are told that there is a gap. What a rolled-back savepoint has changed is not among them.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Relations, each with the lowest level of a subtransaction that has changed it.
#[derive(Default)]
pub struct Gaps(BTreeMap<u32, i32>);

impl Gaps {
    const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the relation is known to have been changed. What is kept is of open subtransactions, so it holds on every
    /// level: a bulk load asks once for each row.
    pub fn is_noted(&self, relation: u32) -> bool {
        self.0.contains_key(&relation)
    }

    /// The relation has been changed by the subtransaction on this level.
    pub fn note(&mut self, level: i32, relation: u32) {
        self.0.entry(relation).or_insert(level);
    }

    pub fn at_sub_abort(&mut self, level: i32) {
        self.0.retain(|_, changed| *changed < level);
    }

    pub fn at_sub_commit(&mut self, level: i32) {
        for changed in self.0.values_mut() {
            *changed = (*changed).min(level - 1);
        }
    }

    /// The relations, in the order of their creation, which mostly is from the topmost one on.
    pub fn relations(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }
}

thread_local! {
    static GAPS: RefCell<Gaps> = const { RefCell::new(Gaps::new()) };
}

/// The gaps of this backend's transaction.
pub fn with<T>(with: impl FnOnce(&mut Gaps) -> T) -> T {
    GAPS.with_borrow_mut(with)
}

/// Takes them away, which leaves none.
pub fn take() -> Gaps {
    GAPS.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations(gaps: &Gaps) -> Vec<u32> {
        gaps.relations().collect()
    }

    #[test]
    fn a_relation_is_told_of_once() {
        let mut gaps = Gaps::default();
        gaps.note(1, 8);
        gaps.note(1, 7);
        gaps.note(2, 8);
        assert!(gaps.is_noted(8) && !gaps.is_noted(9));
        assert_eq!(relations(&gaps), [7, 8]);
    }

    #[test]
    fn a_rolled_back_savepoint_has_changed_nothing() {
        let mut gaps = Gaps::default();
        gaps.note(1, 1);
        gaps.note(2, 1);
        gaps.note(2, 2);
        gaps.note(3, 3);
        gaps.at_sub_commit(3);
        gaps.at_sub_abort(3);
        assert_eq!(relations(&gaps), [1, 2, 3]);
        gaps.at_sub_abort(2);
        assert_eq!(relations(&gaps), [1]);
    }
}
