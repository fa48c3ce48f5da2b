//! `event.capture_row`: the AFTER ROW trigger of every tracked table.

use std::cell::Cell;
use std::rc::Rc;

use pgrx::pg_guard;
use pgrx::pg_sys::{self, Datum};

use super::gap;
use super::levels::{self, Level, Levels};
use super::protocol;
use super::row::{Images, View};
use crate::change::diff::{self, RowPair, Side};
use crate::change::matching::{KeyedSubscription, WatchedColumns};
use crate::change::operation::Operation;
use crate::change::outbox::{self, Moment};
use crate::change::recipients::Recipients;
use crate::gucs;
use crate::pg::fault;
use crate::pg::pinned::PinnedSettings;
use crate::pg::transaction::nest_level;
use crate::tables::subscribers;

/// Tells the server how `capture_row` is called.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_capture_row() -> &'static pg_sys::Pg_finfo_record {
    &protocol::VERSION_1
}

/// Puts the change of one row into the outbox, for those whom it concerns.
///
/// # Safety
/// Called by the server as a function of this SQL signature.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn capture_row(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
    // SAFETY: the server's call data; the trigger manager's is checked for before it is used, and it and the
    // slots stay until we return. The levels are those of the slots' relation.
    unsafe {
        let trigger = protocol::trigger_data(fcinfo, protocol::Kind::Row);
        fault::point("trigger");
        if !gucs::CAPTURE.get() {
            gap::note((*(*trigger).tg_relation).rd_id);
            return Datum::null();
        }
        let Some(levels) = levels::of((*trigger).tg_relation) else {
            return Datum::null();
        };
        if levels.trigger != Some((*(*trigger).tg_trigger).tgoid) {
            return Datum::null();
        }
        let _pinned = PinnedSettings::new();
        let (slot, tuple) = ((*trigger).tg_trigslot, (*trigger).tg_trigtuple);
        let tuples = levels.tuples;
        let at = |command, ended| Moment {
            level: nest_level(),
            command,
            ended,
        };
        match (*trigger).tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => {
                let row = Images::new(std::ptr::null_mut(), slot);
                let moment = at(tuples.made_by(tuple), tuples.ended_by(tuple));
                inserted(&levels, &row, moment, |_| true);
            }
            pg_sys::TRIGGER_EVENT_DELETE => {
                let row = Images::new(slot, std::ptr::null_mut());
                let moment = at(tuples.deleted_by(tuple), None);
                deleted(&levels, &row, moment, |_| true);
            }
            _ => {
                let row = Images::new(slot, (*trigger).tg_newslot);
                let tuple = (*trigger).tg_newtuple;
                let moment = at(tuples.made_by(tuple), tuples.ended_by(tuple));
                updated(&levels, &row, moment);
            }
        }
    }
    Datum::null()
}

/// A longer buffer is not kept.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    /// A buffer for one record, kept from row to row.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Renders a record and puts it into the outbox. The buffer is taken away meanwhile, since rendering can run user
/// code that changes rows of its own.
fn put(
    level: &Level,
    operation: Operation,
    moment: Moment,
    recipients: &Rc<Recipients>,
    render: impl FnOnce(&mut Vec<u8>),
) {
    let mut buffer = BUFFER.take();
    buffer.clear();
    render(&mut buffer);
    outbox::push(
        moment,
        operation,
        level.relation.oid.to_u32(),
        recipients,
        &buffer,
        gucs::outbox_bytes(),
    );
    buffer.shrink_to(KEPT_BYTES);
    BUFFER.set(buffer);
}

/// # Safety
/// The levels are those of the images' relation; so below.
unsafe fn inserted(
    levels: &Levels,
    row: &Images,
    moment: Moment,
    concerned: impl Fn(&Level) -> bool,
) {
    let ask = |level: &Level| concerned(level).then(|| (level.relation.watchers.of_insert(), ()));
    levels.each(ask, |level, recipients, ()| {
        put(level, Operation::Insert, moment, recipients, |out| {
            // SAFETY: the caller's promise.
            let row = unsafe { row.view(level) };
            let relation = &level.relation;
            let mut writer = diff::start(Operation::Insert, &row, Side::New, &relation.key, out);
            let watched = WatchedColumns::of(recipients.iter());
            diff::inserted(&mut writer, &row, relation.told_by_insert(&watched));
            writer.end();
        });
    });
}

unsafe fn deleted(
    levels: &Levels,
    row: &Images,
    moment: Moment,
    concerned: impl Fn(&Level) -> bool,
) {
    let ask = |level: &Level| {
        concerned(level).then(|| {
            // SAFETY: the caller's promise.
            let keyed = keyed(level, &unsafe { row.view(level) }, Side::Old);
            (level.relation.watchers.of_delete(&keyed), ())
        })
    };
    levels.each(ask, |level, recipients, ()| {
        put(level, Operation::Delete, moment, recipients, |out| {
            // SAFETY: the caller's promise.
            let row = unsafe { row.view(level) };
            diff::start(Operation::Delete, &row, Side::Old, &level.relation.key, out).end();
        });
    });
}

/// A changed key names another row: the old one is gone and the new one has come.
unsafe fn updated(levels: &Levels, row: &Images, moment: Moment) {
    let has_moved = |level: &Level| {
        // SAFETY: the caller's promise.
        let row = unsafe { row.view(level) };
        level.relation.key.iter().any(|&column| row.differs(column))
    };
    let some_have_moved = levels.levels.iter().any(has_moved);
    if some_have_moved {
        // SAFETY: the caller's promise.
        unsafe {
            deleted(levels, row, moment, has_moved);
            inserted(levels, row, moment, has_moved);
        }
    }
    let ask = |level: &Level| {
        if some_have_moved && has_moved(level) {
            return None;
        }
        // SAFETY: the caller's promise.
        let row = unsafe { row.view(level) };
        let keyed = keyed(level, &row, Side::New);
        let watchers = &level.relation.watchers;
        let compared = levels.compared(watchers.columns(&keyed));
        let columns = level.relation.columns.iter().copied();
        let changed = diff::changed_columns(&row, columns, &compared);
        (!changed.is_empty()).then(|| (watchers.of_update(&changed, &keyed), changed))
    };
    levels.each(ask, |level, recipients, mut changed| {
        put(level, Operation::Update, moment, recipients, |out| {
            // SAFETY: the caller's promise.
            let row = unsafe { row.view(level) };
            let watched = WatchedColumns::of(recipients.iter());
            changed.retain(|&column| watched.contains(column));
            let key = &level.relation.key;
            let mut writer = diff::start(Operation::Update, &row, Side::New, key, out);
            diff::updated(&mut writer, &row, &changed);
            writer.end();
        });
    });
}

/// The row and field subscriptions of the row.
fn keyed(level: &Level, row: &View, side: Side) -> Vec<KeyedSubscription> {
    let relation = &level.relation;
    if !relation.keyed.any() {
        return Vec::new();
    }
    let texts = relation.key.iter().map(|&column| {
        let mut text = Vec::new();
        row.text(side, column, &mut text);
        text
    });
    let texts: Vec<_> = texts.collect();
    subscribers::keyed(relation.oid, &relation.key, &texts, relation.keyed)
}
