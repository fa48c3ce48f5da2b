//! The notifications of a transaction: rendered before the commit lock is taken, queued under it.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::audience::{Audience, Heard, Place, Tally, Told};
use super::channels::{Channel, Channels};
use super::rendering::{Queued, Rendering};
use crate::change::event::Source;
use crate::change::outbox::Changes;
use crate::change::payload::{self, MOST_SESSIONS, Payload};
use crate::change::recipients::Recipients;
use crate::gucs;
use crate::pg::notify::{self, ENTRY_BYTES};
use crate::pg::table::Read;
use crate::pg::transaction::accept_invalidations;
use crate::tables::contents::Contents;
use crate::tables::merge::Merge;
use crate::tables::transaction::Placed;
use crate::tables::unsequenced::Unsequenced;
use crate::tables::{invalidation, recipient_set, skipped};

/// What will be sent once the transaction has its place.
#[derive(Default)]
pub struct Notifications {
    pub channels: Channels,
    /// Each once, however many channels get it.
    pub payloads: Vec<Payload>,
    pub queued: Vec<Queued>,
    /// Whose events they are.
    pub tally: Tally,
    /// When the channels were looked up, as [`invalidation::generation`] says.
    pub generation: u64,
}

/// The length of a nudge that names this channel's sessions, at most.
fn nudge_bytes(channel: &Channel) -> usize {
    ENTRY_BYTES + 100 + 39 * channel.sessions.len().min(MOST_SESSIONS)
}

impl Notifications {
    /// Renders what the sessions are to hear of these changes, which are in their order.
    pub fn of_changes(changes: &Changes, source: &Source) -> Self {
        let mut audience = Audience::default();
        let mut tally = Tally::default();
        let mut rendering = None;
        audience.visit_all(changes, |heard| {
            tally.count(heard);
            // Most transactions are that small: then it is known already who hears what.
            if changes.len() == 1 {
                let mut all = Rendering::new(source.clone(), std::mem::take(&mut tally));
                all.events(heard);
                rendering = Some(all);
            }
        });
        let rendering = rendering.unwrap_or_else(|| {
            let mut all = Rendering::new(source.clone(), tally);
            if all.channels.any_open() {
                audience.visit_all(changes, |heard| all.events(heard));
            }
            all
        });
        rendering.end()
    }

    /// Renders what the sessions are to hear of a transaction whose changes are stored. `tally`: its events, if they have
    /// been counted.
    pub fn of_stored(transaction: &Unsequenced, tally: Option<Tally>) -> Self {
        let mut audience = Audience::default();
        let mut sets = load(transaction);
        let tally = tally.unwrap_or_else(|| {
            let mut tally = Tally::default();
            visit(&mut audience, transaction, &sets, |heard| {
                tally.count(heard);
                true
            });
            tally
        });
        let mut rendering = Rendering::new(transaction.source.clone(), tally);
        if rendering.channels.any_open() {
            // Sets without a session that hears one by one are not read again.
            sets.retain(|_, recipients| {
                let mut sessions = recipients.iter().map(|recipient| recipient.session);
                sessions.any(|session| rendering.channels.open(session).is_some())
            });
            visit(&mut audience, transaction, &sets, |heard| {
                rendering.events(heard);
                rendering.channels.any_open()
            });
        }
        rendering.end()
    }

    /// A nudge for each session that has some of these events.
    pub fn nudges(source: Source, tally: Tally) -> Self {
        let mut rendering = Rendering::new(source, tally);
        rendering.channels.close_all();
        rendering.end()
    }

    /// Queues them for the commit. The caller holds the commit lock. Where the server's queue is nearly full nothing is
    /// queued, since a full one would fail the commit: the events are in the inbox, and the next notification on
    /// these channels is a nudge. `had_skips`: whether there are such channels; returns whether there are after this
    /// transaction.
    pub fn send(mut self, placed: &Placed, had_skips: bool) -> bool {
        self.follow_sessions();
        if self.channels.is_empty() {
            return had_skips;
        }
        if !notify::queue_has_room(self.bytes(), gucs::NOTIFY_QUEUE_LIMIT.get()) {
            for (_, channel) in self.channels.iter() {
                skipped::add(&channel.name, channel.events);
            }
            return true;
        }
        let mut sending: Vec<(Place, usize, Content)> = Vec::new();
        let mut is_stopped = vec![false; self.channels.len()];
        for (place, channel) in self.channels.iter() {
            let skipped = if had_skips {
                skipped::take(&channel.name)
            } else {
                0
            };
            is_stopped[place] = skipped > 0;
            let told = if skipped > 0 { 0 } else { channel.queued };
            if told < channel.events {
                let nudge = Content::Nudge {
                    count: channel.events - told + skipped,
                    // Whose events were skipped is not known.
                    is_named: channel.is_shared && skipped == 0,
                };
                sending.push((channel.last, place, nudge));
            }
        }
        let queued = std::mem::take(&mut self.queued);
        sending.extend(
            queued
                .into_iter()
                .filter(|queued| !is_stopped[queued.channel])
                .map(|queued| (queued.place, queued.channel, Content::Event(queued.payload))),
        );
        // A channel's notifications arrive in the order of their cursors.
        sending.sort_by_key(|(place, _, content)| (*place, content.payload()));
        self.queue(placed, sending);
        had_skips && skipped::any()
    }

    /// A session that was altered after its notifications were rendered hears of them by a nudge on the channel that it has
    /// now: whoever listens there may have read its inbox already.
    fn follow_sessions(&mut self) {
        accept_invalidations();
        if invalidation::generation() != self.generation {
            let now = Channels::of(&self.tally);
            self.channels.add_others(now);
        }
    }

    fn bytes(&self) -> usize {
        let events = self.queued.iter();
        let events: usize = events
            .map(|queued| ENTRY_BYTES + self.payloads[queued.payload].len())
            .sum();
        let nudges: usize = self
            .channels
            .iter()
            .map(|(_, channel)| nudge_bytes(channel))
            .sum();
        events + nudges
    }

    fn queue(self, placed: &Placed, sending: Vec<(Place, usize, Content)>) {
        let stamp = placed.stamp();
        let mut payloads: Vec<Option<Payload>> = self.payloads.into_iter().map(Some).collect();
        // The last payload that was stamped: channels that get the same one are neighbours.
        let mut stamped: Option<(usize, notify::Payload)> = None;
        for ((order, field), channel, content) in sending {
            let cursor = stamp.cursor(order, field);
            let channel = self.channels.get(channel);
            match content {
                Content::Nudge { count, is_named } => {
                    let sessions = is_named.then_some(channel.sessions.as_slice());
                    let nudge = payload::nudge(cursor, count, sessions);
                    notify::notify(&channel.name, &notify::Payload::new(nudge));
                }
                Content::Event(event) => {
                    if stamped.as_ref().is_none_or(|(known, _)| *known != event)
                        && let Some(payload) = payloads[event].take()
                    {
                        let payload = notify::Payload::new(payload.stamped(&stamp, cursor));
                        stamped = Some((event, payload));
                    }
                    let (_, payload) = stamped.as_ref().expect("its channels are neighbours");
                    notify::notify(&channel.name, payload);
                }
            }
        }
    }
}

enum Content {
    /// Among the payloads.
    Event(usize),
    Nudge {
        count: u64,
        is_named: bool,
    },
}

impl Content {
    fn payload(&self) -> Option<usize> {
        match self {
            Self::Event(payload) => Some(*payload),
            Self::Nudge { .. } => None,
        }
    }
}

/// The recipients of each set of the transaction.
fn load(transaction: &Unsequenced) -> FxHashMap<i64, Recipients> {
    let segment = &transaction.segment;
    let sets = transaction.contents.sets().iter();
    sets.filter_map(|&set| Some((set, recipient_set::load(segment, set, Read::Latest)?)))
        .collect()
}

/// Visits the events of the transaction for these sets, in order, until `visit` returns false.
fn visit(
    audience: &mut Audience,
    transaction: &Unsequenced,
    sets: &FxHashMap<i64, Recipients>,
    mut visit: impl FnMut(&[Heard]) -> bool,
) {
    let segment = Rc::clone(&transaction.segment);
    let (epoch, xid) = (transaction.epoch, transaction.source.xid);
    let mut merge = Merge::new(segment, epoch, xid, None, Read::Latest);
    for &set in sets.keys() {
        match &transaction.contents {
            Contents::Inline {
                relation, changes, ..
            } => merge.add_inline(set, *relation, changes),
            Contents::Logged { .. } => merge.add_set(set),
        }
    }
    let mut go_on = true;
    while go_on && let Some(entry) = merge.next() {
        let told = Told {
            order: entry.order,
            relation: entry.relation.to_u32(),
            recipients: &sets[&entry.set],
            record: &entry.record,
        };
        audience.visit(told, |heard| go_on = visit(heard));
    }
}
