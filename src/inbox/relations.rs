//! The relations that events are of, as the session's owner sees them.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use crate::change::event::Readable;
use crate::change::relation::RelationNames;
use crate::pg::relation::Glimpse;
use crate::pg::{relation, role};

/// What a reader does about a relation that somebody is altering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Waits,
    /// It holds the commit lock, and whoever it waited for could be waiting for that; or others wait for what it does.
    MustNotWait,
    /// It has passed over a relation for which it would have had to wait.
    HasPassedOver,
}

/// A relation as the session's owner sees it.
pub struct Relation {
    pub names: RelationNames,
    pub readable: Readable,
}

impl Relation {
    /// One that is gone, of which only the name is known.
    pub fn gone(name: &[u8]) -> Self {
        Self {
            names: RelationNames::gone(name),
            readable: Readable::Columns(Vec::new()),
        }
    }
}

/// The relations that a reader has come across.
pub struct Relations {
    owner: Oid,
    known: HashMap<Oid, Option<Rc<Relation>>>,
    /// Waits for nobody who is altering a relation; what it passed over then, it says.
    patience: Patience,
}

impl Relations {
    pub fn new(owner: Oid, patience: Patience) -> Self {
        Self {
            owner,
            known: HashMap::new(),
            patience,
        }
    }

    /// Whether it has passed over a relation.
    pub fn has_passed_over(&self) -> bool {
        self.patience == Patience::HasPassedOver
    }

    /// `None` if there is no such relation, or if it was passed over.
    pub fn get(&mut self, oid: Oid) -> Option<Rc<Relation>> {
        if let Some(known) = self.known.get(&oid) {
            return known.clone();
        }
        let description = if self.patience == Patience::Waits {
            relation::describe(oid)
        } else {
            match relation::glimpse(oid) {
                Glimpse::Known(description) => Some(*description),
                Glimpse::Gone => None,
                Glimpse::Locked => {
                    self.patience = Patience::HasPassedOver;
                    None
                }
            }
        };
        let relation = description.map(|description| {
            let readable = role::readable(self.owner, &description);
            Rc::new(Relation {
                names: description.names(),
                readable,
            })
        });
        self.known.insert(oid, relation.clone());
        relation
    }
}
