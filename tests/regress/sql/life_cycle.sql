-- DDL in the transaction that has changes, the loss of the key, and the extension that is dropped and created: no
-- write and no commit fails for it.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v integer, w integer);
create table gone (id integer primary key);
create schema s;
create table s.gone (id integer primary key);
select session_create(attach => false) is not null, subscribe_table('t') is not null, subscribe_row('t', 1) is not null, subscribe_table('gone') is not null, subscribe_table('s.gone') is not null;
-- A relation, a schema and a column that are gone at the commit; a column that has another name by then.
begin;
insert into gone values (1);
insert into t values (1, 1, 1);
drop table gone;
commit;
begin;
insert into s.gone values (1);
insert into t values (2, 2, 2);
drop schema s cascade;
update t set w = 20 where id = 2;
alter table t drop column v;
update t set w = 200 where id = 2;
alter table t rename column w to x;
update t set x = 2000 where id = 2;
commit;
select type, relation, key, column_name, value from events();
select ack(cursor());
-- A dropped table's subscriptions do not disturb; one can be rid of them.
select count(*) from subscription;
insert into t values (3, 3);
select count(unsubscribe(id)) from subscription where not exists (select from pg_class c where c.oid = relation);
select ack(cursor());
-- A relation that loses its primary key can be written as before; its rows have no name then.
\set QUIET off
alter table t drop constraint t_pkey;
insert into t values (4, 4);
update t set x = 40 where id = 4;
delete from t where id = 4;
\set QUIET on
select count(*) from events() where type in ('row_insert', 'field_update', 'row_delete');
select feed(session_current())->'has_next', (select count(*) from diff() where diff like '%public.t %');
-- Also in the middle of a transaction.
alter table t add primary key (id);
begin;
alter table t drop constraint t_pkey;
insert into t values (5, 5);
alter table t add primary key (id);
commit;
delete from t where id = 5;

-- The type of the key changes: what is told later has the new type's values.
create table k (id integer primary key, v integer);
select session_create('key', attach => false) is not null, subscribe_table('k') is not null;
insert into k values (1, 1);
alter table k alter column id type bigint;
update k set v = 2;
alter table k alter column id type text;
update k set v = 3;
select type, key, column_name, value from events();

-- Inheritance children and partitions by themselves are tables like others.
create table parted (id integer, v integer, primary key (id)) partition by range (id);
create table leaf partition of parted for values from (1) to (100);
select session_create('leaf', attach => false) is not null, subscribe_table('leaf') is not null;
insert into parted values (1, 1);
update parted set v = 2;
delete from parted;
select type, relation, key, column_name from events();

-- The extension is dropped after changes in the same transaction: they are told to nobody, and the commit succeeds.
begin;
insert into k values (7, 7);
drop extension pg_reldiff;
insert into k values (8, 8);
commit;
insert into k values (9, 9);
select count(*) from k;
-- Created, used and rolled back; created and used in one transaction.
begin;
create extension pg_reldiff;
select session_create(attach => false) is not null, subscribe_table('k') is not null;
insert into k values (10, 10);
rollback;
insert into k values (10, 10);
begin;
create extension pg_reldiff;
select session_create(attach => false) is not null, subscribe_table('k') is not null;
insert into k values (11, 11);
commit;
insert into k values (12, 12);
select key from events();
-- A DROP that is rolled back, wholly and to a savepoint.
begin;
drop extension pg_reldiff;
create extension pg_reldiff;
insert into k values (13, 13);
rollback;
begin;
insert into k values (14, 14);
savepoint a;
drop extension pg_reldiff;
insert into k values (15, 15);
rollback to a;
insert into k values (16, 16);
commit;
select key from events();
