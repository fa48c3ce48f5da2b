-- The events of a transaction stand in the order of its commands, whatever the order in which triggers fired, so that they
-- can be carried out one by one on a copy of the table without ever meeting a row that should not be there or missing
-- one that should. Here users' AFTER triggers change rows in the middle of other statements.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
\getenv inputdir PG_ABS_SRCDIR
\set replay :inputdir '/include/replay.sql'
\set ECHO none
\i :replay
\set ECHO all
create table t (id integer primary key deferrable, v text, n integer);
select session_create('order', attach => false) is not null, subscribe_table('t') is not null;
-- One trigger function for all: what a row's column v says is done after the row has been written. Its triggers' names
-- come before and after ours in the order in which triggers of an event fire.
create function obey() returns trigger language plpgsql as $$
begin
    if new.v like 'do:%' then
        execute format(substr(new.v, 4), new.id);
    end if;
    return null;
end
$$;
create trigger "AAA first" after insert or update of v on t for each row execute function obey();
create trigger zzz_last after insert or update of v on t for each row execute function obey();

-- The same row, changed again by the triggers of its INSERT, and by those of its UPDATE.
insert into t values (1, 'do: update public.t set n = coalesce(n, 0) + 1 where id = %s', 0), (2, 'two', 0);
update t set v = 'do: update public.t set n = n * 10 where id = %s' where id = 1;
select diff();
select replay('t');
-- Other rows of the same statement: those that ours have been told of already, and those that they have not.
update t set v = 'plain';
insert into t values (3, 'three', 0);
select replay('t');
update t set v = case id when 2 then 'do: update public.t set n = n + %s' else 'changed' end;
select diff();
select replay('t');
-- Rows of the same statement that the triggers delete.
drop trigger zzz_last on t;
update t set v = case id when 2 then 'do: delete from public.t where id <> %s' else 'soon gone' end;
select diff();
select replay('t');
-- Deleted and put back by the trigger; and rows that come.
update t set v = 'do: delete from public.t where id = %s', n = 5 where id = 2;
insert into t values (4, 'do: insert into public.t values (%s + 1, ''by a trigger'')', 4), (6, 'six', 6);
insert into t values (7, 'do: with gone as (delete from public.t where id < %s returning *) insert into public.t select id, v || '', back'', n from gone where id <> 4', 7), (8, 'eight', 8);
select diff();
select replay('t');
-- The chain goes on: a trigger's change fires the triggers again.
insert into t values (20, 'do: insert into public.t values (%1$s + 1, ''do: insert into public.t values (%%1$s + 1, ''''the end'''')'')', 0), (30, 'thirty', 0);
select diff();
select replay('t');
drop trigger "AAA first" on t;

-- AFTER DELETE triggers: the row is put back, another one of the same statement is put back, a third one goes, too.
delete from t;
insert into t values (1, 'one', 1), (2, 'two', 2), (3, 'three', 3), (4, 'four', 4);
select replay('t');
create function undelete() returns trigger language plpgsql as $$
begin
    if old.id = 1 then
        insert into public.t values (1, old.v || ', back', old.n), (3, 'put back by the first', 0);
        delete from public.t where id = 4;
    end if;
    return null;
end
$$;
create trigger "AAA first" after delete on t for each row execute function undelete();
delete from t where id <= 3;
select diff();
select replay('t');
drop trigger "AAA first" on t;

-- A key that many rows hand on to each other: deletions of a command come first. The trigger meanwhile changes, moves and
-- deletes rows that the statement has moved, some of which ours have not been told of.
delete from t;
insert into t select id, 'row ' || id, 0 from generate_series(1, 6) id;
select replay('t');
create function meanwhile() returns trigger language plpgsql as $$
begin
    if new.n = 1 then
        case old.id
            when 1 then update public.t set v = v || ', changed by the first', n = 2 where id in (3, 7);
            when 2 then update public.t set id = 1, n = 2 where id = 5;
            when 3 then delete from public.t where id = 6;
            when 4 then insert into public.t values (6, 'in the place of the deleted one', 2);
            else null;
        end case;
    end if;
    return null;
end
$$;
create trigger "AAA first" after update on t for each row execute function meanwhile();
update t set id = id + 1, n = 1;
select diff();
select replay('t');
-- Two rows change places, and places again in the trigger; then everything moves down, in one transaction.
update t set n = 0;
select replay('t');
create or replace function meanwhile() returns trigger language plpgsql as $$
begin
    if new.id = 2 and new.n = 1 then
        update public.t set id = 5 - id, n = 2 where id in (2, 3);
    end if;
    return null;
end
$$;
begin;
update t set id = 5 - id, n = 1 where id in (2, 3);
update t set id = id - 1, n = 0;
update t set id = id + 1 where id between 1 and 3;
update t set id = id + 1;
commit;
select diff();
select replay('t');
drop trigger "AAA first" on t;

-- Triggers of the statement: before it and after it.
create function around() returns trigger language plpgsql as $$
begin
    if pg_trigger_depth() > 1 then
        return null;
    end if;
    insert into public.t values (case tg_when when 'BEFORE' then 100 else 200 end + (select count(*) from public.t), tg_when || ' ' || tg_op);
    return null;
end
$$;
create trigger around_before before insert or update or delete on t for each statement execute function around();
create trigger around_after after insert or update or delete on t for each statement execute function around();
insert into t values (9, 'nine', 9);
update t set n = n + 1 where id in (1, 9);
delete from t where id = 9;
select replay('t');
drop trigger around_before on t;
drop trigger around_after on t;
-- An exception block in a trigger leaves nothing of what it undid, and the order stays.
create function with_a_block() returns trigger language plpgsql as $$
begin
    if pg_trigger_depth() > 1 then
        return null;
    end if;
    begin
        delete from public.t where id = new.id;
        insert into public.t values (new.id, 'undone', 0);
        raise exception 'undo';
    exception when raise_exception then
        update public.t set n = -1 where id = new.id;
    end;
    return null;
end
$$;
create trigger "AAA first" after insert on t for each row execute function with_a_block();
insert into t values (300, 'three hundred', 3), (301, 'and one', 3);
select diff();
select replay('t');
