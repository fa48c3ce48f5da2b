//! Finds a session's events in the log, in feed order.
//!
//! A session is in some recipient sets; each set knows its transactions by position, and each transaction's
//! changes stand in the log by set. So a reader looks at nothing that does not concern its session, but for index entries of
//! others in the same stretch of the feed: it merges the sets by position, and inside a transaction by the order of its changes.

use std::collections::BTreeMap;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use super::acknowledge::Start;
use super::relations::{Patience, Relation, Relations};
use super::shares::{LoadedSets, Shares};
use crate::change::cursor::{ChangeOrder, Cursor, Position};
use crate::change::event::{self, Change, Event, Overflow, Source, Stamp};
use crate::change::record::Record;
use crate::error::{Error, raise};
use crate::pg::fault;
use crate::pg::table::Read;
use crate::pg::transaction::utc_text;
use crate::tables::log::Entry;
use crate::tables::lost_event::Lost;
use crate::tables::merge::Merge;
use crate::tables::permission_loss::Withheld;
use crate::tables::segment::Opened;
use crate::tables::segment_tables::Tables;
use crate::tables::session::Session;
use crate::tables::set_transaction::{self, SetTransaction};
use crate::tables::transaction::Placed;
use crate::tables::{lost_event, recipient_set, segment, sequencer};

/// Rows that one index scan fetches at most.
const CHUNK: usize = 1000;

pub struct Reader {
    read: Read,
    /// Events after this one are still to be read.
    after: Cursor,
    /// Told before them.
    overflow: Option<Lost>,
    segments: Opened,
    /// The session's sets, with the place of their segment.
    sets: Vec<(usize, i64)>,
    shares: Shares,
    relations: Relations,
    withheld: Withheld,
}

/// Where a reader has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many events it has read.
    pub events: usize,
    /// Whether there are more.
    pub has_next: bool,
}

/// A transaction with the places where its changes for the session are.
struct Concerned {
    placed: Placed,
    /// The place of its segment.
    segment: usize,
    stored: Vec<Stored>,
}

/// The changes of a transaction that concern one set.
struct Stored {
    set: i64,
    /// If they are in the transaction's row; otherwise they are in the log.
    inline: Option<(Oid, Vec<u8>)>,
}

/// An event at its place, as it is handed to the caller.
pub struct Placement<'a> {
    pub stamp: &'a Stamp,
    pub source: &'a Source,
    /// As in the stamp, in microseconds since 2000-01-01 UTC.
    pub at: i64,
    pub cursor: Cursor,
}

impl Reader {
    /// Raises 24000 if the cursor was passed and events after it are gone.
    pub fn new(session: &Session, read: Read, start: Start) -> Self {
        Self::sharing(session, read, start, LoadedSets::default())
    }

    /// As [`Self::new`], for readers of several sessions, which are mostly in the same sets.
    pub fn sharing(session: &Session, read: Read, start: Start, loaded: LoadedSets) -> Self {
        sequencer::start_if_needed();
        Self::with(session, read, start, loaded, Patience::Waits)
    }

    /// For whoever must not wait, as the holder of the commit lock: [`Self::has_passed_over`] says whether events are missing.
    pub fn without_waiting(session: &Session, read: Read, start: Start) -> Self {
        let loaded = LoadedSets::default();
        Self::with(session, read, start, loaded, Patience::MustNotWait)
    }

    pub fn has_passed_over(&self) -> bool {
        self.relations.has_passed_over()
    }

    fn with(
        session: &Session,
        read: Read,
        start: Start,
        loaded: LoadedSets,
        patience: Patience,
    ) -> Self {
        let segments = segment::open_from(start.after.position);
        // What is removed from now on is before these segments.
        let overflow = lost_event::of(session.id).filter(|lost| lost.last > start.after);
        if overflow.is_some() && start.is_passed {
            raise(Error::UnknownCursor);
        }
        let of_segment = |(place, segment): (usize, &Rc<Tables>)| {
            let sets = recipient_set::of_session(segment, session.id, read);
            sets.into_iter().map(move |set| (place, set))
        };
        let sets = segments.segments.iter().enumerate();
        let sets = sets.flat_map(of_segment).collect();
        let withheld = Withheld::of(session.id);
        let shares = Shares::new(session.id, read, loaded);
        let relations = Relations::new(session.owner, patience);
        Self {
            read,
            after: start.after,
            overflow,
            segments,
            sets,
            shares,
            relations,
            withheld,
        }
    }

    /// Where this reader is: after the last event that it has read.
    pub fn position(&self) -> Cursor {
        self.after
    }

    /// Reads at most `limit` events, which are the next ones. `build` makes of each what the caller wants to keep;
    /// `take` gets that a little later, when it is known whether the event is the session's last one of
    /// its transaction.
    pub fn read<T>(
        &mut self,
        limit: usize,
        mut build: impl FnMut(&Event, Placement) -> T,
        mut take: impl FnMut(T, bool),
    ) -> Page {
        let mut page = Page {
            events: 0,
            has_next: false,
        };
        if let Some(lost) = self.overflow.take() {
            self.after = lost.resume;
            take(overflow(&lost, &mut build), true);
            page.events += 1;
        }
        let after = self.after;
        let mut from = after.position;
        loop {
            let (transactions, complete) = self.transactions(from, limit - page.events);
            let Some(&last) = transactions.keys().next_back() else {
                return page;
            };
            for (position, concerned) in transactions {
                let placed = &concerned.placed;
                let stamp = placed.stamp();
                let start = (position == after.position).then(|| after.ordinal());
                let mut pending = None;
                let mut read = after;
                self.changes(&concerned, start, &mut |event| {
                    if page.events == limit {
                        page.has_next = true;
                        return false;
                    }
                    if let Some(event) = pending.take() {
                        take(event, false);
                    }
                    read = stamp.cursor(event.change.order, event.field());
                    pending = Some(build(
                        event,
                        Placement {
                            stamp: &stamp,
                            source: &placed.source,
                            at: placed.at,
                            cursor: read,
                        },
                    ));
                    page.events += 1;
                    true
                });
                if let Some(event) = pending {
                    self.after = read;
                    take(event, !page.has_next);
                }
                if page.has_next {
                    return page;
                }
            }
            if complete {
                return page;
            }
            from = Position {
                lsn: last.lsn + 1,
                ..last
            };
        }
    }

    /// How many events there are.
    pub fn count(&mut self) -> usize {
        self.read(usize::MAX, |_, _| (), |(), _| ()).events
    }

    /// The next transactions of the session's sets from a position on, and whether these are all. A
    /// transaction that a set knows of has at least one event for the session, unless privileges or columns
    /// have gone since: so few more than the events that are wanted are needed.
    fn transactions(&self, from: Position, wanted: usize) -> (BTreeMap<Position, Concerned>, bool) {
        let limit = wanted.saturating_add(2).min(CHUNK);
        fault::point("page_read");
        let mut found: BTreeMap<Position, Concerned> = BTreeMap::new();
        let mut horizon = None;
        for &(segment, set) in &self.sets {
            let tables = &self.segments.segments[segment];
            let of_set = set_transaction::of(tables, set, from, limit, self.read);
            if of_set.len() == limit {
                let last = of_set[limit - 1].placed.position;
                horizon = Some(horizon.map_or(last, |horizon: Position| horizon.min(last)));
            }
            for SetTransaction { placed, inline } in of_set {
                let concerned = found.entry(placed.position).or_insert_with(|| Concerned {
                    placed,
                    segment,
                    stored: Vec::new(),
                });
                concerned.stored.push(Stored { set, inline });
            }
        }
        // Behind the horizon a set that was not read to its end may have more.
        if let Some(horizon) = horizon {
            found.retain(|position, _| *position <= horizon);
        }
        (found, horizon.is_none())
    }

    /// Visits the session's events of a transaction after an ordinal, in order, until `visit` returns false.
    fn changes(
        &mut self,
        concerned: &Concerned,
        after: Option<(ChangeOrder, u16)>,
        visit: &mut impl FnMut(&Event) -> bool,
    ) {
        let Concerned {
            placed,
            segment,
            stored,
        } = concerned;
        let tables = Rc::clone(&self.segments.segments[*segment]);
        let from = after.map(|(order, _)| order);
        let epoch = placed.position.epoch;
        let mut merge = Merge::new(
            Rc::clone(&tables),
            epoch,
            placed.source.xid,
            from,
            self.read,
        );
        for Stored { set, inline } in stored {
            match inline {
                Some((relation, changes)) => merge.add_inline(*set, *relation, changes),
                None => merge.add_set(*set),
            }
        }
        while let Some(entry) = merge.next() {
            if !self.events(&tables, placed, &entry, after, visit) {
                return;
            }
        }
    }

    /// Visits the session's events of one changed row; false once `visit` has returned it.
    fn events(
        &mut self,
        segment: &Tables,
        placed: &Placed,
        entry: &Entry,
        after: Option<(ChangeOrder, u16)>,
        visit: &mut impl FnMut(&Event) -> bool,
    ) -> bool {
        let record =
            Record::decode(&entry.record).unwrap_or_else(|| raise(Error::ExtensionOutOfDate));
        let relation = if record.name.is_empty() {
            if self.withheld.contains(entry.relation, placed) {
                return true;
            }
            self.relations.get(entry.relation)
        } else {
            Some(Rc::new(Relation::gone(record.name)))
        };
        let (Some(share), Some(relation)) = (self.shares.get(segment, entry.set), relation) else {
            return true;
        };
        let change = Change {
            order: entry.order,
            relation: &relation.names,
            record: &record,
        };
        let mut go_on = true;
        event::for_each(change, &share, &relation.readable, |event| {
            let is_after = after.is_none_or(|after| (entry.order, event.field()) > after);
            if go_on && is_after {
                go_on = visit(&event);
            }
        });
        go_on
    }
}

/// The event that stands for those which the session has lost.
fn overflow<T>(lost: &Lost, build: &mut impl FnMut(&Event, Placement) -> T) -> T {
    let stamp = Stamp {
        position: lost.resume.position,
        nonce: lost.resume.nonce,
        at: utc_text(lost.at),
    };
    let placement = Placement {
        stamp: &stamp,
        source: &Source::default(),
        at: lost.at,
        cursor: lost.resume,
    };
    build(&Overflow::new(lost.resume).event(), placement)
}
