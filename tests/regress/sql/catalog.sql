-- Every object of the extension by its name: a new one has to be added here on purpose. Each has a comment whose
-- first line is at most 60 characters; tables are closed; functions and views are open.
\pset format unaligned
\pset tuples_only on
-- Row types and array types come with what has them.
create view members as
    select d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) as name
    from pg_depend d
    where d.refclassid = 'pg_extension'::regclass and d.refobjid = (select oid from pg_extension where extname = 'pg_reldiff') and d.deptype = 'e'
      and not (d.classid = 'pg_type'::regclass and exists (
          select from pg_type t left join pg_class c on c.oid = t.typrelid where t.oid = d.objid and (t.typelem <> 0 or c.relkind <> 'c')));
select name from members where classid not in ('pg_proc'::regclass, 'pg_class'::regclass) order by name collate "C";
select c.relkind, m.name from members m join pg_class c on c.oid = m.objid where m.classid = 'pg_class'::regclass order by 1, m.name collate "C";
-- Functions: signature, result, volatility (i, s, v), parallel safety (s, r, u); none runs with another's rights.
select p.provolatile, p.proparallel, p.oid::regprocedure, '->', pg_get_function_result(p.oid) from members m join pg_proc p on p.oid = m.objid where m.classid = 'pg_proc'::regclass order by p.oid::regprocedure::text collate "C";
select p.oid::regprocedure from members m join pg_proc p on p.oid = m.objid where m.classid = 'pg_proc'::regclass and (p.prosecdef or p.proleakproof or p.proowner <> 10);
-- Those that make text of a key of any type do so under settings of their own.
select p.oid::regprocedure, p.proconfig from members m join pg_proc p on p.oid = m.objid where m.classid = 'pg_proc'::regclass and p.proconfig is not null order by p.oid::regprocedure::text collate "C";
-- Options are passed by these names, with these defaults.
select p.oid::regproc || '(' || pg_get_function_arguments(p.oid) || ')' from members m join pg_proc p on p.oid = m.objid where m.classid = 'pg_proc'::regclass and p.pronargdefaults > 0 order by p.oid::regprocedure::text collate "C";
-- The columns of what users read.
select attrelid::regclass, string_agg(attname || ' ' || format_type(atttypid, null), ', ' order by attnum) from pg_attribute where attrelid in ('event.change'::regclass, 'event.session'::regclass, 'event.subscription'::regclass, 'event.tracked'::regclass) and attnum > 0 group by 1 order by attrelid::regclass::text collate "C";

-- Every object has a comment, whose first line is at most 60 characters.
select name, length(split_part(coalesce(obj_description(objid, classid::regclass::name), ''), E'\n', 1)) as length
from members where length(split_part(coalesce(obj_description(objid, classid::regclass::name), ''), E'\n', 1)) not between 1 and 60 order by name;
select name from members where obj_description(objid, classid::regclass::name) ~ '^[^\n]*\.(\n|$)';
-- Tables are closed to PUBLIC, views can be read and nothing else, functions can be executed, schemas used.
create role reldiff_catalog;
select string_agg(distinct privilege, ',' order by privilege) from members m join pg_class c on c.oid = m.objid, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) privilege
where m.classid = 'pg_class'::regclass and c.relkind = 'r' and (has_table_privilege('reldiff_catalog', c.oid, privilege) or privilege in ('select', 'insert', 'update', 'references') and has_any_column_privilege('reldiff_catalog', c.oid, privilege));
select string_agg(distinct privilege, ',' order by privilege) from members m join pg_class c on c.oid = m.objid, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) privilege
where m.classid = 'pg_class'::regclass and c.relkind = 'v' and has_table_privilege('reldiff_catalog', c.oid, privilege);
select bool_and(has_table_privilege('reldiff_catalog', c.oid, 'select')) from members m join pg_class c on c.oid = m.objid where m.classid = 'pg_class'::regclass and c.relkind = 'v';
select bool_and(has_function_privilege('reldiff_catalog', m.objid, 'execute')) from members m where m.classid = 'pg_proc'::regclass;
select name, has_schema_privilege('reldiff_catalog', objid, 'usage'), has_schema_privilege('reldiff_catalog', objid, 'create') from members where classid = 'pg_namespace'::regclass order by 1;
-- The extension itself: not relocatable, not trusted.
select extrelocatable, (select trusted or not superuser from pg_available_extension_versions v where v.name = extname and v.version = extversion) from pg_extension where extname = 'pg_reldiff';

-- Settings: who may set them, and their defaults.
select event.session_current() is null;
select name, context, boot_val, unit from pg_settings where name like 'reldiff.%' order by name;
-- \df+ shows it all: the first line of a description is a line of the manual.
select p.oid::regprocedure || ': ' || split_part(obj_description(p.oid, 'pg_proc'), E'\n', 1) from pg_proc p where pronamespace = 'event'::regnamespace and proname like 'session%' order by p.oid::regprocedure::text collate "C";
-- The constructors and casts of the identifiers.
select meta.schema_id('s'), meta.relation_id('s', 'r'), meta.column_id('s', 'r', 'c'), meta.row_id('s', 'r', 'k', '3'), meta.row_id('s', 'r', 'k', 3), meta.row_id('s', 'r', array['k', 'l'], array['3', '4']);
select meta.field_id('s', 'r', 'k', '3', 'c'), meta.field_id('s', 'r', 'k', 3, 'c'), meta.field_id('s', 'r', array['k', 'l'], array['3', '4'], 'c'), meta.field_id(meta.row_id('s', 'r', 'k', 3), 'c');
select f::meta.row_id, f::meta.column_id, f::meta.relation_id, f::meta.row_id::meta.relation_id, f::meta.column_id::meta.relation_id, f::meta.relation_id::meta.schema_id from meta.field_id('s', 'r', 'k', 3, 'c') f;
