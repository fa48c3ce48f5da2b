-- at is the server's clock at the position, the same for all events of a transaction, and never earlier than that of
-- the transaction before: also when the clock has been set back, as it looks after a row of the feed that is ahead of it.
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
update event.transaction_0 set at = '2100-01-01 00:00:00+00';
insert into t values (3, 'd');
insert into t values (4, 'e');
select key, at at time zone 'UTC', event->>'at' from events() where type = 'row_insert' order by cursor;
select cursor_and_at.ordered from (select array_agg(at order by cursor) = array_agg(at order by at) as ordered from events()) cursor_and_at;
