//! The changes of the running transaction, until it commits.
//!
//! Each is tagged with the nesting level of the subtransaction that made it (savepoints and PL/pgSQL
//! exception blocks alike), so that a rollback leaves nothing of what it undid. What grows beyond a bound is
//! taken away level by level and written to the log early, by the subtransaction that made it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub use super::changes::Changes;
use super::cursor::ChangeOrder;
use super::deletes::Deletes;
use super::operation::{Control, Operation};
use super::recipients::Recipients;
use super::record;
use super::resets::Resets;

/// When a change was made, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Subtransaction nesting level, 1 for the top level.
    pub level: i32,
    /// The id of the command that made it.
    pub command: u32,
    /// The id of the command that has ended the row's new version since, if one of this transaction has.
    pub ended: Option<u32>,
}

#[derive(Default)]
pub struct Outbox {
    pending: Changes,
    arrivals: u64,
    /// The highest command id that has arrived.
    newest: u32,
    deletes: Deletes,
    /// How many of the pending changes the deletes have been taken from.
    seen: usize,
    /// Of the last statement that has told of any.
    pub resets: Resets,
    /// Whether the transaction's other changes have gone to the log for its commit: what comes now follows at once.
    pub is_late: bool,
}

impl Outbox {
    const fn new() -> Self {
        Self {
            pending: Changes::new(),
            arrivals: 0,
            newest: 0,
            deletes: Deletes::new(),
            seen: 0,
            resets: Resets::new(),
            is_late: false,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a change.
    pub fn push(
        &mut self,
        moment: Moment,
        operation: Operation,
        relation: u32,
        recipients: &Rc<Recipients>,
        record: &[u8],
    ) {
        let command = match operation {
            Operation::Insert if moment.command < self.newest => {
                self.after_deletes(moment, relation, record)
            }
            _ => moment.command,
        };
        self.newest = self.newest.max(command);
        // What ends rows comes before what begins them.
        let is_first = matches!(
            operation,
            Operation::Delete | Operation::Control(Control::Truncate)
        );
        let order = ChangeOrder::new(command, is_first, self.arrivals);
        self.arrivals += 1;
        self.pending
            .push(moment.level, order, operation, relation, recipients, record);
    }

    /// The command of an insert that arrives after changes of later commands. These are mostly changes that a
    /// trigger or a function has made after the insert. But what ran before the row was stored (a BEFORE trigger
    /// that deletes the row that is in the way, say) has a later command id, too: if that has
    /// deleted this key, the insert comes after it. The row has had the key from when it was stored until it
    /// was ended, so that every delete in between came before it was stored.
    fn after_deletes(&mut self, moment: Moment, relation: u32, record: &[u8]) -> u32 {
        self.note_deletes();
        self.deletes
            .last(relation, record, moment.command, moment.ended)
            .unwrap_or(moment.command)
    }

    /// Takes note of the deletes among the pending changes.
    fn note_deletes(&mut self) {
        for (change, record) in self.pending.from(self.seen) {
            let command = change.order.command;
            match change.operation {
                Operation::Delete => self.deletes.add(change.relation, record, command),
                Operation::Control(Control::Truncate) => {
                    self.deletes.add_all(change.relation, command);
                }
                _ => {}
            }
        }
        self.seen = self.pending.len();
    }

    /// Takes back that the relation has to be loaded anew, if a statement that began at this command has said so on
    /// this level: it has also emptied it.
    pub fn take_back_resync(&mut self, level: i32, relation: u32, since: u32) {
        let resync = Operation::Control(Control::Resync);
        if let Some(at) = self.pending.take_back(level, resync, relation, since) {
            self.seen = self.seen.min(at);
        }
    }

    /// The bytes that the pending changes take.
    pub fn bytes(&self) -> usize {
        self.pending.bytes()
    }

    /// Whether the changes of this level are more than `limit` bytes, or have to go to the log in any case.
    pub fn is_full(&self, level: i32, limit: usize) -> bool {
        self.is_late || (self.bytes() > limit && self.pending.bytes_of(level) > limit)
    }

    /// Takes the changes of this level away, for the log.
    pub fn take_level(&mut self, level: i32) -> Changes {
        self.note_deletes();
        let start = self.pending.start_of(level);
        self.seen = start;
        self.pending.split_off(start)
    }

    /// Takes all changes away.
    pub fn take_all(&mut self) -> Changes {
        std::mem::take(&mut self.pending)
    }

    /// The subtransaction at this level was rolled back, and those inside it with it.
    pub fn at_sub_abort(&mut self, level: i32) {
        let kept = self.pending.start_of(level);
        drop(self.pending.split_off(kept));
        self.seen = self.seen.min(kept);
        self.resets.at_sub_abort(level);
    }

    /// The subtransaction at this level was released: its changes are its parent's now.
    pub fn at_sub_commit(&mut self, level: i32) {
        self.pending.release(level);
    }
}

thread_local! {
    static OUTBOX: RefCell<Outbox> = const { RefCell::new(Outbox::new()) };
    static SPILL: Cell<Option<fn(i32)>> = const { Cell::new(None) };
}

/// The outbox of this backend's transaction. No user code may run inside `with`: a nested trigger would
/// come here again.
pub fn with<T>(with: impl FnOnce(&mut Outbox) -> T) -> T {
    OUTBOX.with_borrow_mut(with)
}

/// Takes the outbox away, which leaves an empty one.
pub fn take() -> Outbox {
    OUTBOX.take()
}

/// Says who writes the changes of a level to the log when they are too many.
pub fn set_spill(spill: fn(i32)) {
    SPILL.set(Some(spill));
}

/// Takes a change; if those of its level are more than `limit` bytes by now, they go to the log.
pub fn push(
    moment: Moment,
    operation: Operation,
    relation: u32,
    recipients: &Rc<Recipients>,
    record: &[u8],
    limit: usize,
) {
    let is_full = with(|outbox| {
        outbox.push(moment, operation, relation, recipients, record);
        outbox.is_full(moment.level, limit)
    });
    if is_full && let Some(spill) = SPILL.get() {
        spill(moment.level);
    }
}

/// Takes an event of a relation as a whole, made on this level by this command. `name`: as [`record::control`] takes it.
pub fn push_control(
    level: i32,
    command: u32,
    control: Control,
    relation: u32,
    recipients: Recipients,
    name: &[u8],
    limit: usize,
) {
    if recipients.is_empty() {
        return;
    }
    let mut bytes = Vec::new();
    record::control(control, name, &mut bytes);
    let moment = Moment {
        level,
        command,
        ended: None,
    };
    push(
        moment,
        Operation::Control(control),
        relation,
        &Rc::new(recipients),
        &bytes,
        limit,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::record::RecordWriter;

    const RELATION: u32 = 1;

    struct Told(Outbox, Vec<&'static str>);

    impl Told {
        fn new() -> Self {
            Self(Outbox::default(), Vec::new())
        }

        /// A change of a row with this key; `name` is what the test calls it.
        fn push(
            &mut self,
            moment: (i32, u32),
            operation: Operation,
            key: &str,
            name: &'static str,
        ) {
            self.ended(moment, None, operation, key, name);
        }

        fn ended(
            &mut self,
            (level, command): (i32, u32),
            ended: Option<u32>,
            operation: Operation,
            key: &str,
            name: &'static str,
        ) {
            let moment = Moment {
                level,
                command,
                ended,
            };
            let mut record = Vec::new();
            let mut writer = RecordWriter::new(operation, 1, &mut record);
            let text = |out: &mut Vec<u8>| out.extend_from_slice(key.as_bytes());
            writer.key(1, text, text);
            writer.part(
                2,
                |out| {
                    out.extend_from_slice(name.as_bytes());
                    true
                },
                None::<fn(&mut Vec<u8>) -> bool>,
            );
            writer.end();
            self.1.push(name);
            self.0
                .push(moment, operation, RELATION, &Rc::default(), &record);
        }

        /// The names of the changes, in the order in which they will be told.
        fn names(mut self) -> Vec<&'static str> {
            names(&self.1, self.0.take_all())
        }
    }

    fn names(all: &[&'static str], mut changes: Changes) -> Vec<&'static str> {
        changes.sort();
        changes
            .iter()
            .map(|(_, record)| {
                *all.iter()
                    .find(|name| {
                        record
                            .windows(name.len())
                            .any(|part| part == name.as_bytes())
                    })
                    .expect("its name is in its record")
            })
            .collect()
    }

    use Operation::{Delete, Insert, Update};

    #[test]
    fn a_rolled_back_savepoint_leaves_nothing() {
        let mut told = Told::new();
        told.push((1, 0), Insert, "a", "before");
        told.push((2, 1), Insert, "b", "inside");
        told.push((3, 2), Insert, "c", "deeper");
        told.0.at_sub_abort(2);
        told.push((1, 3), Insert, "d", "after");
        assert_eq!(told.names(), ["before", "after"]);
    }

    #[test]
    fn a_released_savepoint_goes_with_its_parent() {
        let mut told = Told::new();
        told.push((1, 0), Insert, "a", "before");
        told.push((3, 1), Insert, "b", "deeper");
        told.0.at_sub_commit(3);
        told.push((2, 2), Insert, "c", "inside");
        told.0.at_sub_abort(3);
        assert_eq!(told.0.pending.len(), 3);
        told.0.at_sub_abort(2);
        assert_eq!(told.0.pending.len(), 1);
        told.0.at_sub_abort(1);
        assert!(told.0.is_empty());
    }

    #[test]
    fn changes_are_told_by_command_then_deletes_first_then_arrival() {
        let mut told = Told::new();
        told.push((1, 7), Update, "2", "a trigger's");
        told.push((1, 5), Insert, "2", "insert 1");
        told.push((1, 5), Delete, "1", "delete 1");
        told.push((1, 5), Insert, "3", "insert 2");
        told.push((1, 5), Delete, "2", "delete 2");
        assert_eq!(
            told.names(),
            [
                "delete 1",
                "delete 2",
                "insert 1",
                "insert 2",
                "a trigger's"
            ]
        );
    }

    #[test]
    fn an_insert_comes_after_what_a_before_trigger_deleted() {
        let mut told = Told::new();
        // One statement that inserts the key three times; a trigger deletes the one before each time.
        told.push((1, 6), Delete, "k", "delete 1");
        told.push((1, 7), Delete, "k", "delete 2");
        told.ended((1, 5), Some(6), Insert, "k", "insert 1");
        told.ended((1, 5), Some(7), Insert, "k", "insert 2");
        told.push((1, 5), Insert, "k", "insert 3");
        told.push((1, 5), Insert, "other", "insert 4");
        assert_eq!(
            told.names(),
            [
                "insert 1", "insert 4", "delete 1", "insert 2", "delete 2", "insert 3"
            ]
        );
    }

    #[test]
    fn an_insert_stays_before_what_its_own_trigger_deleted() {
        let mut told = Told::new();
        told.push((1, 6), Update, "k", "update");
        told.push((1, 7), Delete, "k", "delete");
        told.ended((1, 5), Some(6), Insert, "k", "insert");
        assert_eq!(told.names(), ["insert", "update", "delete"]);
    }

    #[test]
    fn what_has_been_spilled_still_decides_the_order() {
        let mut told = Told::new();
        told.push((1, 6), Delete, "k", "delete");
        drop(told.0.take_level(1));
        told.push((1, 5), Insert, "other", "insert 1");
        told.push((1, 5), Insert, "k", "insert 2");
        let commands = told.0.pending.iter();
        let commands: Vec<_> = commands.map(|(change, _)| change.order.command).collect();
        assert_eq!(commands, [5, 6]);
    }

    #[test]
    fn only_the_changes_of_a_level_are_taken() {
        let mut told = Told::new();
        told.push((1, 0), Insert, "a", "outer");
        told.push((2, 1), Insert, "b", "inner 1");
        told.push((2, 2), Delete, "c", "inner 2");
        let outer = told.0.bytes() - told.0.pending.bytes_of(2);
        assert!(told.0.is_full(2, told.0.pending.bytes_of(2) - 1));
        assert!(!told.0.is_full(2, told.0.pending.bytes_of(2)));
        let taken = told.0.take_level(2);
        assert_eq!(names(&told.1, taken), ["inner 1", "inner 2"]);
        assert_eq!(told.0.bytes(), outer);
        told.push((2, 3), Insert, "d", "inner 3");
        assert_eq!(names(&told.1, told.0.take_level(2)), ["inner 3"]);
        assert_eq!(told.names(), ["outer"]);
    }

    #[test]
    fn an_insert_comes_after_what_a_nested_truncate_emptied() {
        let mut told = Told::new();
        let truncate = Operation::Control(Control::Truncate);
        told.push((1, 6), truncate, "", "truncate");
        told.push((1, 5), Insert, "k", "insert");
        assert_eq!(told.names(), ["truncate", "insert"]);
    }

    #[test]
    fn deletes_of_an_outer_level_decide_the_order_too() {
        let mut told = Told::new();
        told.push((1, 6), Delete, "k", "delete");
        told.push((2, 7), Insert, "other", "inner");
        drop(told.0.take_level(2));
        told.push((1, 5), Insert, "k", "insert");
        assert_eq!(told.names(), ["delete", "insert"]);
    }

    #[test]
    fn an_emptied_relation_need_not_be_loaded_anew() {
        let mut told = Told::new();
        let resync = Operation::Control(Control::Resync);
        told.push((1, 3), resync, "", "earlier");
        told.push((2, 5), resync, "", "inside");
        told.push((1, 5), resync, "", "same");
        told.push((1, 6), Insert, "k", "insert");
        told.0.take_back_resync(1, RELATION, 5);
        told.0.take_back_resync(1, RELATION, 5);
        told.0.take_back_resync(1, RELATION + 1, 0);
        assert_eq!(told.names(), ["earlier", "inside", "insert"]);
    }
}
