//! The SQL functions of sessions (`sql/session.sql`).

use pgrx::datum::Interval;
use pgrx::prelude::*;
use pgrx::{Uuid, pg_sys::Oid};

use crate::change::operation::SessionId;
use crate::change::payload::Format;
use crate::error::{Error, raise};
use crate::pg::{notify, role, setting, transaction};
use crate::tables::session::{self, Notify, Session};
use crate::tables::{access, subscription, wakeups};

use super::subscriptions;

#[pg_extern(sql = false)]
fn session_create(
    name: Option<String>,
    notify: Option<String>,
    format: Option<String>,
    channel: Option<String>,
    ttl: Option<Interval>,
    owner: Option<Oid>,
    attach: Option<bool>,
) -> Uuid {
    setting::prevent_if_read_only(c"event.session_create()");
    if channel.is_some() {
        raise(Error::UnsupportedOption { option: "channel" });
    }
    if ttl.is_some() {
        raise(Error::UnsupportedOption { option: "ttl" });
    }
    let caller = role::current();
    let owner = owner.unwrap_or(caller);
    if !role::exists(owner) {
        raise(Error::BadOption {
            option: "owner",
            value: owner.to_u32().to_string(),
            allowed: "current_role::regrole",
        });
    }
    if !role::has_privileges_of(caller, owner) {
        raise(Error::OwnerDenied {
            owner: role::name(owner),
            caller: role::name(caller),
        });
    }
    let session = Session {
        id: uuid::Builder::from_random_bytes(transaction::random()).into_uuid(),
        notify: option("notify", notify, "'payload'", Notify::parse).unwrap_or(Notify::Payload),
        format: option("format", format, "'full'", Format::parse).unwrap_or(Format::Full),
        owner,
    };
    session::insert(&session, name.as_deref());
    // From here on its own transaction finds it.
    transaction::next_command();
    access::set_current(Some(session.id), false);
    if attach.unwrap_or(true) {
        notify::listen(&session::channel(session.id));
    }
    access::uuid(session.id)
}

/// An option that takes one of a few words; raises 22023 for another.
fn option<T>(
    option: &'static str,
    value: Option<String>,
    allowed: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    value.map(|value| {
        parse(&value).unwrap_or_else(|| {
            raise(Error::BadOption {
                option,
                value,
                allowed,
            })
        })
    })
}

#[pg_extern(sql = false)]
fn session_detach(session_id: Option<Uuid>) {
    let current = access::current();
    let session = session_id
        .map(access::id)
        .or(current)
        .unwrap_or_else(|| raise(Error::NoCurrentSession));
    stop_listening(session);
}

#[pg_extern(sql = false)]
fn session_delete(session_id: Option<Uuid>) -> bool {
    setting::prevent_if_read_only(c"event.session_delete()");
    let named = session_id.map(access::id).or_else(access::current);
    let id = named.unwrap_or_else(|| raise(Error::NoCurrentSession));
    if access::own(id).is_none() {
        return false;
    }
    session::lock(id);
    // It may have gone while we waited.
    let existed = session::find(id).is_some();
    subscriptions::announce(&subscription::delete_all(id));
    session::delete(id);
    wakeups::add(id);
    transaction::next_command();
    stop_listening(id);
    existed
}

#[pg_extern(sql = false)]
fn session_current() -> Option<Uuid> {
    access::current().map(access::uuid)
}

#[pg_extern(sql = false)]
fn session_use(session_id: Option<Uuid>, is_local: Option<bool>) -> Uuid {
    let session = access::session(Some(access::required(session_id)));
    access::set_current(Some(session.id), is_local.unwrap_or(false));
    access::uuid(session.id)
}

fn stop_listening(session: SessionId) {
    notify::unlisten(&session::channel(session));
    if access::current() == Some(session) {
        access::set_current(None, false);
    }
}
