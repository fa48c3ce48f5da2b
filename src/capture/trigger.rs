//! `event.capture_row`: the AFTER ROW trigger of every tracked table.

use std::cell::Cell;

use pgrx::pg_guard;
use pgrx::pg_sys::{self, Datum};

use super::relation::{self, WatchedRelation};
use super::row::Images;
use crate::change::diff::{self, RowPair, Side};
use crate::change::matching::KeyedSubscription;
use crate::change::operation::{ColumnNumber, Operation};
use crate::change::outbox;
use crate::change::recipients::Recipients;
use crate::change::record::RecordWriter;
use crate::error::{Error, raise};
use crate::pg::pinned::PinnedSettings;
use crate::pg::transaction::nest_level;
use crate::tables::subscription;

/// Tells the server how `capture_row` is called.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_capture_row() -> &'static pg_sys::Pg_finfo_record {
    const INFO: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &INFO
}

/// Puts the change of one row into the outbox, for those whom it concerns.
///
/// # Safety
/// Called by the server as a function of this SQL signature.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn capture_row(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
    // SAFETY: the server's call data; the trigger manager's is checked for before it is used, and it and the
    // slots stay until we return.
    unsafe {
        let trigger = trigger_data(fcinfo);
        let Some(relation) = relation::watched((*trigger).tg_relation) else {
            return Datum::null();
        };
        let _pinned = PinnedSettings::new();
        match (*trigger).tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => {
                let images = Images::new(&relation, std::ptr::null_mut(), (*trigger).tg_trigslot);
                inserted(
                    &relation,
                    &images,
                    pg_sys::HeapTupleHeaderGetCmin((*(*trigger).tg_trigtuple).t_data),
                );
            }
            pg_sys::TRIGGER_EVENT_DELETE => {
                let images = Images::new(&relation, (*trigger).tg_trigslot, std::ptr::null_mut());
                deleted(
                    &relation,
                    &images,
                    pg_sys::HeapTupleHeaderGetCmax((*(*trigger).tg_trigtuple).t_data),
                );
            }
            _ => {
                let images = Images::new(&relation, (*trigger).tg_trigslot, (*trigger).tg_newslot);
                updated(
                    &relation,
                    &images,
                    pg_sys::HeapTupleHeaderGetCmin((*(*trigger).tg_newtuple).t_data),
                );
            }
        }
    }
    Datum::null()
}

/// The trigger manager's data, if it called us in the way that we are made for.
unsafe fn trigger_data(fcinfo: pg_sys::FunctionCallInfo) -> *mut pg_sys::TriggerData {
    let refuse = |problem| raise(Error::TriggerProtocol { problem });
    // SAFETY: the context is null or a node, whose tag says what it is.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            refuse("not called by trigger manager");
        }
        let trigger = context.cast::<pg_sys::TriggerData>();
        let event = (*trigger).tg_event;
        if event & pg_sys::TRIGGER_EVENT_TIMINGMASK != pg_sys::TRIGGER_EVENT_AFTER {
            refuse("must be called after the change");
        }
        if event & pg_sys::TRIGGER_EVENT_ROW == 0 {
            refuse("must be called for each row");
        }
        trigger
    }
}

/// A longer buffer is not kept.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    /// A buffer for one record, kept from row to row.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Renders a record and puts it into the outbox; `render` returns for whom it is, `None` for nobody. The
/// buffer is taken away meanwhile, since rendering can run user code that changes rows of its own.
fn put(
    relation: &WatchedRelation,
    operation: Operation,
    command: pg_sys::CommandId,
    render: impl FnOnce(&mut Vec<u8>) -> Option<std::rc::Rc<Recipients>>,
) {
    let mut buffer = BUFFER.take();
    buffer.clear();
    if let Some(recipients) = render(&mut buffer).filter(|recipients| !recipients.is_empty()) {
        let is_delete = operation == Operation::Delete;
        let oid = relation.oid.to_u32();
        outbox::with(|outbox| {
            outbox.push(nest_level(), command, is_delete, oid, &recipients, &buffer)
        });
    }
    buffer.shrink_to(KEPT_BYTES);
    BUFFER.set(buffer);
}

fn inserted(relation: &WatchedRelation, row: &impl RowPair, command: pg_sys::CommandId) {
    put(relation, Operation::Insert, command, |out| {
        let recipients = relation.watchers.of_insert();
        if recipients.is_empty() {
            return None;
        }
        let mut writer = diff::start(Operation::Insert, row, Side::New, &relation.key, out);
        diff::inserted(
            &mut writer,
            row,
            relation.told_by_insert(&relation.watchers.columns(&[])),
        );
        writer.end();
        Some(recipients)
    });
}

fn deleted(relation: &WatchedRelation, row: &impl RowPair, command: pg_sys::CommandId) {
    put(relation, Operation::Delete, command, |out| {
        let writer = diff::start(Operation::Delete, row, Side::Old, &relation.key, out);
        let keyed = keyed(relation, &writer);
        writer.end();
        Some(relation.watchers.of_delete(&keyed))
    });
}

/// A changed key names another row: the old one is gone and the new one has come.
fn updated(relation: &WatchedRelation, row: &impl RowPair, command: pg_sys::CommandId) {
    if relation.key.iter().any(|&column| row.differs(column)) {
        deleted(relation, row, command);
        inserted(relation, row, command);
        return;
    }
    if !relation.keyed {
        // Nothing is rendered before it is known that something changed that somebody watches.
        let changed = changed(relation, row, &[]);
        if !changed.is_empty() {
            put(relation, Operation::Update, command, |out| {
                let mut writer = diff::start(Operation::Update, row, Side::New, &relation.key, out);
                diff::updated(&mut writer, row, &changed);
                writer.end();
                Some(relation.watchers.of_update(&changed, &[]))
            });
        }
        return;
    }
    put(relation, Operation::Update, command, |out| {
        let mut writer = diff::start(Operation::Update, row, Side::New, &relation.key, out);
        let keyed = keyed(relation, &writer);
        let changed = changed(relation, row, &keyed);
        diff::updated(&mut writer, row, &changed);
        writer.end();
        (!changed.is_empty()).then(|| relation.watchers.of_update(&changed, &keyed))
    });
}

fn changed(
    relation: &WatchedRelation,
    row: &impl RowPair,
    keyed: &[KeyedSubscription],
) -> Vec<ColumnNumber> {
    let watched = relation.watchers.columns(keyed);
    diff::changed_columns(row, relation.columns.iter().copied(), &watched)
}

/// The row and field subscriptions of the row whose key has been written.
fn keyed(relation: &WatchedRelation, writer: &RecordWriter) -> Vec<KeyedSubscription> {
    if relation.keyed {
        subscription::keyed(relation.oid, &relation.key, &writer.key_texts())
    } else {
        Vec::new()
    }
}
