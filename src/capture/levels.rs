//! The relations that a changed row belongs to and that somebody watches: the row's own table and what stands
//! above it, partitioned tables and inheritance parents.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys::{self, Oid};
use rustc_hash::FxHashMap;

use super::relation::{self, Stale, WatchedRelation};
use crate::change::event::Readable;
use crate::change::lineage::{self, Lineage};
use crate::change::matching::WatchedColumns;
use crate::change::operation::{ColumnNumber, SessionId};
use crate::change::recipients::Recipients;
use crate::pg::fault;
use crate::pg::inheritance::{self, Ancestor};
use crate::pg::trigger::{self, After, Fires, Trigger};
use crate::pg::{relation as catalog, tuple};
use crate::tables::{addressee, registry, unrecorded};

/// A watched relation that the rows of a table belong to.
pub struct Level {
    pub relation: Rc<WatchedRelation>,
    /// The numbers that its columns have in the table, by attribute number less one; `None` for the table itself.
    numbers: Option<Vec<ColumnNumber>>,
    /// The levels that have all of its rows and columns, the topmost first.
    above: Vec<usize>,
}

impl Level {
    /// The number that a column has in the table.
    pub fn number(&self, column: ColumnNumber) -> ColumnNumber {
        match &self.numbers {
            None => column,
            Some(numbers) => numbers[column as usize - 1],
        }
    }

    /// The number that a column of the table has here.
    fn column(&self, number: ColumnNumber) -> Option<ColumnNumber> {
        match &self.numbers {
            None => Some(number),
            Some(numbers) => {
                let at = numbers.iter().position(|&other| other == number)?;
                Some(at as ColumnNumber + 1)
            }
        }
    }
}

/// What is watched of the rows of one table.
pub struct Levels {
    /// The topmost first.
    pub levels: Vec<Level>,
    pub tuples: tuple::Tuples,
    /// A table has a trigger of its own and those of the partitioned tables above it: this one does the work.
    pub trigger: Option<Oid>,
    /// Whether some session may have subscribed to several of the levels.
    is_shared: bool,
}

impl Levels {
    /// Calls `tell` with each level that has recipients; `ask` says who would hear of the change there, if anybody, and
    /// what else is to be known of it. Such a level can get recipients of levels inside it, who may ask for other columns.
    pub fn each<T>(
        &self,
        ask: impl Fn(&Level) -> Option<(Rc<Recipients>, T)>,
        mut tell: impl FnMut(&Level, &Rc<Recipients>, T),
    ) {
        fault::point("match");
        if !self.is_shared {
            for level in &self.levels {
                if let Some((recipients, known)) = ask(level)
                    && !recipients.is_empty()
                {
                    tell(level, &recipients, known);
                }
            }
            return;
        }
        let asked = self.levels.iter().map(|level| ask(level).unzip());
        let (recipients, known): (Vec<_>, Vec<Option<T>>) = asked.unzip();
        let mut recipients: Vec<_> = recipients
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect();
        lineage::unite(self, &mut recipients);
        for ((level, recipients), known) in self.levels.iter().zip(&recipients).zip(known) {
            if let Some(known) = known
                && !recipients.is_empty()
            {
                tell(level, recipients, known);
            }
        }
    }

    /// The columns in which an update has to be compared, on a level whose own subscriptions watch these.
    pub fn compared(&self, watched: WatchedColumns) -> WatchedColumns {
        if self.is_shared {
            WatchedColumns::All
        } else {
            watched
        }
    }
}

impl Lineage for Levels {
    fn len(&self) -> usize {
        self.levels.len()
    }

    fn above(&self, level: usize) -> &[usize] {
        &self.levels[level].above
    }

    fn is_open_to(&self, level: usize, session: SessionId) -> bool {
        let relation = addressee::relation(self.levels[level].relation.oid);
        relation
            .zip(addressee::session(session))
            .is_some_and(|(relation, session)| *relation.readable(session.owner) == Readable::All)
    }

    fn column(&self, from: usize, to: usize, column: ColumnNumber) -> Option<ColumnNumber> {
        self.levels[to].column(self.levels[from].number(column))
    }
}

struct Entry {
    /// The table and everything above it, watched or not.
    lineage: Vec<Oid>,
    levels: Option<Rc<Levels>>,
}

thread_local! {
    static CACHE: RefCell<FxHashMap<Oid, Entry>> = RefCell::default();
}

/// What is watched of the rows of this table, `None` if nothing is.
///
/// # Safety
/// The relation is open.
pub unsafe fn of(open: pg_sys::Relation) -> Option<Rc<Levels>> {
    if !registry::exists() {
        unrecorded::warn();
        return None;
    }
    match relation::apply_invalidations() {
        None => {}
        Some(Stale::Everything) => CACHE.with_borrow_mut(FxHashMap::clear),
        Some(Stale::Relations(stale)) => CACHE.with_borrow_mut(|cache| {
            cache.retain(|_, entry| entry.lineage.iter().all(|oid| !stale.contains(oid)))
        }),
    }
    // SAFETY: the caller's promise.
    let oid = unsafe { (*open).rd_id };
    let known = CACHE.with_borrow(|cache| cache.get(&oid).map(|entry| entry.levels.clone()));
    if let Some(known) = known {
        return known;
    }
    // SAFETY: the caller's promise.
    let entry = unsafe { load(open) };
    let levels = entry.levels.clone();
    CACHE.with_borrow_mut(|cache| cache.insert(oid, entry));
    levels
}

/// # Safety
/// The relation is open.
unsafe fn load(open: pg_sys::Relation) -> Entry {
    // SAFETY: the caller's promise.
    let (table, tuples, trigger) = unsafe {
        let trigger = acting(&trigger::of_open(open));
        (catalog::of_open(open), tuple::Tuples::of(open), trigger)
    };
    let mut lineage = inheritance::ancestors(table.oid);
    lineage.push(Ancestor {
        oid: table.oid,
        parents: inheritance::parents(table.oid),
    });
    let watched: Vec<_> = lineage
        .iter()
        .map(|member| {
            relation::watched(member.oid, || {
                if member.oid == table.oid {
                    Some(table.clone())
                } else {
                    // The writer may hold no lock on it, and must not wait for one.
                    catalog::peek(member.oid)
                }
            })
        })
        .collect();
    let oids: Vec<Oid> = lineage.iter().map(|member| member.oid).collect();
    // By index into the lineage: everything above each member.
    let mut above: Vec<Vec<usize>> = Vec::new();
    for member in &lineage {
        let mut all: Vec<usize> = Vec::new();
        for parent in &member.parents {
            if let Some(parent) = oids.iter().position(|oid| oid == parent) {
                all.extend(above.get(parent).into_iter().flatten());
                all.push(parent);
            }
        }
        all.sort_unstable();
        all.dedup();
        above.push(all);
    }
    let mut levels: Vec<Level> = Vec::new();
    let mut places = FxHashMap::default();
    for (at, relation) in watched.into_iter().enumerate() {
        let Some(relation) = relation else { continue };
        let is_table = relation.oid == table.oid;
        let numbers = if is_table {
            None
        } else {
            relation.numbers_in(&table)
        };
        // Nothing is told of a relation that the table does not fit, as long as that is so.
        if numbers.is_none() && !is_table {
            continue;
        }
        let mut level = Level {
            numbers,
            relation,
            above: Vec::new(),
        };
        let upper = above[at]
            .iter()
            .filter_map(|upper| places.get(upper).copied());
        level.above = upper
            .filter(|&upper: &usize| {
                let mut columns = level.relation.live_columns();
                columns.all(|column| levels[upper].column(level.number(column)).is_some())
            })
            .collect();
        places.insert(at, levels.len());
        levels.push(level);
    }
    let is_shared = is_shared(&levels);
    let levels = (!levels.is_empty()).then(|| {
        Rc::new(Levels {
            levels,
            tuples,
            trigger,
            is_shared,
        })
    });
    Entry {
        lineage: oids,
        levels,
    }
}

/// Whether a session has subscribed to a level and to one above it, or may have: row and field subscriptions are
/// not known here.
fn is_shared(levels: &[Level]) -> bool {
    levels.iter().any(|level| {
        level.above.iter().any(|&upper| {
            let upper = &levels[upper].relation;
            let sessions = |relation: &WatchedRelation| relation.watchers.sessions().collect();
            let (one, other): (Vec<_>, Vec<_>) = (sessions(upper), sessions(&level.relation));
            upper.keyed.any()
                || level.relation.keyed.any()
                || one.iter().any(|session| other.contains(session))
        })
    })
}

/// Of our row triggers the first that fires for every change and every writer, or else the first that fires for the
/// most of them.
fn acting(triggers: &[Trigger]) -> Option<Oid> {
    let capture_row = registry::registry().capture_row;
    let ours = triggers
        .iter()
        .filter(|trigger| trigger.function == capture_row && trigger.fires != Fires::Never);
    let acting = ours.min_by_key(|trigger| {
        (
            trigger.after != Some(After::RowChange),
            trigger.fires != Fires::Always,
        )
    })?;
    Some(acting.oid)
}
