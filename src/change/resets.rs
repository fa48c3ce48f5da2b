//! Which relations the running statement has emptied or changed as a whole, so that it says so once.

/// A relation's reset, by the command with which its statement began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reset {
    level: i32,
    relation: u32,
    since: u32,
}

/// The resets of the last statement that has made any.
#[derive(Default)]
pub struct Resets(Vec<Reset>);

impl Resets {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Notes a reset by a statement that began at this command, on this subtransaction level. False if it has noted
    /// one of the relation already.
    pub fn note(&mut self, level: i32, relation: u32, since: u32) -> bool {
        let reset = Reset {
            level,
            relation,
            since,
        };
        self.0.retain(|other| other.since >= since);
        let is_new = !self.0.contains(&reset);
        if is_new {
            self.0.push(reset);
        }
        is_new
    }

    pub fn at_sub_abort(&mut self, level: i32) {
        self.0.retain(|reset| reset.level < level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_says_it_once() {
        let mut resets = Resets::default();
        assert!(resets.note(1, 7, 3));
        assert!(!resets.note(1, 7, 3));
        assert!(resets.note(1, 8, 3));
        assert!(resets.note(1, 7, 4));
    }

    #[test]
    fn what_a_savepoint_said_is_said_again_after_its_rollback() {
        let mut resets = Resets::default();
        assert!(resets.note(2, 7, 3));
        assert!(resets.note(1, 7, 3));
        resets.at_sub_abort(2);
        assert!(resets.note(2, 7, 3));
        assert!(!resets.note(1, 7, 3));
    }
}
