//! What a stored row says of the commands that made and ended it.

use pgrx::pg_sys::{self, CommandId};

use super::catalog;
use super::transaction::current_command;

/// The stored rows of one table.
#[derive(Clone, Copy)]
pub struct Tuples {
    /// Rows of another storage (a foreign table's, say) do not say by which command they were made.
    is_heap: bool,
}

impl Tuples {
    /// # Safety
    /// The relation is open.
    pub unsafe fn of(relation: pg_sys::Relation) -> Self {
        // SAFETY: the caller's promise.
        let is_heap = unsafe { (*relation).rd_tableam == pg_sys::GetHeapamTableAmRoutine() };
        Self { is_heap }
    }

    /// The command of this transaction that stored the row's version.
    ///
    /// # Safety
    /// The tuple is one of the table that this transaction has stored.
    pub unsafe fn made_by(self, tuple: pg_sys::HeapTuple) -> CommandId {
        if !self.is_heap {
            return current_command();
        }
        // SAFETY: the caller's promise.
        unsafe { pg_sys::HeapTupleHeaderGetCmin((*tuple).t_data) }
    }

    /// The command of this transaction that deleted the row.
    ///
    /// # Safety
    /// The tuple is one of the table that this transaction has deleted.
    pub unsafe fn deleted_by(self, tuple: pg_sys::HeapTuple) -> CommandId {
        if !self.is_heap {
            return current_command();
        }
        // SAFETY: the caller's promise.
        unsafe { pg_sys::HeapTupleHeaderGetCmax((*tuple).t_data) }
    }

    /// The command of this transaction that has updated or deleted the row's version, if one has.
    ///
    /// # Safety
    /// The tuple is one of the table, as it is stored now.
    pub unsafe fn ended_by(self, tuple: pg_sys::HeapTuple) -> Option<CommandId> {
        if !self.is_heap {
            return None;
        }
        // SAFETY: the caller's promise: a row's header. The command is only asked for where this transaction has
        // ended the row.
        unsafe {
            let header = (*tuple).t_data;
            let bits = u32::from((*header).t_infomask);
            if bits & (pg_sys::HEAP_XMAX_INVALID | pg_sys::HEAP_XMAX_LOCK_ONLY) != 0 {
                return None;
            }
            let xid = if bits & pg_sys::HEAP_XMAX_IS_MULTI != 0 {
                pg_sys::HeapTupleGetUpdateXid(header)
            } else {
                (*header).t_choice.t_heap.t_xmax
            };
            pg_sys::TransactionIdIsCurrentTransactionId(xid)
                .then(|| pg_sys::HeapTupleHeaderGetCmax(header))
        }
    }
}

/// The command of the running statement that gave the relation a new, empty storage; `None` if none has: a relation
/// that the transaction itself has created is emptied where it is.
pub fn emptied_by(relation: pg_sys::Oid) -> Option<CommandId> {
    let statement = super::transaction::statement_command()?;
    // SAFETY: an index of pg_class. The command is only asked for where this transaction has stored the row.
    let commands = unsafe {
        catalog::rows(
            pg_sys::RelationRelationId,
            pg_sys::ClassOidIndexId,
            pg_sys::Anum_pg_class_oid,
            relation,
            std::ptr::null_mut(),
            |tuple, _| {
                let header = (*tuple).t_data;
                let xid = (*header).t_choice.t_heap.t_xmin;
                let is_frozen = u32::from((*header).t_infomask) & pg_sys::HEAP_XMIN_FROZEN
                    == pg_sys::HEAP_XMIN_FROZEN;
                (!is_frozen && pg_sys::TransactionIdIsCurrentTransactionId(xid))
                    .then(|| pg_sys::HeapTupleHeaderGetCmin(header))
            },
        )
    };
    commands
        .into_iter()
        .flatten()
        .find(|command| *command >= statement)
}
