//! A transaction's events as the notifications that each channel gets: one for all sessions that are told the same.

use std::ops::Range;

use super::audience::{Heard, Place, Tally};
use super::channels::Channels;
use super::notify::Notifications;
use crate::change::event::Source;
use crate::change::operation::SessionId;
use crate::change::payload::{MOST_SESSIONS, Notification, Payload, Variant};
use crate::gucs;
use crate::tables::{invalidation, wakeups};

/// An event for a channel.
pub struct Queued {
    pub channel: usize,
    pub place: Place,
    /// Among the payloads.
    pub payload: usize,
}

/// Notifications that are being rendered.
pub struct Rendering {
    source: Source,
    tally: Tally,
    /// Of the channels.
    generation: u64,
    pub channels: Channels,
    payloads: Vec<Payload>,
    queued: Vec<Queued>,
    /// How many bytes may still be notified.
    budget: usize,
}

/// A session that hears an event, by how it hears it: those that are equal but for the session share a notification
/// on a shared channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hearing {
    channel: usize,
    /// Among the variants of the event.
    variant: usize,
    is_last: bool,
    session: SessionId,
}

/// An event as some sessions are told it.
struct Rendered<'a> {
    variant: Variant<'a>,
    notification: Notification,
    /// For sessions with a channel of their own, whose last event it is not, and is: its place among the payloads, the inner
    /// `None` if it is too long. The outer one: nobody has asked yet.
    own: [Option<Option<usize>>; 2],
}

impl Rendering {
    /// For the sessions of the tally; whoever waits for one of them is woken by the commit.
    pub fn new(source: Source, tally: Tally) -> Self {
        tally.iter().for_each(|(session, _)| wakeups::add(session));
        Self {
            source,
            generation: invalidation::generation(),
            channels: Channels::of(&tally),
            tally,
            payloads: Vec::new(),
            queued: Vec::new(),
            budget: gucs::NOTIFY_BYTES.get() as usize * 1024,
        }
    }

    /// The events of the next change.
    pub fn events(&mut self, heard: &[Heard]) {
        for event in heard.chunk_by(|one, other| one.place() == other.place()) {
            self.event(event);
        }
    }

    /// The next event, with those who hear it.
    fn event(&mut self, heard: &[Heard]) {
        if let [one] = heard {
            return self.alone(one);
        }
        let place = heard[0].place();
        let mut rendered: Vec<Rendered> = Vec::new();
        let mut hearing: Vec<Hearing> = Vec::with_capacity(heard.len());
        for one in heard {
            let Some(channel) = self.channels.open(one.session.id) else {
                continue;
            };
            let variant = Variant::of(&one.event, one.session.format);
            let known = rendered.iter().position(|known| known.variant == variant);
            let variant = known.unwrap_or_else(|| {
                rendered.push(Rendered {
                    variant,
                    notification: Notification::render(
                        &one.event,
                        one.session.format,
                        &self.source,
                    ),
                    own: [None; 2],
                });
                rendered.len() - 1
            });
            hearing.push(Hearing {
                channel,
                variant,
                is_last: self.tally.is_last(one.session.id, place),
                session: one.session.id,
            });
        }
        hearing.sort_unstable();
        for hearing in hearing.chunk_by(|one, other| one.channel == other.channel) {
            self.on_channel(place, hearing, &mut rendered);
        }
    }

    /// An event that one session hears, which is most of them: nobody else needs what is rendered.
    fn alone(&mut self, heard: &Heard) {
        let session = heard.session.id;
        let Some(channel) = self.channels.open(session) else {
            return;
        };
        let place = heard.place();
        let notification = Notification::render(&heard.event, heard.session.format, &self.source);
        let is_shared = self.channels.get(channel).is_shared;
        let named = is_shared.then_some(std::slice::from_ref(&session));
        let finished = notification.finished(self.tally.is_last(session, place), named);
        let first = self.payloads.len();
        self.payloads.extend(finished);
        let is_told = self.payloads.len() > first;
        self.queue(channel, place, is_told.then_some(first..first + 1), 1);
    }

    /// Queues the event for those on one channel.
    fn on_channel(&mut self, place: Place, hearing: &[Hearing], rendered: &mut [Rendered]) {
        let channel = hearing[0].channel;
        let payloads = if self.channels.get(channel).is_shared {
            self.shared(hearing, rendered)
        } else {
            let payload = self.own(hearing[0], rendered);
            payload.map(|payload| payload..payload + 1)
        };
        self.queue(channel, place, payloads, hearing.len());
    }

    /// Queues an event for so many sessions on one channel, or closes the channel: what does not fit is not sent, nor what
    /// comes after it. The payloads: `None` if they are too long.
    fn queue(
        &mut self,
        channel: usize,
        place: Place,
        payloads: Option<Range<usize>>,
        sessions: usize,
    ) {
        let Some(payloads) = payloads else {
            self.channels.get_mut(channel).is_open = false;
            return;
        };
        let bytes = self.payloads[payloads.clone()].iter().map(Payload::len);
        let bytes: usize = bytes.sum();
        if bytes > self.budget {
            self.channels.close_all();
            return;
        }
        self.budget -= bytes;
        self.channels.get_mut(channel).queued += sessions as u64;
        self.queued.extend(payloads.map(|payload| Queued {
            channel,
            place,
            payload,
        }));
    }

    /// The payload for a session with a channel of its own: the same one for all that are told the same. `None` if it is
    /// too long.
    fn own(&mut self, hearing: Hearing, rendered: &mut [Rendered]) -> Option<usize> {
        let rendered = &mut rendered[hearing.variant];
        let known = &mut rendered.own[usize::from(hearing.is_last)];
        *known.get_or_insert_with(|| {
            let payload = rendered.notification.finish(hearing.is_last, None)?;
            self.payloads.push(payload);
            Some(self.payloads.len() - 1)
        })
    }

    /// The payloads for sessions that share a channel: one for all that are told the same. `None` if there are too many
    /// sessions, or if one of the payloads is too long.
    fn shared(&mut self, hearing: &[Hearing], rendered: &[Rendered]) -> Option<Range<usize>> {
        if hearing.len() > MOST_SESSIONS {
            return None;
        }
        let alike = |one: &Hearing, other: &Hearing| {
            (one.variant, one.is_last) == (other.variant, other.is_last)
        };
        let finished: Option<Vec<Payload>> = hearing
            .chunk_by(alike)
            .map(|alike| {
                let sessions: Vec<SessionId> = alike.iter().map(|one| one.session).collect();
                let notification = &rendered[alike[0].variant].notification;
                notification.finish(alike[0].is_last, Some(&sessions))
            })
            .collect();
        let first = self.payloads.len();
        self.payloads.extend(finished?);
        Some(first..self.payloads.len())
    }

    pub fn end(self) -> Notifications {
        Notifications {
            channels: self.channels,
            payloads: self.payloads,
            queued: self.queued,
            tally: self.tally,
            generation: self.generation,
        }
    }
}
