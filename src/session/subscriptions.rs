//! What a subscription is checked for, and how it is stored and taken back.

use std::collections::HashSet;

use pgrx::pg_sys::{self, Oid};

use super::background::WithoutWorker;
use super::tracking;
use crate::change::operation::SubscriptionType;
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::relation::{self, Description, Kind, Persistence};
use crate::pg::{lock, role, setting, transaction};
use crate::tables::access;
use crate::tables::permission_loss;
use crate::tables::session::{self, Session};
use crate::tables::subscription::{self, Deleted, Target};
use crate::tables::watch;

/// Subscribes the session; `target` says to what, once the relation is known to be one that can be watched.
/// Returns the subscription's id: the same one for the same definition.
pub fn subscribe(
    session: Session,
    relation: Oid,
    target: impl Fn(&Description) -> Target,
) -> uuid::Uuid {
    setting::prevent_if_read_only(c"event.subscribe");
    // First: who is already there may have missed something, but not who only comes now.
    let target = tracked(relation, WithoutWorker::Raise, |description| {
        let target = target(description);
        check_select(&session, description, &target);
        target
    });
    session::lock(session.id);
    // It may have been deleted while we waited.
    let session = access::session(Some(session.id));
    if let Some(id) = subscription::find(session.id, relation, &target) {
        return id;
    }
    check_quota(session.owner);
    let id = uuid::Builder::from_random_bytes(transaction::random()).into_uuid();
    subscription::insert(id, session.id, relation, &target);
    permission_loss::end(session.id, relation);
    // Keys are looked up at each change: writers have to know only that there are any.
    let keyed = watch::keyed(relation);
    match target {
        Target::Row(_) if keyed.rows => watch::announce_nothing_new(),
        Target::Field(..) if keyed.fields => watch::announce_nothing_new(),
        Target::Row(_) | Target::Field(..) => {
            watch::insert_keyed(relation, matches!(target, Target::Field(..)));
            watch::announce(relation);
        }
        Target::Table | Target::Column(_) => watch::announce(relation),
    }
    transaction::next_command();
    id
}

/// Sees to it that the relation is tracked, and locks it to the end of the transaction, so that it stays what it is until the
/// subscription commits. `check` raises if the caller may not ask for it. It is not locked while its triggers are created:
/// whoever wants it for himself would wait for us, and all writers for him. Raises what [`watchable`] and
/// [`tracking::ensure`] do.
pub fn tracked<T>(
    relation: Oid,
    without_worker: WithoutWorker,
    check: impl Fn(&Description) -> T,
) -> T {
    if let Some(description) = relation::peek(relation)
        && !tracking::is_tracked(&description)
    {
        if let Some(error) = unwatchable(&description) {
            raise(error);
        }
        check(&description);
        tracking::ensure(&description, without_worker);
    }
    lock::relation_access_share(relation);
    let description = watchable(relation);
    let checked = check(&description);
    // Mostly it is: somebody may have ended that meanwhile.
    tracking::ensure(&description, without_worker);
    checked
}

/// Raises 53400 if the role's sessions have as many subscriptions as they may.
fn check_quota(owner: Oid) {
    let most = gucs::SUBSCRIPTIONS_PER_ROLE.get() as usize;
    if most == 0 {
        return;
    }
    // Who comes at the same time waits, and counts this one.
    lock::object_exclusive(pg_sys::AuthIdRelationId, owner);
    let sessions = session::of_owner(owner, usize::MAX);
    let count = sessions.into_iter().fold(0, |count, session| {
        count + subscription::count(session, most - count)
    });
    if count == most {
        raise(Error::Quota {
            owner: role::name(owner),
            what: "subscriptions",
            setting: "reldiff.subscriptions_per_role",
            most,
        });
    }
}

/// Tells the writers of what was deleted.
pub fn announce(deleted: &[Deleted]) {
    let loaded = deleted.iter().filter(|deleted| {
        matches!(
            deleted.granularity,
            SubscriptionType::Table | SubscriptionType::Column
        )
    });
    let relations: HashSet<Oid> = loaded.map(|deleted| deleted.relation).collect();
    relations.into_iter().for_each(watch::announce);
}

/// The relation, if its rows can be told. Raises 42P01, 0A000 or 55000 otherwise.
pub fn watchable(oid: Oid) -> Description {
    let Some(description) = relation::describe(oid) else {
        raise(Error::RelationNotFound {
            name: oid.to_u32().to_string(),
        });
    };
    if let Some(error) = unwatchable(&description) {
        raise(error);
    }
    description
}

/// Why the relation's rows cannot be told, if they cannot.
pub fn unwatchable(description: &Description) -> Option<Error> {
    let relation = description.display();
    let kind = match description.kind {
        Kind::View => Some("view"),
        Kind::MaterializedView => Some("materialized view"),
        Kind::ForeignTable => Some("foreign table"),
        Kind::Other => Some("relation of another kind"),
        Kind::Table | Kind::PartitionedTable => None,
    };
    if relation::is_system(description) {
        return Some(Error::SystemTable { relation });
    }
    if let Some(kind) = kind {
        return Some(Error::NotATable { relation, kind });
    }
    match description.persistence {
        Persistence::Temporary => return Some(Error::TemporaryTable { relation }),
        Persistence::Unlogged => return Some(Error::UnloggedTable { relation }),
        Persistence::Permanent => {}
    }
    if description.row_security {
        return Some(Error::RowSecurity { relation });
    }
    description
        .key
        .is_empty()
        .then_some(Error::NoPrimaryKey { relation })
}

/// The number of a column; raises 42703, and 0A000 for a virtual one, which has no stored value.
pub fn column(description: &Description, name: &str) -> i16 {
    let number = description.column_number(name).unwrap_or_else(|| {
        raise(Error::ColumnNotFound {
            relation: description.display(),
            column: name.into(),
        })
    });
    if description
        .column(number)
        .is_some_and(|column| column.is_virtual)
    {
        raise(Error::VirtualColumn {
            relation: description.display(),
            column: name.into(),
        });
    }
    number
}

/// A session's owner needs SELECT on what it asks for: the relation, or all of its columns, or the one
/// column and the key, which every event shows.
fn check_select(session: &Session, description: &Description, target: &Target) {
    let readable = role::readable(session.owner, description);
    let may = |column: i16| readable.contains(column);
    let permitted = match target {
        Target::Table | Target::Row(_) => {
            description.columns.iter().all(|column| may(column.number))
        }
        Target::Column(column) | Target::Field(_, column) => {
            may(*column) && description.key.iter().all(|&column| may(column))
        }
    };
    if !permitted {
        let owner = role::name(session.owner);
        raise(Error::SelectDenied {
            relation: description.display(),
            owner,
        });
    }
}
