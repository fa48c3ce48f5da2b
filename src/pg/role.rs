//! Roles and what they may read.

use pgrx::pg_sys::{self, AclResult, Oid};

use super::compat::{ACL_SELECT, may_use_schema};
use super::relation::Description;
use crate::change::event::Readable;

/// The role whose privileges count now.
pub fn current() -> Oid {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetUserId() }
}

/// Runs `body` as another role, inside a security-restricted operation.
pub fn as_role<T>(role: Oid, body: impl FnOnce() -> T) -> T {
    let (mut saved_role, mut saved_context) = (Oid::INVALID, 0);
    // SAFETY: the saved identity is restored below; after an ERROR the transaction's abort restores it.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut saved_role, &mut saved_context);
        pg_sys::SetUserIdAndSecContext(
            role,
            saved_context
                | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32
                | pg_sys::SECURITY_RESTRICTED_OPERATION as i32,
        );
    }
    let result = body();
    // SAFETY: as above.
    unsafe { pg_sys::SetUserIdAndSecContext(saved_role, saved_context) }
    result
}

/// Runs `body` as the superuser that every database has. For what runs no code but the server's.
pub fn with_all_rights<T>(body: impl FnOnce() -> T) -> T {
    as_role(Oid::from_u32(pg_sys::BOOTSTRAP_SUPERUSERID), body)
}

/// Whether `role` has the privileges of `of`: it is that role, inherits from it, or is a superuser.
pub fn has_privileges_of(role: Oid, of: Oid) -> bool {
    // SAFETY: plain values; an unknown role has no members.
    unsafe { pg_sys::has_privs_of_role(role, of) }
}

pub fn is_superuser(role: Oid) -> bool {
    // SAFETY: a plain value.
    unsafe { pg_sys::superuser_arg(role) }
}

/// The role's name, or its oid if it has been dropped.
pub fn name(role: Oid) -> String {
    // SAFETY: with the flag set the server returns null for an unknown role.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            return role.to_u32().to_string();
        }
        String::from_utf8_lossy(&super::bytes::c_string(name)).into_owned()
    }
}

/// Whether the role may SELECT from the whole relation. The relation exists.
fn may_select(role: Oid, relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::pg_class_aclcheck(relation, role, ACL_SELECT) == AclResult::ACLCHECK_OK }
}

/// Whether the role may SELECT this column by itself. The column exists.
fn may_select_column(role: Oid, relation: Oid, column: i16) -> bool {
    // SAFETY: plain values.
    unsafe {
        pg_sys::pg_attribute_aclcheck(relation, column, role, ACL_SELECT) == AclResult::ACLCHECK_OK
    }
}

/// Which columns of the relation the role may SELECT: none without USAGE on its schema, and none of one with
/// row-level security, since nothing here judges its policies.
pub fn readable(role: Oid, relation: &Description) -> Readable {
    if relation.row_security || !may_use_schema(role, relation.namespace) {
        return Readable::Columns(Vec::new());
    }
    if may_select(role, relation.oid) {
        return Readable::All;
    }
    let columns = relation.columns.iter().map(|column| column.number);
    let columns: Vec<i16> = columns
        .filter(|&column| may_select_column(role, relation.oid, column))
        .collect();
    if columns.len() == relation.columns.len() {
        Readable::All
    } else {
        Readable::Columns(columns)
    }
}

/// Whether there is a role with this oid.
pub fn exists(role: Oid) -> bool {
    // SAFETY: plain values.
    unsafe {
        pg_sys::SearchSysCacheExists(
            pg_sys::SysCacheIdentifier::AUTHOID as i32,
            role.into(),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
            pg_sys::Datum::null(),
        )
    }
}
