//! Events of a relation as a whole.

use std::rc::Rc;

use pgrx::pg_sys::Oid;

use crate::change::operation::{Control, Operation};
use crate::change::outbox::{self, Moment};
use crate::change::recipients::Recipients;
use crate::change::record;
use crate::gucs;
use crate::pg::transaction::{current_command, nest_level};
use crate::tables::{addressee, subscription, watch};

/// A relation's rows have changed without row events.
pub struct Reset {
    pub control: Control,
    /// The command that did it.
    pub command: u32,
    /// The command with which the statement began that did it: its other resets of the relation say the same.
    pub since: u32,
}

/// Tells the relation's subscribers of a reset, once in a statement; that it has been emptied says more than that it
/// has to be loaded anew.
pub fn reset(relation: Oid, reset: &Reset) {
    let oid = relation.to_u32();
    match reset.control {
        Control::Truncate => {
            outbox::with(|outbox| outbox.take_back_resync(oid, reset.since));
        }
        _ if outbox::with(|outbox| outbox.is_reset(oid, reset.since)) => return,
        _ => {}
    }
    let subscribers = may_hear(relation, subscription::subscribers(relation));
    tell(relation, reset.control, reset.command, subscribers, b"");
}

/// Ends the relation's subscriptions, and tells their sessions why. `name`: the qualified name of one that is gone.
pub fn end(relation: Oid, control: Control, name: &[u8]) {
    let mut subscribers = subscription::subscribers(relation);
    if subscribers.is_empty() {
        return;
    }
    if control != Control::Gone {
        subscribers = may_hear(relation, subscribers);
    }
    tell(relation, control, current_command(), subscribers, name);
    subscription::end(relation);
    watch::announce(relation);
}

/// Without the sessions whose owner may not read any of the relation.
fn may_hear(relation: Oid, subscribers: Recipients) -> Recipients {
    let Some(relation) = addressee::relation(relation) else {
        return Recipients::default();
    };
    subscribers.filter(|recipient| {
        addressee::session(recipient.session)
            .is_some_and(|session| !relation.readable(session.owner).is_nothing())
    })
}

fn tell(relation: Oid, control: Control, command: u32, subscribers: Recipients, name: &[u8]) {
    if subscribers.is_empty() {
        return;
    }
    let mut bytes = Vec::new();
    record::control(control, name, &mut bytes);
    let moment = Moment {
        level: nest_level(),
        command,
        ended: None,
    };
    outbox::push(
        moment,
        Operation::Control(control),
        relation.to_u32(),
        &Rc::new(subscribers),
        &bytes,
        gucs::OUTBOX_MEMORY.get() as usize * 1024,
    );
}
