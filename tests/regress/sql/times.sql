-- at is the server's clock at the position, the same for all events of a transaction.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
select session_create(attach => false) is not null, subscribe_table('t') is not null;
select clock_timestamp() as before \gset
begin;
insert into t values (1, 'a'), (2, 'b');
update t set v = 'c';
commit;
select count(*), count(distinct at), bool_and(at between :'before' and clock_timestamp()) from events();
select (event->>'at')::timestamptz = at from events() limit 1;
