//! Who might read a relation that the running statement has dropped: the statement's snapshot still sees its rows in
//! the catalog, while the server's own privilege checks do not.

use pgrx::pg_sys::{self, AclMode, Datum, Oid};

use super::catalog;
use super::compat::ACL_SELECT;
use super::role;

/// Whether the role had the right to SELECT any column of the relation when the statement began: not so without
/// USAGE on its schema, or with row-level security, whose policies nobody judges here.
pub fn was_readable(role: Oid, relation: Oid) -> bool {
    if role::is_superuser(role) {
        return true;
    }
    let Some(((owner, namespace, row_security), acl)) = old_rows(
        pg_sys::RelationRelationId,
        pg_sys::ClassOidIndexId,
        pg_sys::Anum_pg_class_oid,
        relation,
        pg_sys::Anum_pg_class_relacl,
        |form: &pg_sys::FormData_pg_class| (form.relowner, form.relnamespace, form.relrowsecurity),
    )
    .pop() else {
        return false;
    };
    let usage = AclMode::from(pg_sys::ACL_USAGE);
    let may_use_schema = old_rows(
        pg_sys::NamespaceRelationId,
        pg_sys::NamespaceOidIndexId,
        pg_sys::Anum_pg_namespace_oid,
        namespace,
        pg_sys::Anum_pg_namespace_nspacl,
        |form: &pg_sys::FormData_pg_namespace| form.nspowner,
    )
    .pop()
    .is_some_and(|(owner, acl)| is_granted(role, owner, acl, usage));
    let reads_all = role::has_privileges_of(role, Oid::from_u32(pg_sys::ROLE_PG_READ_ALL_DATA));
    if row_security || !(may_use_schema || reads_all) {
        return false;
    }
    let of_columns = || {
        old_rows(
            pg_sys::AttributeRelationId,
            pg_sys::AttributeRelidNumIndexId,
            pg_sys::Anum_pg_attribute_attrelid,
            relation,
            pg_sys::Anum_pg_attribute_attacl,
            |form: &pg_sys::FormData_pg_attribute| form.attisdropped,
        )
    };
    reads_all
        || is_granted(role, owner, acl, ACL_SELECT)
        || of_columns().into_iter().any(|(is_dropped, acl)| {
            !is_dropped && acl.is_some() && is_granted(role, owner, acl, ACL_SELECT)
        })
}

/// Whether a list of privileges gives this one to the role, or it is the owner's; without a list only the owner has any.
fn is_granted(role: Oid, owner: Oid, acl: Option<Datum>, mode: AclMode) -> bool {
    role::has_privileges_of(role, owner)
        || acl.is_some_and(|acl| {
            // SAFETY: the value of an aclitem[] column, detoasted.
            unsafe {
                let how = pg_sys::AclMaskHow::ACLMASK_ANY;
                pg_sys::aclmask(acl.cast_mut_ptr(), role, owner, mode, how) != 0
            }
        })
}

/// The rows of a catalog that the statement's snapshot sees, by an index that begins with this column: what `read`
/// takes of the fixed part, and the column with the privileges.
fn old_rows<Form, T>(
    table: Oid,
    index: u32,
    column: u32,
    value: Oid,
    acl: u32,
    read: impl Fn(&Form) -> T,
) -> Vec<(T, Option<Datum>)> {
    // SAFETY: the form is the catalog's, whose rows begin with it, and the index its own; the privileges are copied. The
    // statement keeps its snapshot; nothing is seen where there is none.
    unsafe {
        if !pg_sys::ActiveSnapshotSet() {
            return Vec::new();
        }
        let snapshot = pg_sys::GetActiveSnapshot();
        catalog::rows(
            table,
            index,
            column,
            value,
            snapshot,
            |tuple, descriptor| {
                let mut is_null = false;
                let privileges = pg_sys::heap_getattr(tuple, acl as i32, descriptor, &mut is_null);
                let privileges = (!is_null)
                    .then(|| Datum::from(pg_sys::pg_detoast_datum_copy(privileges.cast_mut_ptr())));
                (read(&*pg_sys::GETSTRUCT(tuple).cast::<Form>()), privileges)
            },
        )
    }
}
