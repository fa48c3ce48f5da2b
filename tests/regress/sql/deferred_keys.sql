-- A key whose check is deferred to the commit: what is told can be carried out one by one as long as no command leaves two
-- rows with one key behind.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
\getenv inputdir PG_ABS_SRCDIR
\set replay :inputdir '/include/replay.sql'
\set ECHO none
\i :replay
\set ECHO all
create table t (id integer primary key deferrable initially deferred, v text);
select session_create('deferred', attach => false) is not null, subscribe_table('t') is not null;
insert into t values (1, 'a'), (2, 'b'), (3, 'c');
select replay('t');
-- Commands that never meet another row are told in their order.
begin;
update t set id = 4 where v = 'c';
update t set id = id + 10;
insert into t values (1, 'new');
delete from t where id = 14;
commit;
select diff();
select replay('t');
