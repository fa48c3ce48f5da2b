//! Whom the changes of a transaction concern, and what events they are for each.

use std::rc::Rc;

use pgrx::pg_sys::Oid;
use rustc_hash::FxHashMap;

use crate::change::cursor::ChangeOrder;
use crate::change::event::{self, Change, Event, Readable};
use crate::change::operation::SessionId;
use crate::change::outbox::Changes;
use crate::change::recipients::{Recipient, Recipients};
use crate::change::record::Record;
use crate::change::relation::RelationNames;
use crate::tables::addressee::{self, Relation};
use crate::tables::session::Session;

/// A change with those whom it concerns.
pub struct Told<'a> {
    pub order: ChangeOrder,
    /// Oid of the relation.
    pub relation: u32,
    pub recipients: &'a Recipients,
    pub record: &'a [u8],
}

/// An event that a session hears.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    pub session: &'a Session,
    pub event: Event<'a>,
}

/// Where an event is in its transaction.
pub type Place = (ChangeOrder, u16);

impl Heard<'_> {
    pub fn place(&self) -> Place {
        (self.event.change.order, self.event.field())
    }
}

/// The sessions of a transaction, and its relations.
#[derive(Default)]
pub struct Audience {
    /// `None` for one that has been deleted.
    sessions: FxHashMap<SessionId, Option<Rc<Session>>>,
    /// `None` for one that has been dropped.
    relations: FxHashMap<u32, Option<Rc<Relation>>>,
}

/// A session that a change concerns, with what it asked for and may read.
struct Listening<'a> {
    session: Rc<Session>,
    share: &'a Recipient,
    readable: Rc<Readable>,
}

impl Audience {
    /// Calls `visit` for each of the changes, as [`Self::visit`] does.
    pub fn visit_all(&mut self, changes: &Changes, mut visit: impl FnMut(&[Heard])) {
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

    /// Calls `visit` with the events that the change is for the sessions, in the order of the events.
    pub fn visit(&mut self, told: Told, visit: impl FnOnce(&[Heard])) {
        let relation = self
            .relations
            .entry(told.relation)
            .or_insert_with(|| addressee::relation(Oid::from_u32(told.relation)))
            .as_deref();
        let record = Record::decode(told.record).expect("we have just written it");
        let gone = (!record.name.is_empty()).then(|| RelationNames::gone(record.name));
        let names = match (&gone, relation) {
            (Some(gone), _) => gone,
            (None, Some(relation)) => &relation.names,
            (None, None) => return,
        };
        let change = Change {
            order: told.order,
            relation: names,
            record: &record,
        };
        let sessions = &mut self.sessions;
        let listening: Vec<Listening> = told
            .recipients
            .iter()
            .filter_map(|share| {
                let session = sessions
                    .entry(share.session)
                    .or_insert_with(|| addressee::session(share.session))
                    .clone()?;
                let readable = match relation {
                    Some(relation) => relation.readable(session.owner),
                    None => Rc::new(Readable::Columns(Vec::new())),
                };
                Some(Listening {
                    session,
                    share,
                    readable,
                })
            })
            .collect();
        let mut heard = Vec::with_capacity(listening.len());
        for one in &listening {
            event::for_each(change, one.share, &one.readable, |event| {
                heard.push(Heard {
                    session: &one.session,
                    event,
                });
            });
        }
        if listening.len() > 1 {
            heard.sort_by_key(Heard::place);
        }
        if !heard.is_empty() {
            visit(&heard);
        }
    }
}

/// How many events of a transaction each session gets, and the place of its last one.
#[derive(Default)]
pub struct Tally(FxHashMap<SessionId, Count>);

#[derive(Clone, Copy)]
pub struct Count {
    pub total: u64,
    pub last: Place,
}

impl Tally {
    /// Counts the events that these changes are.
    pub fn of(changes: &Changes, audience: &mut Audience) -> Self {
        let mut tally = Self::default();
        audience.visit_all(changes, |heard| tally.count(heard));
        tally
    }

    /// Counts these events.
    pub fn count(&mut self, heard: &[Heard]) {
        for one in heard {
            self.add_one(one.session.id, 1, one.place());
        }
    }

    pub fn add(&mut self, other: Self) {
        for (session, count) in other.0 {
            self.add_one(session, count.total, count.last);
        }
    }

    fn add_one(&mut self, session: SessionId, total: u64, last: Place) {
        let count = self.0.entry(session).or_insert(Count { total: 0, last });
        count.total += total;
        count.last = count.last.max(last);
    }

    pub fn iter(&self) -> impl Iterator<Item = (SessionId, Count)> {
        self.0.iter().map(|(&session, &count)| (session, count))
    }

    /// Whether the session's last event of the transaction is at this place.
    pub fn is_last(&self, session: SessionId, place: Place) -> bool {
        self.0
            .get(&session)
            .is_some_and(|count| count.last == place)
    }
}
