-- TRUNCATE of partitions and of what contains them beside other commands of the same transaction: inside a statement that fills
-- them, after a command that has already told the root's subscribers to load it anew, undone, and again and again.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
\getenv inputdir PG_ABS_SRCDIR
\set replay :inputdir '/include/replay.sql'
\set ECHO none
\i :replay
\set ECHO all
-- What a session has been told since the last call.
create function told(session uuid default session_current()) returns setof text language plpgsql as $$
begin
    return query select event.diff(session);
    perform event.ack(event.cursor(), session);
end
$$;
create table r (id integer primary key, v text) partition by range (id);
create table r1 partition of r for values from (1) to (2);
create table r2 partition of r for values from (2) to (10);
create table r3 partition of r for values from (10) to (20);
select session_create('root', attach => false) as root \gset
select subscribe_table('r') is not null;

-- A statement's own function empties the partition before the statement stores a row there: the row comes after that.
select session_create('partition', attach => false) as partition \gset
select subscribe_table('r1') is not null;
create function empties(integer) returns text language plpgsql as $$
begin
    if $1 = 2 then
        truncate public.r1;
    end if;
    return 'row ' || $1;
end
$$;
insert into r values (1, 'old');
select diff();
select replay('r1');
insert into r select id, empties(id) from unnest(array[2, 1]) id;
select diff();
select replay('r1');
-- A partition that this transaction has emptied before is emptied in its place.
begin;
truncate r;
insert into r values (1, 'for a moment');
insert into r select id, empties(id) from unnest(array[2, 1]) id;
update r set v = 'changed' where id = 1;
commit;
select diff();
select replay('r1');
-- The same in a savepoint that is rolled back, and in one that is not.
begin;
savepoint s;
delete from r where id = 2;
truncate r1;
insert into r values (1, 'undone');
rollback to s;
delete from r where id = 2;
savepoint s;
insert into r select id, empties(id) from unnest(array[2, 1]) id;
release s;
commit;
select diff();
select replay('r1');

-- A partition is detached, and then the root emptied: two commands, each of which says its own.
select ack(cursor(), :'root') >= 0;
begin;
alter table r detach partition r3;
truncate r;
commit;
select told(:'root');
-- When the second one is undone, the first one is still to be told, once.
alter table r attach partition r3 for values from (10) to (20);
select told(:'root');
begin;
alter table r detach partition r3;
savepoint s;
truncate r;
rollback to s;
commit;
select told(:'root');
begin;
alter table r attach partition r3 for values from (10) to (20);
savepoint s;
truncate r2, r;
truncate r3;
rollback to s;
savepoint s;
truncate r;
rollback to s;
insert into r values (10, 'ten');
commit;
select told(:'root');
-- When it is the first one that is undone, the second one is told, whichever of the two said more.
begin;
savepoint s;
truncate r;
rollback to s;
truncate r2;
commit;
select told(:'root');
begin;
savepoint s;
truncate r2;
rollback to s;
truncate r;
commit;
select told(:'root');
select diff();
select replay('r1');
-- In an exception block of one statement.
do $$
begin
    truncate r3;
    begin
        truncate r;
        raise exception 'undo';
    exception when raise_exception then
        null;
    end;
end
$$;
select told(:'root');
select diff();

-- Filled and emptied 5,000 times in one transaction, most of which has gone to the log by its end: nothing but that.
create table q (id integer primary key, n integer) partition by range (id);
create table q1 partition of q for values from (1) to (2);
select subscribe_table('q', session_id => :'root') is not null, subscribe_table('q1') is not null;
select ack(cursor(), session) >= 0 from unnest(array[:'root', :'partition']::uuid[]) session;
set reldiff.outbox_memory = '64kB';
do $$
begin
    for n in 1..5000 loop
        insert into public.q values (1, n);
        truncate public.q;
    end loop;
end
$$;
create view by_turns as
    select session.id, count(*) filter (where type = 'row_insert' and n % 2 = 1 and (value->>'n')::integer = n / 2 + 1) as inserts,
           count(*) filter (where type = 'truncate' and n % 2 = 0) as truncates, count(*) as events
    from session, events(id, max_events => 100000) with ordinality e(cursor, type, relation, key, column_name, value, old_value, subscription_type, xid, at, event, n) group by 1;
select relation, inserts, truncates, events from by_turns, lateral (select distinct relation from events(id)) e order by relation;
