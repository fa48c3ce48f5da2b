//! The notifications of a transaction: rendered before the commit lock is taken, queued under it.

use std::collections::HashMap;
use std::ffi::CString;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use crate::change::cursor::ChangeOrder;
use crate::change::event::{self, Change, Event};
use crate::change::operation::SessionId;
use crate::change::outbox::Outbox;
use crate::change::payload::{self, Notification, Payload};
use crate::change::record::Record;
use crate::gucs;
use crate::pg::notify;
use crate::tables::addressee::{self, Relation};
use crate::tables::session::{self, Notify, Session};
use crate::tables::transaction::Placed;

/// What will be sent once the transaction has its place.
pub struct Notifications {
    queued: Vec<Queued>,
}

struct Queued {
    channel: Rc<CString>,
    order: ChangeOrder,
    field: u16,
    content: Content,
}

impl Queued {
    /// About how much of the server's queue it takes: the payload, and the channel with the entry's header.
    fn bytes(&self) -> usize {
        100 + match &self.content {
            Content::Event(payload) => payload.len(),
            Content::Nudge { .. } => 100,
        }
    }
}

enum Content {
    Event(Payload),
    Nudge { count: u64 },
}

/// A session that gets events of this transaction.
struct Recipient {
    session: Rc<Session>,
    channel: Rc<CString>,
    /// How many events it gets.
    total: u64,
    /// How many of them have been queued one by one.
    queued: u64,
    /// The place of its last event.
    last: (ChangeOrder, u16),
    /// An event of it could not be sent, so that the ones after it are not either: a nudge stands for them.
    stopped: bool,
}

impl Recipient {
    /// Whether its events are notified one by one, as far as their number decides it.
    fn one_by_one(&self) -> bool {
        let limit = gucs::NOTIFY_LIMIT.get() as u64;
        self.session.notify == Notify::Payload && (limit == 0 || self.total <= limit)
    }
}

impl Notifications {
    /// Renders what the sessions are to hear of the changes, which are in their order.
    pub fn render(outbox: &Outbox, xid: u64) -> Self {
        let mut recipients = Recipients::default();
        recipients.visit(outbox, |recipient, event| {
            recipient.total += 1;
            recipient.last = (event.change.order, event.field());
        });
        let mut queued = Vec::new();
        let mut budget = gucs::NOTIFY_BYTES.get() as usize * 1024;
        recipients.visit(outbox, |recipient, event| {
            if recipient.stopped || !recipient.one_by_one() {
                return;
            }
            let format = recipient.session.format;
            let last = recipient.queued + 1 == recipient.total;
            let payload = Notification::render(event, format, xid).finish(last);
            match payload.filter(|payload| payload.len() <= budget) {
                Some(payload) => {
                    budget -= payload.len();
                    recipient.queued += 1;
                    queued.push(Queued {
                        channel: Rc::clone(&recipient.channel),
                        order: event.change.order,
                        field: event.field(),
                        content: Content::Event(payload),
                    });
                }
                None => recipient.stopped = true,
            }
        });
        for recipient in recipients.sessions.into_values().flatten() {
            let rest = recipient.total - recipient.queued;
            if rest > 0 && recipient.session.notify != Notify::Off {
                let (order, field) = recipient.last;
                let content = Content::Nudge { count: rest };
                queued.push(Queued {
                    channel: recipient.channel,
                    order,
                    field,
                    content,
                });
            }
        }
        Self { queued }
    }

    /// Queues them for the commit. The caller holds the commit lock. Nothing is queued when the server's
    /// queue is nearly full, since a full one would fail the commit: the events are in the inbox.
    pub fn send(self, placed: &Placed) {
        let bytes: usize = self.queued.iter().map(Queued::bytes).sum();
        if self.queued.is_empty() || !notify::queue_has_room(bytes, gucs::NOTIFY_QUEUE_LIMIT.get())
        {
            return;
        }
        let stamp = placed.stamp();
        for queued in self.queued {
            let cursor = stamp.cursor(queued.order, queued.field);
            let payload = match queued.content {
                Content::Event(payload) => payload.stamped(&stamp, cursor),
                Content::Nudge { count } => payload::nudge(cursor, count),
            };
            notify::notify(&queued.channel, payload);
        }
    }
}

/// The sessions of a transaction, and its relations.
#[derive(Default)]
struct Recipients {
    /// `None` for one that has been deleted.
    sessions: HashMap<SessionId, Option<Recipient>>,
    /// `None` for one that has been dropped.
    relations: HashMap<u32, Option<Rc<Relation>>>,
}

impl Recipients {
    /// Calls `visit` for each event of each session, in order.
    fn visit(&mut self, outbox: &Outbox, mut visit: impl FnMut(&mut Recipient, &Event)) {
        for (change, record) in outbox.iter() {
            let relation = self
                .relations
                .entry(change.relation)
                .or_insert_with(|| addressee::relation(Oid::from_u32(change.relation)));
            let Some(relation) = relation else { continue };
            let record = Record::decode(record).expect("we have just written it");
            let told = Change {
                order: change.order,
                relation: &relation.names,
                record: &record,
            };
            for share in change.recipients.iter() {
                let entry = self
                    .sessions
                    .entry(share.session)
                    .or_insert_with(|| find(share.session));
                let Some(recipient) = entry else { continue };
                let readable = relation.readable(recipient.session.owner);
                event::for_each(told, share, &readable, |event| visit(recipient, &event));
            }
        }
    }
}

fn find(id: SessionId) -> Option<Recipient> {
    let session = addressee::session(id)?;
    let last = (ChangeOrder::new(0, true, 0), 0);
    Some(Recipient {
        channel: Rc::new(session::channel(id)),
        session,
        total: 0,
        queued: 0,
        last,
        stopped: false,
    })
}
