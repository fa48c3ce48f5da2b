-- A BEFORE trigger or a function makes room for the row that the outer statement is about to insert. The deletion is the
-- later command and yet the earlier change: the insertion comes after it, so that the events can be carried out one by one.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
\getenv inputdir PG_ABS_SRCDIR
\set replay :inputdir '/include/replay.sql'
\set ECHO none
\i :replay
\set ECHO all
create table t (id integer primary key, v text, n integer);
select session_create('replace', attach => false) is not null, subscribe_table('t') is not null;
-- The history of each row: what is told of one key, in its order; what is told of others may stand in between.
create function histories() returns setof text language sql as $$
    select line from event.diff() with ordinality diff(line, n) order by split_part(line, ' ', 3)::integer, n
$$;
create function replace() returns trigger language plpgsql as $$
begin
    delete from public.t where id = new.id;
    return new;
end
$$;
create trigger replace before insert on t for each row execute function replace();
-- One row; a row that is not there is only inserted.
insert into t values (1, 'old', 1);
insert into t values (1, 'new', 2), (2, 'two', 2);
select histories();
select replay('t');
-- The same key several times in one statement: each takes the place of the one before.
insert into t values (1, 'a', 1), (1, 'b', 2), (3, 'three', 3), (1, 'c', 3);
select histories();
select replay('t');
-- COPY, INSERT … SELECT of the table itself, MERGE, an upsert that finds no conflict any more.
copy t from stdin;
1	copied	4
4	four	4
1	copied again	4
\.
insert into t select id, v || ' again', n from t order by id;
merge into t using (values (9, 'merged'), (2, 'updated')) source(id, v) on t.id = source.id when matched then update set v = source.v when not matched then insert values (source.id, source.v, 0);
insert into t values (2, 'upserted', 0), (10, 'ten', 0) on conflict (id) do update set v = 'never';
select histories();
select replay('t');
-- In the midst of other commands of the same transaction, before and after, and around a savepoint.
begin;
insert into t values (5, 'first', 0);
update t set v = 'changed' where id = 5;
insert into t values (5, 'second', 0);
update t set v = 'changed, too' where id = 5;
savepoint s;
insert into t values (5, 'undone', 0), (5, 'undone again', 0);
rollback to s;
insert into t values (5, 'third', 0), (5, 'fourth', 0);
delete from t where id = 5;
insert into t values (5, 'fifth', 0);
commit;
select histories();
select replay('t');
-- The row that is there is changed before it goes, and the one that comes is changed afterwards.
create or replace function replace() returns trigger language plpgsql as $$
begin
    update public.t set v = v || ', going', n = n + 1 where id = new.id;
    delete from public.t where id = new.id;
    return new;
end
$$;
create function afterwards() returns trigger language plpgsql as $$
begin
    update public.t set n = n + 100 where id = new.id;
    return null;
end
$$;
create trigger afterwards after insert on t for each row execute function afterwards();
insert into t values (6, 'a', 0), (6, 'b', 0), (6, 'c', 0);
select histories();
select replay('t');
drop trigger afterwards on t;
-- In parts of a WITH.
with a as (insert into t values (1, 'in WITH', 0) returning id), b as (insert into t values (2, 'in WITH', 0) returning id) select id from a union all select id from b;
select replay('t');

-- The row that is there is moved away instead, or exchanged for others.
create or replace function replace() returns trigger language plpgsql as $$
begin
    update public.t set id = id + 1000, n = new.n where id = new.id;
    return new;
end
$$;
delete from t where id > 2;
select replay('t');
insert into t values (1, 'at the place of a moved one', 7), (2, 'and this one', 8);
select histories();
select replay('t');
-- Rows are inserted at a place of a list, each of which moves all others on.
create table list (id integer primary key deferrable, v text, n integer);
select subscribe_table('list') is not null;
create function move_on() returns trigger language plpgsql as $$
begin
    update public.list set id = id + 1, n = n + 1 where id >= new.id;
    return new;
end
$$;
create trigger move_on before insert on list for each row execute function move_on();
insert into list values (1, 'a', 0), (1, 'b', 0), (1, 'c', 0), (2, 'd', 0);
select histories();
select * from list order by id;
select replay('list');
-- Before the row comes its key is taken and given back: by the trigger, and undone in an exception block.
create or replace function replace() returns trigger language plpgsql as $$
begin
    if new.n = 1 and pg_trigger_depth() = 1 then
        insert into public.t values (new.id, 'for a moment', 1);
        delete from public.t where id = new.id;
    elsif new.n = 2 and pg_trigger_depth() = 1 then
        begin
            insert into public.t values (new.id, 'undone', 2);
            delete from public.t where id = new.id;
            raise exception 'undo';
        exception when raise_exception then
            null;
        end;
    end if;
    return new;
end
$$;
insert into t values (11, 'eleven', 1), (12, 'twelve', 2), (13, 'thirteen', 1);
select histories();
select replay('t');
drop trigger replace on t;

-- A BEFORE trigger of the statement empties the table.
create function empty_it() returns trigger language plpgsql as $$
begin
    delete from public.t;
    return null;
end
$$;
create trigger empty_it before insert on t for each statement execute function empty_it();
insert into t values (1, 'after all were deleted', 1), (14, 'fourteen', 1);
insert into t values (1, 'and again', 1);
select replay('t');
select * from t order by id;
drop trigger empty_it on t;
-- A BEFORE UPDATE trigger makes room for the key that its row gets.
create function make_room() returns trigger language plpgsql as $$
begin
    if new.id <> old.id then
        delete from public.t where id = new.id;
    end if;
    return new;
end
$$;
create trigger make_room before update on t for each row execute function make_room();
insert into t values (2, 'two', 2), (3, 'three', 3), (4, 'four', 4);
select replay('t');
update t set id = 2, v = v || ', moved' where id = 1;
select histories();
select replay('t');
update t set id = id + 1 where id = 3;
select histories();
select replay('t');
drop trigger make_room on t;

-- The same by functions that the statement calls: in the query that it inserts, in VALUES, in RETURNING, in a default.
create function take(integer) returns integer language plpgsql as $$
begin
    delete from public.t where id = $1;
    return $1;
end
$$;
insert into t values (1, 'one', 1);
insert into t select take(id), 'by a query', 0 from unnest(array[1, 2, 1, 20]) id;
select histories();
select replay('t');
insert into t values (take(1), 'by VALUES', 0), (take(20), 'by VALUES', 0), (take(1), 'by VALUES again', 0);
select replay('t');
insert into t select 30 + id, 'by RETURNING', 0 from generate_series(1, 3) id returning take(id), take(32);
select replay('t');
create function free_key() returns integer language sql as $$ select take(1) $$;
alter table t alter column id set default free_key();
insert into t (v) values ('by a default'), ('by a default again');
select replay('t');
update t set id = take(2), v = 'by an update' where id = 1;
select replay('t');
-- A function that is called by a query of a WITH whose other parts delete and insert.
insert into t values (40, 'forty', 0), (41, 'forty-one', 0) on conflict (id) do nothing;
with gone as (delete from t where id = 40 returning *), put as (insert into t select take(41), v, n from gone returning id) insert into t select 40, 'from ' || id, 0 from put;
select replay('t');

-- What a subscriber gets who is interested in a row or a column only is in the same order.
select session_create('row and column', attach => false) is not null, subscribe_row('t', 1) is not null, subscribe_column('t', 'v') is not null;
create or replace function replace() returns trigger language plpgsql as $$
begin
    delete from public.t where id = new.id;
    return new;
end
$$;
create trigger replace before insert on t for each row execute function replace();
delete from t;
select ack(cursor());
insert into t values (1, 'a', 0), (1, 'b', 0);
update t set v = 'c' where id = 1;
select type, key, value, subscription_type from events();
