//! The SQL functions of sessions (`sql/session.sql`).

use std::ffi::CStr;
use std::rc::Rc;

use pgrx::datum::Interval;
use pgrx::prelude::*;
use pgrx::{Uuid, pg_sys, pg_sys::Oid};

use super::options::Options;
use super::subscriptions;
use crate::change::operation::SessionId;
use crate::change::payload::Format;
use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::{lock, notify, role, setting, subtransaction, transaction};
use crate::tables::session::{self, Channel, Definition, Notify, Session};
use crate::tables::subscription::{self, Deleted};
use crate::tables::{access, session_expiry, skipped, wakeups};

/// So many sessions whose time is over a new one takes away at most, and looks at so many: some may be in use just now.
const EXPIRED_AT_A_TIME: usize = 20;
const EXPIRED_LOOKED_AT: usize = 200;

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
    let owner = self::owner(owner);
    let options = Options::check(name, notify, format, channel, ttl);
    remove_expired();
    check_quota(owner);
    let id = uuid::Builder::from_random_bytes(transaction::random()).into_uuid();
    let mut definition = Definition {
        session: Session {
            id,
            notify: Notify::Payload,
            format: Format::Full,
            owner,
            channel: Channel::own(id),
        },
        name: None,
        ttl: None,
        created_at: transaction::clock(),
    };
    options.apply(&mut definition);
    session::insert(&definition);
    session_expiry::renew(&definition);
    // From here on its own transaction finds it.
    transaction::next_command();
    let session = definition.session;
    access::set_current(Some(session.id), false);
    if attach.unwrap_or(true) {
        notify::listen(&session.channel.name);
    }
    access::uuid(session.id)
}

/// The role that a new session shall belong to. Raises 22023 if there is none, 42501 if the caller is no member of it.
fn owner(owner: Option<Oid>) -> Oid {
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
    owner
}

/// Raises 53400 if the role owns as many sessions as it may.
fn check_quota(owner: Oid) {
    let most = gucs::SESSIONS_PER_ROLE.get() as usize;
    if most == 0 {
        return;
    }
    // Who comes at the same time waits, and counts this one.
    lock::object_exclusive(pg_sys::AuthIdRelationId, owner);
    if session::of_owner(owner, most).len() == most {
        raise(Error::Quota {
            owner: role::name(owner),
            what: "sessions",
            setting: "reldiff.sessions_per_role",
            most,
        });
    }
}

#[pg_extern(sql = false)]
fn session_alter(
    session_id: Option<Uuid>,
    name: Option<String>,
    notify: Option<String>,
    format: Option<String>,
    channel: Option<String>,
    ttl: Option<Interval>,
) {
    setting::prevent_if_read_only(c"event.session_alter()");
    let options = Options::check(name, notify, format, channel, ttl);
    let id = access::session(Some(access::required(session_id))).id;
    session::lock(id);
    // It may have gone while we waited, or have become another's.
    let id = access::session(Some(id)).id;
    let Some(mut definition) = session::definition(id) else {
        return;
    };
    let has_ttl = options.has_ttl();
    let before = definition.session.channel.shared_name().cloned();
    options.apply(&mut definition);
    session::replace(&definition);
    leave(before);
    if has_ttl {
        session_expiry::renew(&definition);
    }
    transaction::next_command();
}

/// Takes sessions away that nobody has used for the whole of their time, a few at once: whoever creates sessions keeps their
/// number in check. Waits for nobody: what somebody is just using or dropping stays for the next one.
pub fn remove_expired() {
    let mut removed = 0;
    for id in session_expiry::over(EXPIRED_LOOKED_AT) {
        let remove = || {
            session::try_lock(id)
                && session_expiry::is_over(id)
                && subscription::delete_all_unless_busy(id).is_some_and(|deleted| {
                    remove(id, &deleted);
                    true
                })
        };
        if session_expiry::is_over(id) && subtransaction::attempt(remove) {
            removed += 1;
        }
        if removed == EXPIRED_AT_A_TIME {
            return;
        }
    }
}

/// Deletes the session, whose subscriptions have been deleted, and its inbox. The caller holds its lock.
fn remove(id: SessionId, subscriptions: &[Deleted]) {
    let shared_channel =
        session::find(id).and_then(|session| session.channel.shared_name().cloned());
    subscriptions::announce(subscriptions);
    session::delete(id);
    session_expiry::delete(id);
    skipped::take(&Channel::own(id).name);
    wakeups::add(id);
    leave(shared_channel);
    transaction::next_command();
}

/// A session has left a shared channel: the last one takes along what was not notified there.
fn leave(channel: Option<Rc<CStr>>) {
    if let Some(channel) = channel
        && skipped::is_known(&channel)
        && !session::is_shared(&channel)
    {
        skipped::take(&channel);
    }
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
    stop_listening(id);
    remove(id, &subscription::delete_all(id));
    existed
}

#[pg_extern(sql = false)]
fn session_current() -> Option<Uuid> {
    access::current().map(access::uuid)
}

#[pg_extern(sql = false)]
fn session_use(session_id: Option<Uuid>, is_local: Option<bool>) -> Uuid {
    let session = access::session(Some(access::required(session_id)));
    session_expiry::note_use(session.id);
    access::set_current(Some(session.id), is_local.unwrap_or(false));
    access::uuid(session.id)
}

/// Ends what `session_create` and `session_attach` have begun on this connection. A shared channel stays listened to: other
/// sessions of this connection may be on it. The own one does not, which the session may have had before.
fn stop_listening(session: SessionId) {
    notify::unlisten(&Channel::own(session).name);
    if access::current() == Some(session) {
        access::set_current(None, false);
    }
}
