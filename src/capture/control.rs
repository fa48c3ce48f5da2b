//! Events of a relation as a whole.

use pgrx::pg_sys::Oid;

use crate::change::operation::Control;
use crate::change::outbox;
use crate::change::recipients::Recipients;
use crate::gucs;
use crate::pg::dropped;
use crate::pg::transaction::{current_command, nest_level, statement_command};
use crate::tables::{addressee, subscribers, subscription, watch};

/// A relation's rows have changed without row events.
pub struct Reset {
    control: Control,
    /// The command that did it.
    command: u32,
    /// The command with which the statement began that did it: its other resets of the relation say the same.
    since: u32,
}

impl Reset {
    /// By this command of the running statement.
    pub fn new(control: Control, command: u32) -> Self {
        Self {
            control,
            command,
            since: statement_command().unwrap_or(command),
        }
    }
}

/// Tells the relation's subscribers of a reset, once in a statement; that it has been emptied says more than that it
/// has to be loaded anew.
pub fn reset(relation: Oid, reset: &Reset) {
    tell_reset(relation, reset, subscribers::all(relation));
}

/// As [`reset`], for those only that subscribed to `other` as well.
pub fn reset_among(relation: Oid, other: Oid, reset: &Reset) {
    let others = subscribers::all(other);
    let among =
        subscribers::all(relation).filter(|recipient| others.get(recipient.session).is_some());
    tell_reset(relation, reset, among);
}

fn tell_reset(relation: Oid, reset: &Reset, subscribers: Recipients) {
    let subscribers = addressee::who_may_read(relation, &subscribers);
    if subscribers.is_empty() {
        return;
    }
    let (level, oid) = (nest_level(), relation.to_u32());
    let is_first = outbox::with(|outbox| {
        if reset.control == Control::Truncate {
            outbox.take_back_resync(level, oid, reset.since);
        }
        outbox.resets.note(level, oid, reset.since)
    });
    if is_first || reset.control == Control::Truncate {
        tell(relation, reset.control, reset.command, subscribers, b"");
    }
}

/// Ends the relation's subscriptions, and tells their sessions why. `name`: the qualified name of one that is gone.
pub fn end(relation: Oid, control: Control, name: &[u8]) {
    let subscribers = subscribers::all(relation);
    if subscribers.is_empty() {
        return;
    }
    let subscribers = if control == Control::Gone {
        subscribers.filter(|recipient| {
            addressee::session(recipient.session)
                .is_some_and(|session| dropped::was_readable(session.owner, relation))
        })
    } else {
        addressee::who_may_read(relation, &subscribers)
    };
    tell(relation, control, current_command(), subscribers, name);
    subscription::end(relation);
    watch::announce(relation);
}

/// Puts an event of the relation into the outbox.
pub(super) fn tell(
    relation: Oid,
    control: Control,
    command: u32,
    subscribers: Recipients,
    name: &[u8],
) {
    outbox::push_control(
        nest_level(),
        command,
        control,
        relation.to_u32(),
        subscribers,
        name,
        gucs::outbox_bytes(),
    );
}
