-- What a transaction has written to the log before its commit, because it was too much to keep in memory, is told in the same
-- order as what was kept: an insert comes after the deletion that made room for it, wherever either of them is by then.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
\getenv inputdir PG_ABS_SRCDIR
\set replay :inputdir '/include/replay.sql'
\set ECHO none
\i :replay
\set ECHO all
create table t (id integer primary key, v integer);
create table u (id serial primary key, n integer);
select session_create('spilled', attach => false) is not null, subscribe_table('t') is not null, subscribe_table('u') is not null;
set reldiff.outbox_memory = '64kB';
-- More than fits, in the subtransaction of an exception block; with `undo` it is rolled back.
create function fill(undo boolean default false) returns void language plpgsql as $$
begin
    insert into public.u (n) select generate_series(1, 2000);
    if undo then
        raise exception 'undo';
    end if;
exception when raise_exception then
    null;
end
$$;
create function told() returns setof text language sql as $$
    select line from event.diff() line where line like '%public.t %'
$$;
-- The deletion is outside the block that fills the memory: it is there before the insert of the statement that made it.
create function make_room() returns trigger language plpgsql as $$
begin
    delete from public.t where id = new.id;
    perform public.fill();
    return new;
end
$$;
insert into t values (1, 1);
create trigger make_room before insert on t for each row execute function make_room();
select replay('t');
insert into t values (1, 2);
select count(*) from events(max_events => 100000) where relation = 'public.u' and type = 'row_insert';
select told();
select replay('t');
-- Several rows of one key, each of which makes room for the next one.
insert into t values (1, 3), (2, 3), (1, 4), (1, 5);
select told();
select replay('t');
-- The block is rolled back, the deletion is not.
create or replace function make_room() returns trigger language plpgsql as $$
begin
    delete from public.t where id = new.id;
    perform public.fill(undo => true);
    return new;
end
$$;
insert into t values (1, 6);
select count(*) from events(max_events => 100000) where relation = 'public.u';
select told();
select replay('t');
-- The deletion is what fills the memory's first half, in a block of its own; and it is undone in one, so that the key is free
-- only because of the second deletion.
create or replace function make_room() returns trigger language plpgsql as $$
begin
    begin
        delete from public.t where id = new.id;
        perform public.fill();
        raise exception 'undo' ;
    exception when raise_exception then
        delete from public.t where id = new.id;
        perform public.fill();
    end;
    return new;
end
$$;
insert into t values (1, 7), (2, 7);
select told();
select replay('t');
-- Around savepoints, and between other commands of the same transaction.
begin;
insert into t values (1, 8);
update t set v = 9 where id = 1;
savepoint s;
insert into t values (1, 10), (3, 10);
select fill();
rollback to s;
insert into t values (1, 11);
savepoint s;
select fill();
delete from t where id = 2;
insert into t values (2, 12);
release s;
update t set v = v + 1;
commit;
select told();
select replay('t');
