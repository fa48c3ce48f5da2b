-- PREPARE TRANSACTION: a transaction is told when it has been committed, by whomever, behind all that was told before, and never
-- if it is rolled back. It is in nobody's way meanwhile.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
create table other (id integer primary key, v text);
select session_create(attach => false) as session \gset
select subscribe_table('t') is not null, subscribe_table('other') is not null;
-- What the session has been told since the last call.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;

-- It is told behind who has committed meanwhile, and before who commits afterwards.
begin;
insert into t values (1, 'prepared');
update t set v = 'changed' where id = 1;
prepare transaction 'one';
select told();
insert into t values (2, 'meanwhile');
select told();
commit prepared 'one';
insert into t values (3, 'afterwards');
select told();

-- Nothing of it is told if it is rolled back.
begin;
update t set v = 'never';
prepare transaction 'two';
rollback prepared 'two';
insert into t values (4, 'next');
select told();

-- The background process tells it if nobody else writes.
begin;
delete from t where id = 4;
prepare transaction 'three';
commit prepared 'three';
select type, key from wait_events(timeout => '1 minute');
select told();

-- Several tables, a savepoint that was rolled back and one that was released; its events have its transaction id.
begin;
insert into t values (5, 'kept');
savepoint s;
insert into t values (6, 'rolled back');
rollback to s;
insert into other values (6, 'kept');
release s;
select pg_current_xact_id() as xid \gset
prepare transaction 'four';
commit prepared 'four';
insert into other values (7, 'next');
select type, relation, key, xid = :'xid' as prepared, event::jsonb ? 'last' as last from events();
select count(*) from told();

-- More than is kept in memory.
set reldiff.outbox_memory = '64kB';
begin;
insert into t select n, repeat('x', 100) from generate_series(1000, 1999) n;
delete from t where id >= 1000;
prepare transaction 'five';
commit prepared 'five';
insert into other values (8, 'next');
-- That is much for a writer: it leaves it to the background process, and waits for its own place.
select await_sequenced();
select type, count(*) from events(max_events => 3000) group by type order by type;
select count(*) from told();
reset reldiff.outbox_memory;

-- Two that are prepared at the same time: the one that is committed later is told later.
begin;
insert into t values (20, 'committed second');
prepare transaction 'first';
begin;
insert into t values (21, 'committed first');
prepare transaction 'second';
commit prepared 'second';
insert into t values (22, 'in between');
commit prepared 'first';
insert into t values (23, 'next');
select told();

-- A gap, and one of a table that nobody watches.
create table unwatched (id integer primary key);
select track('unwatched');
begin;
set local reldiff.capture = off;
update t set v = 'silent';
insert into unwatched values (1);
prepare transaction 'six';
commit prepared 'six';
insert into other values (9, 'next');
select told();

-- Changes that matched nobody leave nothing behind.
select count(*) as before from event.unsequenced \gset
begin;
insert into unwatched values (2);
prepare transaction 'seven';
select count(*) - :before from event.unsequenced;
commit prepared 'seven';
-- An attachment is a LISTEN, which the server refuses.
begin;
select session_attach(:'session') >= 0;
prepare transaction 'eight';

select unsubscribe_all();
select session_delete();
drop table t, other, unwatched;
drop function told;
