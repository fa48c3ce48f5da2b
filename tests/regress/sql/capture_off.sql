-- reldiff.capture = off, for a bulk load: no change is told, but one gap for each table that was changed and is watched,
-- behind everything else that the transaction tells.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
create table unwatched (id integer primary key);
create table city (country text, id integer, primary key (country, id)) partition by list (country);
create table city_no partition of city for values in ('no');
create table city_it partition of city for values in ('it');
create table animal (id integer primary key);
create table dog (primary key (id)) inherits (animal);
-- What the session has been told since the last call.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
select session_create(attach => false) as session \gset
select subscribe_table('t') as of_t \gset
select subscribe_table('city') is not null, subscribe_table('animal') is not null, track('unwatched');
select session_create('row and field', attach => false) as keyed \gset
select subscribe_field('t', 1, 'v') is not null, subscribe_row('city_no', '{"country":"no","id":1}'::jsonb) is not null;
select session_use(:'session') is not null;
show reldiff.capture;

-- Each kind of change.
set reldiff.capture = off;
insert into t select n, 'loaded' from generate_series(1, 1000) n;
select told();
update t set v = 'changed';
select told();
delete from t where id > 2;
select told();
truncate t;
select told();
copy t from stdin;
1	one
\.
select told();
-- To who subscribed to a field, too: one event, with the subscription's id and without a row.
select type, relation, subscription_type, key, column_name, value, old_value, event->>'last' as last,
       event->>'subscription_id' = (select id::text from subscription where session_id = :'keyed' and subscription_type = 'field') as id
from events(:'keyed', max_events => 1);
select count(*) from events(:'keyed');
-- A change that matches no row is none, and a table that nobody watches leaves nothing.
select (select count(*) from event.log) + (select count(*) from event.transaction) as before \gset
update t set v = 'x' where id = 77;
insert into unwatched values (1);
truncate unwatched;
select (select count(*) from event.log) + (select count(*) from event.transaction) = :before;
-- Row triggers that are switched off for others are not off for this.
set session_replication_role = replica;
update t set v = 'replicated';
reset session_replication_role;
select told();

-- Once for each table that is watched, under its own name; also what contains it.
begin;
insert into city_no values ('no', 1);
insert into city values ('it', 1), ('it', 2);
insert into dog values (1);
insert into animal values (2);
insert into unwatched values (2);
commit;
select told();
select relation, type from events(:'keyed') where relation <> 'public.t';
-- A row that moves to another partition.
update city set country = 'no', id = 3 where id = 1 and country = 'it';
select told();
truncate city_it;
select told();

-- Behind all other events of the transaction, whatever the order of the statements.
begin;
update t set v = 'silent';
set local reldiff.capture = on;
insert into t values (2, 'told');
insert into city values ('no', 4);
commit;
select told();
-- Savepoints: what is rolled back leaves no gap, also not what an exception block has caught; what is released does.
begin;
savepoint a;
update t set v = 'undone';
rollback to a;
savepoint b;
savepoint c;
insert into animal values (10);
release c;
rollback to b;
do $$
begin
    insert into public.city values ('no', 5);
    raise exception 'undone';
exception when raise_exception then null;
end
$$;
commit;
select told();
begin;
savepoint a;
update t set v = 'undone';
rollback to a;
savepoint b;
update t set v = 'done';
savepoint c;
insert into dog values (11);
release c;
release b;
commit;
select told();
begin;
update t set v = 'undone';
rollback;
select told();
-- Off for one statement, or for a function, only.
reset reldiff.capture;
create function load() returns void language sql set reldiff.capture = off as $$ insert into public.t values (100, 'loaded'), (101, 'loaded') $$;
select load();
insert into t values (102, 'told');
select told();

-- Tables that are altered, truncated or dropped before the commit, and subscriptions that come or go.
begin;
set local reldiff.capture = off;
update t set v = 'before the truncation';
set local reldiff.capture = on;
truncate t;
insert into t values (1, 'told');
commit;
select told();
begin;
set local reldiff.capture = off;
insert into animal values (20);
insert into dog values (21);
alter table dog no inherit animal;
drop table dog;
commit;
select told();
begin;
set local reldiff.capture = off;
insert into animal values (22);
alter table animal drop constraint animal_pkey;
commit;
select told();
begin;
set local reldiff.capture = off;
update t set v = 'unsubscribed later';
select unsubscribe(:'of_t');
commit;
select told();
begin;
set local reldiff.capture = off;
update t set v = 'subscribed later';
select subscribe_table('t') is not null;
commit;
select told();
begin;
set local reldiff.capture = off;
create table fresh (id integer primary key);
select subscribe_table('fresh') is not null;
insert into fresh values (1);
commit;
select told();
begin;
set local reldiff.capture = off;
update t set v = 'and the extension goes';
savepoint s;
drop extension pg_reldiff;
rollback to s;
commit;
select told();
-- A table that has been dropped altogether.
begin;
set local reldiff.capture = off;
insert into fresh values (2);
drop table fresh;
commit;
select told();

-- A change by a deferred trigger comes before the gap, too.
create function late() returns trigger language plpgsql as $$
begin
    perform set_config('reldiff.capture', 'on', true);
    insert into public.t values (200, 'late');
    return null;
end
$$;
create constraint trigger late after insert on unwatched deferrable initially deferred for each row execute function late();
begin;
set local reldiff.capture = off;
update t set v = 'silent' where id = 1;
insert into unwatched values (3);
commit;
select told();
drop trigger late on unwatched;
-- What goes to the log before the commit stays before the gap.
set reldiff.outbox_memory = '64kB';
begin;
set local reldiff.capture = off;
update t set v = 'silent' where id = 1;
set local reldiff.capture = on;
insert into t select n, repeat('x', 100) from generate_series(1000, 1999) n;
commit;
select count(*), (array_agg(type order by cursor desc))[1:2] from events(max_events => 2000);
select count(*) from told();
reset reldiff.outbox_memory;
insert into t values (300, 'after');
select told();

-- For superusers, and for those to whom one has granted it.
create role reldiff_loader;
grant insert, select on t to reldiff_loader;
set role reldiff_loader;
set reldiff.capture = off;
reset role;
grant set on parameter reldiff.capture to reldiff_loader;
set role reldiff_loader;
set reldiff.capture = off;
insert into public.t values (400, 'loaded');
reset role;
reset reldiff.capture;
select told();
revoke set on parameter reldiff.capture from reldiff_loader;
