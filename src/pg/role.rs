//! Roles and what they may read.

use pgrx::pg_sys::{self, AclResult, Oid};

use super::compat::ACL_SELECT;
use super::relation::Description;
use crate::change::event::Readable;

/// The role whose privileges count now.
pub fn current() -> Oid {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetUserId() }
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
pub fn may_select(role: Oid, relation: Oid) -> bool {
    // SAFETY: plain values.
    unsafe { pg_sys::pg_class_aclcheck(relation, role, ACL_SELECT) == AclResult::ACLCHECK_OK }
}

/// Whether the role may SELECT this column, by itself or as part of the relation. The column exists.
pub fn may_select_column(role: Oid, relation: Oid, column: i16) -> bool {
    may_select(role, relation)
        // SAFETY: plain values.
        || unsafe {
            pg_sys::pg_attribute_aclcheck(relation, column, role, ACL_SELECT)
                == AclResult::ACLCHECK_OK
        }
}

/// Which columns of the relation the role may SELECT: none of one with row-level security, since nothing
/// here judges its policies.
pub fn readable(role: Oid, relation: &Description) -> Readable {
    if relation.row_security {
        return Readable::Columns(Vec::new());
    }
    if may_select(role, relation.oid) {
        return Readable::All;
    }
    let columns = relation.columns.iter().map(|column| column.number);
    Readable::Columns(
        columns
            .filter(|&column| may_select_column(role, relation.oid, column))
            .collect(),
    )
}

/// As [`readable`], of a relation that may be gone: then nothing.
pub fn readable_now(role: Oid, relation: Oid) -> Readable {
    super::relation::describe(relation).map_or(Readable::Columns(Vec::new()), |description| {
        readable(role, &description)
    })
}
