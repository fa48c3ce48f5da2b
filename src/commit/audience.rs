//! Whom the changes of a transaction concern, and what events they are for each.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use crate::change::cursor::ChangeOrder;
use crate::change::event::{self, Change, Event, Readable};
use crate::change::operation::SessionId;
use crate::change::outbox::Changes;
use crate::change::recipients::Recipients;
use crate::change::record::Record;
use crate::change::relation::RelationNames;
use crate::gucs;
use crate::tables::addressee::{self, Relation};
use crate::tables::session::{Notify, Session};

/// A change with those whom it concerns.
pub struct Told<'a> {
    pub order: ChangeOrder,
    /// Oid of the relation.
    pub relation: u32,
    pub recipients: &'a Recipients,
    pub record: &'a [u8],
}

/// The sessions of a transaction, and its relations.
#[derive(Default)]
pub struct Audience {
    /// `None` for one that has been deleted.
    sessions: HashMap<SessionId, Option<Rc<Session>>>,
    /// `None` for one that has been dropped.
    relations: HashMap<u32, Option<Rc<Relation>>>,
}

impl Audience {
    /// Calls `visit` for each event that the changes are for each session, in order.
    pub fn visit_all(&mut self, changes: &Changes, mut visit: impl FnMut(&Session, &Event)) {
        for (change, record) in changes.iter() {
            let told = Told {
                order: change.order,
                relation: change.relation,
                recipients: &change.recipients,
                record,
            };
            self.visit(told, &mut visit);
        }
    }

    /// Calls `visit` for each event that the change is for each session, in order.
    pub fn visit(&mut self, told: Told, mut visit: impl FnMut(&Session, &Event)) {
        let relation = self
            .relations
            .entry(told.relation)
            .or_insert_with(|| addressee::relation(Oid::from_u32(told.relation)))
            .as_deref();
        let record = Record::decode(told.record).expect("we have just written it");
        let gone = RelationNames::gone(record.name);
        let names = match relation {
            _ if !record.name.is_empty() => &gone,
            Some(relation) => &relation.names,
            None => return,
        };
        let change = Change {
            order: told.order,
            relation: names,
            record: &record,
        };
        for share in told.recipients.iter() {
            let session = self
                .sessions
                .entry(share.session)
                .or_insert_with(|| addressee::session(share.session));
            let Some(session) = session else { continue };
            let readable = match relation {
                Some(relation) => relation.readable(session.owner),
                None => Rc::new(Readable::Columns(Vec::new())),
            };
            event::for_each(change, share, &readable, |event| visit(session, &event));
        }
    }
}

/// How many events of a transaction each session gets, and the place of its last one.
#[derive(Default)]
pub struct Tally(HashMap<SessionId, Count>);

#[derive(Clone, Copy)]
pub struct Count {
    pub total: u64,
    pub last: (ChangeOrder, u16),
}

impl Tally {
    /// Counts the events that these changes are.
    pub fn count(&mut self, changes: &Changes, audience: &mut Audience) {
        audience.visit_all(changes, |session, event| {
            let place = (event.change.order, event.field());
            self.add_one(session.id, 1, place);
        });
    }

    pub fn add(&mut self, other: Self) {
        for (session, count) in other.0 {
            self.add_one(session, count.total, count.last);
        }
    }

    fn add_one(&mut self, session: SessionId, total: u64, last: (ChangeOrder, u16)) {
        let count = self.0.entry(session).or_insert(Count { total: 0, last });
        count.total += total;
        count.last = count.last.max(last);
    }

    pub fn iter(&self) -> impl Iterator<Item = (SessionId, Count)> {
        self.0.iter().map(|(&session, &count)| (session, count))
    }

    /// Whether the session's events are notified one by one, as far as their number decides it.
    pub fn is_one_by_one(&self, session: &Session) -> bool {
        let limit = gucs::NOTIFY_LIMIT.get() as u64;
        let total = self.0.get(&session.id).map_or(0, |count| count.total);
        session.notify == Notify::Payload && total > 0 && (limit == 0 || total <= limit)
    }
}
