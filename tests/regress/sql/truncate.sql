-- TRUNCATE is told by one event for each session and relation, whatever the session subscribed to, at the place of the
-- command: after what the transaction did before it and before what it does later.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
insert into t values (1, 'one'), (2, 'two');
create table child (id integer primary key, t integer references t);
create table grandchild (id serial primary key, child integer references child);
create table other (id integer primary key);
-- What the session has been told since the last call. The relations of one command come in no order that is promised:
-- sorted() is for them.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
create function sorted() returns setof text language sql as $$ select line from public.told() line order by line collate "C" $$;
-- Each granularity, and all of them in one session: one event, with the id of the first subscription. Both formats are alike.
create table sessions (name text primary key, session uuid, first_subscription uuid);
do $$
declare
    name text;
    format text;
    id uuid;
    subscription uuid;
begin
    foreach name in array array['table', 'column', 'row', 'field', 'all'] loop
        foreach format in array array['full', 'compact'] loop
            id := event.session_create(name, attach => false, format => format);
            if name in ('field', 'all') then subscription := event.subscribe_field('t', 1, 'v'); end if;
            if name in ('row', 'all') then subscription := event.subscribe_row('t', 77); end if;
            if name in ('column', 'all') then subscription := event.subscribe_column('t', 'v'); end if;
            if name in ('table', 'all') then subscription := event.subscribe_table('t'); end if;
            insert into sessions values (name || ', ' || format, id, subscription);
        end loop;
    end loop;
end
$$;
truncate t, child, grandchild;
select name, type, relation, e.subscription_type, key, column_name, value, old_value, e.event->>'subscription_id' = first_subscription::text as first_one
from sessions, events(session) e order by name;
select event from sessions, events(session) where name like 'table%' order by name;
select distinct event->>'cursor' = cursor, xid is not null, at is not null from sessions, events(session);
select session_use(session) = session from sessions where name = 'table, full';
select diff();
select feed(session, page_size => 1)->'events'->0->>'type', feed(session)->>'has_next' from sessions where name = 'row, compact';
select count(*) from sessions, lateral ack(cursor(), session);

-- Several relations, those that CASCADE takes along, and RESTART IDENTITY.
select subscribe_table('child') is not null, subscribe_column('grandchild', 'child') is not null, subscribe_row('other', 1) is not null;
truncate t cascade;
select sorted();
truncate other, grandchild restart identity;
select sorted();
-- What is refused truncates nothing.
truncate t;
truncate only child, other, t;
select sorted();
-- A table that was empty already is told of, too.
truncate other;
select sorted();

-- In the order of the commands: changes before it, changes after it, and a second and third one; what a row's subscriber
-- gets comes first.
begin;
insert into other values (1), (2);
truncate other;
insert into other values (2);
delete from other where id = 2;
insert into other values (1);
truncate other;
truncate other;
insert into other values (3);
commit;
select subscribe_table('other') is not null;
begin;
insert into other values (1), (2);
truncate other;
insert into other values (2);
truncate other;
truncate other;
insert into other values (3);
update other set id = 4;
commit;
select diff();
select subscription_type, event->>'last' as last from events();
select ack(cursor());
-- Undone in a savepoint, and in a transaction; done after that.
begin;
insert into other values (5);
savepoint s;
truncate other;
insert into other values (6);
rollback to s;
insert into other values (7);
commit;
begin;
truncate other;
rollback;
begin;
savepoint s;
truncate other;
release s;
commit;
select told();
-- A table that the transaction has created, and one that it has only just tracked.
begin;
create table fresh (id integer primary key);
select subscribe_table('fresh') is not null;
insert into fresh values (1);
truncate fresh;
insert into fresh values (2);
commit;
truncate fresh;
select told();
begin;
create table rolled_back (id integer primary key);
select subscribe_table('rolled_back') is not null;
truncate rolled_back;
rollback;
select told();

-- Users' triggers insert rows: after the truncation, though they fire before ours; before it, though they fire after ours.
create function after_truncate() returns trigger language plpgsql as $$
begin
    insert into public.other values (100 + tg_argv[0]::integer);
    return null;
end
$$;
create trigger "AAA first" after truncate on other for each statement execute function after_truncate(1);
create trigger zzz_last after truncate on other for each statement execute function after_truncate(2);
truncate other;
select told();
select id from other order by id;
-- So it is where the server empties the table in place: a second time in a transaction, and in the one that created it.
begin;
truncate other;
truncate other;
commit;
select told();
begin;
create table in_place (id integer primary key);
select subscribe_table('in_place') is not null;
create function into_it() returns trigger language plpgsql as $$
begin
    insert into public.in_place values (101);
    return null;
end
$$;
create trigger "AAA first" after truncate on in_place for each statement execute function into_it();
insert into in_place values (1);
truncate in_place;
commit;
select told();
create trigger "AAA before" before truncate on other for each statement execute function after_truncate(3);
create trigger zzz_before before truncate on other for each statement execute function after_truncate(4);
truncate other;
select told();
select id from other order by id;
drop trigger "AAA first" on other;
drop trigger zzz_last on other;
drop trigger "AAA before" on other;
drop trigger zzz_before on other;
-- A trigger of one relation changes another one of the same command, which has been truncated by then.
create function into_other() returns trigger language plpgsql as $$
begin
    insert into public.other values (200);
    return null;
end
$$;
create trigger "AAA first" after truncate on fresh for each statement execute function into_other();
truncate other, fresh;
select line from diff() line where line like '%other%';
select id from other;
select ack(cursor());
drop trigger "AAA first" on fresh;

-- By a function, by a role that may do nothing else, and where triggers are off.
create function empties() returns void language sql as $$ truncate public.other $$;
select empties();
create role reldiff_truncates;
grant truncate on other to reldiff_truncates;
set role reldiff_truncates;
truncate public.other;
reset role;
set session_replication_role = replica;
truncate other;
reset session_replication_role;
select told();
-- Who has no subscription hears nothing of it, and a truncation that nobody hears of leaves nothing behind.
select session_create('nobody', attach => false) is not null;
select subscribe_table('t') as id \gset
select unsubscribe(:'id');
select (select count(*) from event.log) + (select count(*) from event.transaction) as before \gset
create table unheard (id integer primary key);
select track('unheard');
truncate unheard;
select told();
select (select count(*) from event.log) + (select count(*) from event.transaction) = :before;
