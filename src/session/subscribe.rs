//! The SQL functions of subscriptions (`sql/subscribe.sql`): the forms in which a subscription is asked for.

use pgrx::prelude::*;
use pgrx::{AnyElement, Uuid};

use super::background::WithoutWorker;
use super::{identifier, key, subscriptions};
use crate::change::event::Readable;
use crate::error::{Error, raise};
use crate::pg::relation::Description;
use crate::pg::{role, setting, transaction};
use crate::tables::access;
use crate::tables::session::{self, Session};
use crate::tables::subscription::{self, Target};

/// The options that subscribe_table and its siblings share and that this version does not have yet.
struct Options {
    columns: Option<Vec<Option<String>>>,
    operations: Option<Vec<Option<String>>>,
    filter: Option<String>,
}

impl Options {
    fn refuse(self) {
        for (option, is_given) in [
            ("columns", self.columns.is_some()),
            ("operations", self.operations.is_some()),
            ("filter", self.filter.is_some()),
        ] {
            if is_given {
                raise(Error::UnsupportedOption { option });
            }
        }
    }
}

fn session(session_id: Option<Uuid>) -> Session {
    access::session(session_id.map(access::id))
}

fn required(column_name: Option<String>) -> String {
    column_name.unwrap_or_else(|| {
        raise(Error::NullArgument {
            argument: "column_name",
        })
    })
}

#[pg_extern(sql = false)]
fn subscribe_table(
    relation: Option<AnyElement>,
    columns: Option<Vec<Option<String>>>,
    operations: Option<Vec<Option<String>>>,
    filter: Option<String>,
    session_id: Option<Uuid>,
) -> Uuid {
    Options {
        columns,
        operations,
        filter,
    }
    .refuse();
    let session = session(session_id);
    access::uuid(subscriptions::subscribe(
        session,
        identifier::relation(relation),
        |_| Target::Table,
    ))
}

#[pg_extern(sql = false)]
fn subscribe_column(
    relation: Option<AnyElement>,
    column_name: Option<String>,
    operations: Option<Vec<Option<String>>>,
    filter: Option<String>,
    session_id: Option<Uuid>,
) -> Uuid {
    Options {
        columns: None,
        operations,
        filter,
    }
    .refuse();
    let (session, name) = (session(session_id), required(column_name));
    let target = |relation: &Description| Target::Column(subscriptions::column(relation, &name));
    access::uuid(subscriptions::subscribe(
        session,
        identifier::relation(relation),
        target,
    ))
}

#[pg_extern(sql = false)]
fn subscribe_row(
    relation: Option<AnyElement>,
    key: Option<AnyElement>,
    columns: Option<Vec<Option<String>>>,
    operations: Option<Vec<Option<String>>>,
    filter: Option<String>,
    session_id: Option<Uuid>,
) -> Uuid {
    Options {
        columns,
        operations,
        filter,
    }
    .refuse();
    let session = session(session_id);
    let target = |relation: &Description| Target::Row(key::of_argument(key, relation));
    access::uuid(subscriptions::subscribe(
        session,
        identifier::relation(relation),
        target,
    ))
}

#[pg_extern(sql = false)]
fn subscribe_field(
    relation: Option<AnyElement>,
    key: Option<AnyElement>,
    column_name: Option<String>,
    operations: Option<Vec<Option<String>>>,
    filter: Option<String>,
    session_id: Option<Uuid>,
) -> Uuid {
    Options {
        columns: None,
        operations,
        filter,
    }
    .refuse();
    let (session, name) = (session(session_id), required(column_name));
    let target = |relation: &Description| {
        Target::Field(
            key::of_argument(key, relation),
            subscriptions::column(relation, &name),
        )
    };
    access::uuid(subscriptions::subscribe(
        session,
        identifier::relation(relation),
        target,
    ))
}

// By identifier: for the current session, and for one that is named first.

fn table(session: Session, relation: Option<AnyElement>) -> Uuid {
    let relation = identifier::relation_id(relation);
    access::uuid(subscriptions::subscribe(session, relation, |_| {
        Target::Table
    }))
}

#[pg_extern(sql = false)]
fn subscribe_table_current(relation: Option<AnyElement>) -> Uuid {
    table(access::session(None), relation)
}

#[pg_extern(sql = false)]
fn subscribe_table_id(session_id: Option<Uuid>, relation: Option<AnyElement>) -> Uuid {
    table(
        access::session(Some(access::required(session_id))),
        relation,
    )
}

fn column(session: Session, column_id: Option<AnyElement>) -> Uuid {
    let (relation, name) = identifier::column_id(column_id);
    let target = |relation: &Description| Target::Column(subscriptions::column(relation, &name));
    access::uuid(subscriptions::subscribe(session, relation, target))
}

#[pg_extern(sql = false)]
fn subscribe_column_current(column_id: Option<AnyElement>) -> Uuid {
    column(access::session(None), column_id)
}

#[pg_extern(sql = false)]
fn subscribe_column_id(session_id: Option<Uuid>, column_id: Option<AnyElement>) -> Uuid {
    column(
        access::session(Some(access::required(session_id))),
        column_id,
    )
}

fn row(session: Session, row_id: Option<AnyElement>) -> Uuid {
    let row = identifier::row_id(row_id);
    let target = |relation: &Description| Target::Row(key::of_names(&row.key, relation));
    access::uuid(subscriptions::subscribe(session, row.relation, target))
}

#[pg_extern(sql = false)]
fn subscribe_row_current(row_id: Option<AnyElement>) -> Uuid {
    row(access::session(None), row_id)
}

#[pg_extern(sql = false)]
fn subscribe_row_id(session_id: Option<Uuid>, row_id: Option<AnyElement>) -> Uuid {
    row(access::session(Some(access::required(session_id))), row_id)
}

fn field(session: Session, field_id: Option<AnyElement>) -> Uuid {
    let (row, name) = identifier::field_id(field_id);
    let target = |relation: &Description| {
        Target::Field(
            key::of_names(&row.key, relation),
            subscriptions::column(relation, &name),
        )
    };
    access::uuid(subscriptions::subscribe(session, row.relation, target))
}

#[pg_extern(sql = false)]
fn subscribe_field_current(field_id: Option<AnyElement>) -> Uuid {
    field(access::session(None), field_id)
}

#[pg_extern(sql = false)]
fn subscribe_field_id(session_id: Option<Uuid>, field_id: Option<AnyElement>) -> Uuid {
    field(
        access::session(Some(access::required(session_id))),
        field_id,
    )
}

#[pg_extern(sql = false)]
fn unsubscribe(subscription_id: Option<Uuid>) -> bool {
    setting::prevent_if_read_only(c"event.unsubscribe()");
    let Some(subscription_id) = subscription_id.map(access::id) else {
        raise(Error::NullArgument {
            argument: "subscription_id",
        })
    };
    let Some(session) = subscription::session_of(subscription_id).and_then(access::own) else {
        return false;
    };
    session::lock(session.id);
    let deleted = subscription::delete(subscription_id);
    subscriptions::announce(&deleted);
    transaction::next_command();
    !deleted.is_empty()
}

#[pg_extern(sql = false)]
fn unsubscribe_all(session_id: Option<Uuid>) -> i32 {
    setting::prevent_if_read_only(c"event.unsubscribe_all()");
    let session = session(session_id);
    session::lock(session.id);
    let deleted = subscription::delete_all(session.id);
    subscriptions::announce(&deleted);
    transaction::next_command();
    deleted.len() as i32
}

#[pg_extern(sql = false)]
fn track(relation: Option<AnyElement>) {
    setting::prevent_if_read_only(c"event.track()");
    let relation = identifier::relation(relation);
    subscriptions::tracked(relation, WithoutWorker::CreateHere, |description| {
        if role::readable(role::current(), description) != Readable::All {
            let owner = role::name(role::current());
            raise(Error::SelectDenied {
                relation: description.display(),
                owner,
            });
        }
    });
}
