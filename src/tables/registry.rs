//! The oids of our tables and indexes, looked up again when something says that they may be others.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pgrx::pg_sys::Oid;

use crate::error::{Error, raise};
use crate::pg::name;

macro_rules! registry {
    ($($name:ident)*) => {
        /// An oid for each table and index of `sql/tables.sql`, by its name.
        pub struct Registry {
            /// The row of pg_extension: what the commit lock locks.
            pub extension: Oid,
            /// The functions of our triggers.
            pub capture_row: Oid,
            pub capture_truncate: Oid,
            /// The composite type `event.change`.
            pub change: Oid,
            $(pub $name: Oid,)*
        }

        impl Registry {
            fn load() -> Option<Self> {
                Some(Self {
                    extension: name::extension()?,
                    capture_row: name::trigger_function(c"event", c"capture_row")?,
                    capture_truncate: name::trigger_function(c"event", c"capture_truncate")?,
                    change: name::row_type(find("change")?),
                    $($name: find(stringify!($name))?,)*
                })
            }

            fn contains(&self, oid: Oid) -> bool {
                [$(self.$name),*].contains(&oid)
            }
        }
    };
}

registry! {
    epoch epoch_number
    session_definition session_definition_id session_definition_owner
    session_position session_position_id
    session_expiry session_expiry_session session_expiry_time
    subscription_table subscription_table_id subscription_table_session subscription_table_relation
    subscription_column subscription_column_id subscription_column_session subscription_column_relation
    subscription_row subscription_row_id subscription_row_session subscription_row_key
    subscription_field subscription_field_id subscription_field_session subscription_field_key
    keyed_relation keyed_relation_relation
    permission_loss permission_loss_session
    tracked_relation tracked_relation_relation
    descendant descendant_relation descendant_descendant
    subscription_change subscription_change_xid
    segment segment_number
    closed_segment closed_segment_number
    removed_segment removed_segment_number
    lost_event lost_event_session
    maintenance maintenance_began_at
    inbox_size inbox_size_session
    skipped_notification skipped_notification_channel
    sequenced sequenced_position
}

/// The oid of a table or index of ours.
pub fn find(relation: &str) -> Option<Oid> {
    let relation = std::ffi::CString::new(relation).ok()?;
    name::of_extension(c"event", &relation)
}

/// What this backend knows of the oids.
struct Known {
    registry: RefCell<Option<Rc<Registry>>>,
    /// Whose they are.
    extension: Cell<Option<Oid>>,
    is_stale: Cell<bool>,
}

thread_local! {
    static KNOWN: Known = const {
        Known {
            registry: RefCell::new(None),
            extension: Cell::new(None),
            is_stale: Cell::new(false),
        }
    };
}

/// The oids. Raises 55000 if the tables are not those that this library knows. That of an index is to be asked for when its table
/// is open: REINDEX CONCURRENTLY puts another one in its place, and drops none while a table is open.
pub fn registry() -> Rc<Registry> {
    look_up();
    KNOWN.with(|known| {
        let registry = known.registry.borrow().clone();
        registry.unwrap_or_else(|| raise(Error::ExtensionOutOfDate))
    })
}

/// Whether our tables are there, but for those of the segments.
pub fn exists() -> bool {
    extension().is_some()
}

/// Makes sure that what is known is true.
fn look_up() {
    if KNOWN.with(|known| known.extension.get().is_none() || known.is_stale.get()) {
        load();
    }
}

#[cold]
fn load() {
    // What was known stays so meanwhile: a look-up accepts invalidations, and these have to be told apart.
    KNOWN.with(|known| known.is_stale.set(false));
    let unless_it_ends_well = StaleOnDrop;
    let loaded = Registry::load().map(Rc::new);
    std::mem::forget(unless_it_ends_well);
    KNOWN.with(|known| {
        known
            .extension
            .set(loaded.as_ref().map(|registry| registry.extension));
        known.registry.replace(loaded);
    });
}

/// Whatever ends a look-up early leaves it to be done again.
struct StaleOnDrop;

impl Drop for StaleOnDrop {
    fn drop(&mut self) {
        at_invalidation();
    }
}

/// Whether the oids are known, so that an invalidation can be told to be ours.
pub fn is_loaded() -> bool {
    ask(|_| ()).is_some()
}

/// The extension whose tables are there. What a cache knows of them is true as long as this is the same: dropped and created
/// anew, it is another one. Indexes come and go meanwhile.
pub fn extension() -> Option<Oid> {
    look_up();
    KNOWN.with(|known| known.extension.get())
}

/// The oids will be looked up again.
pub fn at_invalidation() {
    KNOWN.with(|known| known.is_stale.set(true));
}

/// Whether this oid is one of ours. Makes no backend call: invalidations come at any time.
pub fn is_known(relation: Oid) -> bool {
    ask(|known| known.contains(relation)).unwrap_or(false)
}

/// The oid of the table whose invalidation says that subscriptions have changed, if it is known.
pub fn subscription_change() -> Option<Oid> {
    ask(|known| known.subscription_change)
}

/// The oid of the table whose invalidation says that the segments have changed, if it is known.
pub fn segment() -> Option<Oid> {
    ask(|known| known.segment)
}

fn ask<T>(question: impl FnOnce(&Registry) -> T) -> Option<T> {
    KNOWN.with(|known| known.registry.try_borrow().ok()?.as_deref().map(question))
}
