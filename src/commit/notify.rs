//! The notifications of a transaction: rendered before the commit lock is taken, queued under it.

use std::collections::HashMap;
use std::ffi::CString;
use std::rc::Rc;

use super::audience::{Audience, Tally, Told};
use super::spill::Spilled;
use crate::change::cursor::ChangeOrder;
use crate::change::event::Event;
use crate::change::operation::SessionId;
use crate::change::outbox::Changes;
use crate::change::payload::{self, Notification, Payload};
use crate::change::recipients::Recipients;
use crate::gucs;
use crate::pg::notify;
use crate::pg::table::Read;
use crate::tables::addressee;
use crate::tables::log::Merge;
use crate::tables::recipient_set;
use crate::tables::session::{self, Notify, Session};
use crate::tables::transaction::Placed;
use crate::tables::wakeups;

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

/// A session whose events are notified one by one.
struct Listener {
    channel: Rc<CString>,
    queued: u64,
    /// Its newest event; whether it is the last one is not known before there is no other.
    held: Option<Held>,
    /// An event of it could not be sent, so that the ones after it are not either: a nudge stands for them.
    stopped: bool,
}

struct Held {
    notification: Notification,
    order: ChangeOrder,
    field: u16,
}

impl Notifications {
    /// Renders what the sessions are to hear of these changes, which are in their order.
    pub fn of_changes(changes: &Changes, xid: u64) -> Self {
        let mut audience = Audience::default();
        let mut tally = Tally::default();
        tally.count(changes, &mut audience);
        let mut sending = Sending::new(xid, &tally);
        audience.visit_all(changes, |session, event| sending.event(session, event));
        sending.end()
    }

    /// Renders what the sessions are to hear of a transaction whose changes are in the log.
    pub fn of_log(spilled: &Spilled, epoch: u16, xid: u64) -> Self {
        let mut audience = Audience::default();
        let mut sending = Sending::new(xid, &spilled.tally);
        // Sets without a session that hears one by one are not read again.
        let sets: HashMap<i64, Recipients> = spilled
            .sets
            .iter()
            .filter_map(|&set| Some((set, recipient_set::load(set, Read::Latest)?)))
            .filter(|(_, recipients)| {
                recipients.iter().any(|recipient| {
                    addressee::session(recipient.session)
                        .is_some_and(|session| spilled.tally.is_one_by_one(&session))
                })
            })
            .collect();
        let mut merge = Merge::new(epoch, xid, None, Read::Latest);
        sets.keys().for_each(|&set| merge.add_set(set));
        while !sending.is_done()
            && let Some(entry) = merge.next()
        {
            let told = Told {
                order: entry.order,
                relation: entry.relation.to_u32(),
                recipients: &sets[&entry.set],
                record: &entry.record,
            };
            audience.visit(told, |session, event| sending.event(session, event));
        }
        sending.end()
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

/// Notifications that are being rendered.
struct Sending<'a> {
    xid: u64,
    tally: &'a Tally,
    listeners: HashMap<SessionId, Listener>,
    queued: Vec<Queued>,
    /// How many bytes may still be notified. Nothing at all once an event did not fit.
    budget: usize,
}

impl<'a> Sending<'a> {
    fn new(xid: u64, tally: &'a Tally) -> Self {
        Self {
            xid,
            tally,
            listeners: HashMap::new(),
            queued: Vec::new(),
            budget: gucs::NOTIFY_BYTES.get() as usize * 1024,
        }
    }

    /// Whether no further event can be sent.
    fn is_done(&self) -> bool {
        self.budget == 0
    }

    /// The next event of a session.
    fn event(&mut self, session: &Session, event: &Event) {
        if self.is_done() || !self.tally.is_one_by_one(session) {
            return;
        }
        let listener = self
            .listeners
            .entry(session.id)
            .or_insert_with(|| Listener {
                channel: Rc::new(session::channel(session.id)),
                queued: 0,
                held: None,
                stopped: false,
            });
        if listener.stopped {
            return;
        }
        let held = listener.held.replace(Held {
            notification: Notification::render(event, session.format, self.xid),
            order: event.change.order,
            field: event.field(),
        });
        if let Some(held) = held {
            queue(listener, held, false, &mut self.budget, &mut self.queued);
        }
    }

    fn end(mut self) -> Notifications {
        for (id, count) in self.tally.iter() {
            wakeups::add(id);
            let mut sent = 0;
            if let Some(listener) = self.listeners.get_mut(&id) {
                if let Some(held) = listener.held.take().filter(|_| !listener.stopped) {
                    queue(listener, held, true, &mut self.budget, &mut self.queued);
                }
                sent = listener.queued;
                if !listener.stopped && !self.is_done() {
                    continue;
                }
            }
            let session = addressee::session(id).filter(|session| session.notify != Notify::Off);
            if session.is_some() && sent < count.total {
                let (order, field) = count.last;
                self.queued.push(Queued {
                    channel: Rc::new(session::channel(id)),
                    order,
                    field,
                    content: Content::Nudge {
                        count: count.total - sent,
                    },
                });
            }
        }
        // A channel's notifications arrive in the order of their cursors.
        self.queued
            .sort_by_key(|queued| (queued.order, queued.field));
        Notifications {
            queued: self.queued,
        }
    }
}

/// Queues an event, or stops: what does not fit is not sent, nor what comes after it.
fn queue(
    listener: &mut Listener,
    held: Held,
    is_last: bool,
    budget: &mut usize,
    queued: &mut Vec<Queued>,
) {
    let Some(payload) = held.notification.finish(is_last) else {
        listener.stopped = true;
        listener.held = None;
        return;
    };
    if payload.len() > *budget {
        *budget = 0;
        return;
    }
    *budget -= payload.len();
    listener.queued += 1;
    queued.push(Queued {
        channel: Rc::clone(&listener.channel),
        order: held.order,
        field: held.field,
        content: Content::Event(payload),
    });
}
