-- A key whose check is deferred to the commit: meanwhile two rows may have the same key. What is told can still be carried out
-- one by one: a row that takes a key comes after the one that had it has gone.
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
-- Two rows change places, in two commands.
begin;
update t set id = 12 where v = 'a';
update t set id = 11 where v = 'b';
commit;
select v, id from t order by v;
select replay('t');
-- The new row comes before the old one goes.
begin;
insert into t values (1, 'newer');
delete from t where v = 'new';
commit;
select replay('t');
-- Each of three rows takes the next one's place, the last one's goes.
begin;
update t set id = 11 where v = 'newer';
update t set id = 12 where v = 'b';
delete from t where v = 'a';
commit;
select v, id from t order by v;
select replay('t');
