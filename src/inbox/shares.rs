//! What a session has of each recipient set.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::change::operation::SessionId;
use crate::change::recipients::{Recipient, Recipients};
use crate::pg::table::Read;
use crate::tables::recipient_set;
use crate::tables::segment_tables::Tables;

/// Recipient sets that have been loaded; `None` for one that is gone. Readers of several sessions share them.
#[derive(Clone, Default)]
pub struct LoadedSets(Rc<RefCell<HashMap<i64, Option<Rc<Recipients>>>>>);

impl LoadedSets {
    fn get(&self, segment: &Tables, set: i64, read: Read) -> Option<Rc<Recipients>> {
        let known = self.0.borrow().get(&set).cloned();
        known.unwrap_or_else(|| {
            let loaded = recipient_set::load(segment, set, read).map(Rc::new);
            self.0.borrow_mut().insert(set, loaded.clone());
            loaded
        })
    }
}

/// A session's shares, which are read when they are first asked for.
pub struct Shares {
    session: SessionId,
    read: Read,
    loaded: LoadedSets,
    /// By set; `None` if the set is gone.
    known: HashMap<i64, Option<Rc<Recipient>>>,
}

impl Shares {
    pub fn new(session: SessionId, read: Read, loaded: LoadedSets) -> Self {
        Self {
            session,
            read,
            loaded,
            known: HashMap::new(),
        }
    }

    /// The session's share of a set; `None` if the set is gone.
    pub fn get(&mut self, segment: &Tables, set: i64) -> Option<Rc<Recipient>> {
        let (session, read, loaded) = (self.session, self.read, &self.loaded);
        self.known
            .entry(set)
            .or_insert_with(|| {
                let recipients = loaded.get(segment, set, read)?;
                recipients.get(session).cloned().map(Rc::new)
            })
            .clone()
    }
}
