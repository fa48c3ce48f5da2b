//! What becomes of subscriptions to a relation that the session's owner may not read any more.
//!
//! Privileges are judged at each read, so that nothing is told that may not be read. The first read that can write also
//! ends the subscriptions, and records the last event of the relation for this session. No writer ever does: a
//! subscriber's privileges are no business of theirs.

use pgrx::pg_sys::Oid;

use crate::change::operation::Control;
use crate::change::outbox;
use crate::change::recipients::Recipients;
use crate::gucs;
use crate::pg::transaction;
use crate::tables::session::{self, Session};
use crate::tables::{addressee, permission_loss, subscription, watch};

/// Ends what the session's owner may not read any more. Whether there was such: then an event comes at the commit. Never
/// waits: if another connection is just changing something of the session, the next read does it.
///
/// Functions that only read call it and are STABLE nevertheless: nothing that they return depends on it, in the statement
/// or later in the transaction, since the relation is withheld already; and done twice it is done once.
pub fn judge(session: &Session) -> bool {
    let mut lost = subscription::relations(session.id);
    lost.retain(|&relation| {
        addressee::relation(relation).is_some_and(|relation| relation.is_closed_to(session.owner))
    });
    if lost.is_empty() || !transaction::may_write() || !session::try_lock(session.id) {
        return false;
    }
    let ended = lost.into_iter().filter(|&relation| end(session, relation));
    ended.count() > 0
}

/// Whether there was something to end: another connection may have been faster.
fn end(session: &Session, oid: Oid) -> bool {
    let (Some(relation), Some(recipient)) = (
        addressee::relation(oid),
        subscription::end_of_session(session.id, oid),
    ) else {
        return false;
    };
    watch::announce(oid);
    permission_loss::insert(session.id, oid);
    outbox::push_control(
        transaction::nest_level(),
        transaction::current_command(),
        Control::PermissionLoss,
        oid.to_u32(),
        Recipients::from_iter([recipient]),
        // The session may see nothing of the relation, but it knows its name.
        &relation.names.qualified.text,
        gucs::outbox_bytes(),
    );
    true
}
