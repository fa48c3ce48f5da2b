//! The channels on which a transaction's events are heard.
//!
//! A session has a channel of its own, or shares one with others. What cannot be told one by one on a channel is told by
//! one nudge, behind everything that was: so whoever listens to a channel has heard all that comes before the nudge.

use std::ffi::CStr;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::audience::{Place, Tally};
use crate::change::operation::SessionId;
use crate::gucs;
use crate::tables::addressee;
use crate::tables::session::Notify;

/// A channel with what a transaction has for it.
pub struct Channel {
    pub name: Rc<CStr>,
    pub is_shared: bool,
    /// The sessions on it that have events, ascending.
    pub sessions: Vec<SessionId>,
    /// How many events they have, together.
    pub events: u64,
    /// The place of the last one.
    pub last: Place,
    /// How many of them have been queued, which are the first ones.
    pub queued: u64,
    /// Whether the next event is told by itself.
    pub is_open: bool,
}

/// The channels of a transaction.
#[derive(Default)]
pub struct Channels {
    channels: Vec<Channel>,
    /// By session; one that hears nothing has none.
    places: FxHashMap<SessionId, usize>,
}

impl Channels {
    /// Those of the sessions that have events and are notified.
    pub fn of(tally: &Tally) -> Self {
        let limit = gucs::NOTIFY_LIMIT.get() as u64;
        let mut found = Self::default();
        let mut shared: FxHashMap<Rc<CStr>, usize> = FxHashMap::default();
        for (id, count) in tally.iter() {
            let session = addressee::session(id).filter(|session| session.notify != Notify::Off);
            let Some(session) = session else { continue };
            let known = session.channel.shared_name();
            let place = known.and_then(|name| shared.get(name).copied());
            let place = place.unwrap_or_else(|| {
                found.channels.push(Channel {
                    name: Rc::clone(&session.channel.name),
                    is_shared: session.channel.is_shared,
                    sessions: Vec::new(),
                    events: 0,
                    last: count.last,
                    queued: 0,
                    is_open: true,
                });
                let place = found.channels.len() - 1;
                shared.extend(known.map(|name| (Rc::clone(name), place)));
                place
            });
            let channel = &mut found.channels[place];
            channel.sessions.push(id);
            channel.events += count.total;
            channel.last = channel.last.max(count.last);
            channel.is_open &=
                session.notify == Notify::Payload && (limit == 0 || count.total <= limit);
            found.places.insert(id, place);
        }
        for channel in &mut found.channels {
            channel.sessions.sort_unstable();
        }
        found
    }

    /// Adds those of `now` that are not here, or not for all of their sessions.
    pub fn add_others(&mut self, now: Self) {
        for mut channel in now.channels {
            let is_here = |known: &Channel| {
                let mut sessions = channel.sessions.iter();
                known.name == channel.name
                    && sessions.all(|session| known.sessions.binary_search(session).is_ok())
            };
            if !self.channels.iter().any(is_here) {
                channel.is_open = false;
                self.channels.push(channel);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.channels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether some channel's next event is told by itself.
    pub fn any_open(&self) -> bool {
        self.channels.iter().any(|channel| channel.is_open)
    }

    /// The place of the session's channel, if its next event is told by itself.
    pub fn open(&self, session: SessionId) -> Option<usize> {
        let place = *self.places.get(&session)?;
        self.channels[place].is_open.then_some(place)
    }

    pub fn get(&self, place: usize) -> &Channel {
        &self.channels[place]
    }

    pub fn get_mut(&mut self, place: usize) -> &mut Channel {
        &mut self.channels[place]
    }

    /// No further event is told by itself, on any channel.
    pub fn close_all(&mut self) {
        for channel in &mut self.channels {
            channel.is_open = false;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Channel)> {
        self.channels.iter().enumerate()
    }
}
