-- The writer: every way to change a row is told, and nothing of the writer's changes: result, command tag,
-- lastval(), role, settings.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id serial primary key, v text, parent integer);
create table child (id integer primary key, t_id integer references t on delete cascade on update cascade);
create table optional (id integer primary key, t_id integer references t on delete set null);
select session_create('all', attach => false) as s \gset
select subscribe_table('t') is not null, subscribe_table('child') is not null, subscribe_table('optional') is not null;

-- Command tags and RETURNING are as without us.
\set QUIET off
insert into t (v) values ('a'), ('b') returning id, v;
update t set v = upper(v) returning v;
delete from t where id = 2 returning *;
insert into t (id, v) values (1, 'x') on conflict (id) do nothing;
insert into t (id, v) values (1, 'upsert'), (10, 'new') on conflict (id) do update set v = excluded.v;
copy t (v) from stdin;
from copy
and again
\.
merge into t using (values (1, 'merged'), (50, 'inserted'), (10, null)) as s(id, v) on t.id = s.id when matched and s.v is null then delete when matched then update set v = s.v when not matched then insert (id, v) values (s.id, s.v);
\set QUIET on
select diff();
select ack(cursor());
-- Foreign key actions, an updatable view, functions, data-modifying CTEs, and the role "replica".
insert into child values (1, 1), (3, 3);
insert into optional values (1, 1);
select ack(cursor());
update t set id = 101 where id = 1;
select count(*) from events();
update t set id = 103 where id = 3;
delete from t where id = 1;
select diff();
select ack(cursor());
create view view_of_t as select id, v from t where id < 1000;
create function writes() returns text language sql as $$ update t set v = 'by a function' where id = 103 returning v $$;
update view_of_t set v = 'through a view' where id = 103;
select writes();
with gone as (delete from t where id = 4 returning v) insert into t (id, v) select 5, v || ', moved' from gone;
set session_replication_role = replica;
insert into t (id, v) values (6, 'replica');
reset session_replication_role;
prepare writer(integer) as update t set v = 'prepared ' || $1 where id = 6;
execute writer(1);
execute writer(2);
execute writer(3);
select diff();
select ack(cursor());
-- A rewrite of the table by DDL is no change; afterwards changes are told as before.
drop view view_of_t;
alter table t alter column v type varchar(50);
alter table t add column filled uuid default gen_random_uuid();
vacuum full t;
cluster t using t_pkey;
select count(*) from events();
update t set v = 'after the rewrite' where id = 6;
select diff();
select ack(cursor());
alter table t drop column filled;

-- The order is that of the commands, though a user's trigger changes rows of the same statement before ours fire.
create function bump() returns trigger language plpgsql as $$
begin
    if new.parent is not null then
        update t set v = coalesce(v, '') || '+' where id = new.parent;
    end if;
    return null;
end
$$;
create trigger a_user_trigger after insert or update of parent on t for each row execute function bump();
insert into t (id, v, parent) values (200, 'x', null), (201, 'y', 200), (202, 'z', 201), (203, 'p', null), (204, 'q', null);
update t set parent = 200, v = 'w' where id in (203, 204);
select diff();
drop trigger a_user_trigger on t;
select ack(cursor());
-- BEFORE triggers have their say: what is stored is told, what is suppressed is not.
create function censor() returns trigger language plpgsql as $$
begin
    if new.v = 'suppressed' then
        return null;
    end if;
    new.v := upper(new.v);
    return new;
end
$$;
create trigger censor before insert or update on t for each row execute function censor();
insert into t (id, v) values (300, 'quiet'), (301, 'suppressed');
update t set v = 'suppressed' where id = 300;
update t set v = 'Quiet' where id = 300;
select diff();
drop trigger censor on t;
select ack(cursor());
-- Deferred triggers that write at the commit are told, too.
create function echo() returns trigger language plpgsql as $$
begin
    insert into child values (new.id, null);
    return null;
end
$$;
create constraint trigger echo after insert on t deferrable initially deferred for each row execute function echo();
begin;
insert into t (id, v) values (400, 'first');
insert into t (id, v) values (401, 'second');
commit;
drop trigger echo on t;
select diff();
select count(distinct xid), ack(cursor()) from events();

-- lastval(), currval(), role, settings, and the transaction's own state.
create sequence users_own start 42;
select nextval('users_own'), nextval('t_id_seq');
begin;
set local lock_timeout = '7s';
insert into child values (500, null);
select lastval(), currval('users_own'), currval('t_id_seq');
commit;
select lastval(), currval('users_own'), currval('t_id_seq');
create function settings() returns text language sql as $$
    select md5(string_agg(name || '=' || setting, ',' order by name)) || current_user || session_user from pg_settings where name not in ('transaction_deferrable')
$$;
set lock_timeout = '7s';
set search_path = pg_catalog, public, event;
create role reldiff_writer;
grant all on all tables in schema public to reldiff_writer;
grant all on all sequences in schema public to reldiff_writer;
set role reldiff_writer;
select settings() as before \gset
insert into public.child values (501, null);
update public.child set t_id = 5 where id = 501;
delete from public.child where id = 501;
select settings() = :'before' as unchanged, current_user, current_setting('lock_timeout'), current_setting('search_path');
-- The subscriber's settings do not change either, and a first subscription leaves no role behind.
create table public.own (id integer primary key);
reset role;
reset lock_timeout;
set search_path = public, event;
create table fresh (id integer primary key);
alter table fresh owner to reldiff_writer;
select settings() as before \gset
select subscribe_table('fresh') is not null;
select settings() = :'before' as unchanged;
select tgname, tgenabled, pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'fresh'::regclass order by tgname;
select tgname, deptype from pg_depend join pg_trigger t on t.oid = objid where tgrelid = 'fresh'::regclass and refclassid = 'pg_extension'::regclass order by tgname;
-- What nobody subscribed to costs no event, no transaction row and no notification.
select unsubscribe_all() > 0;
select (select count(*) from event.log) + (select count(*) from event.transaction) as before \gset
insert into t (id, v) values (600, 'nobody');
select (select count(*) from event.log) + (select count(*) from event.transaction) = :before;
-- Nor does a change that no subscription matches.
select subscribe_column('t', 'v') is not null, subscribe_row('t', 1) is not null;
update t set parent = 1 where id = 600;
select (select count(*) from event.log) + (select count(*) from event.transaction) = :before;

-- More sessions than fit into a page watch one row: each gets its event.
create table watched (id integer primary key, v integer);
do $$
begin
    for n in 1..300 loop
        perform event.subscribe_table('watched', session_id => event.session_create('crowd', attach => false, notify => 'off'));
    end loop;
end
$$;
insert into watched values (1, 1);
update watched set v = 2;
select count(*), min(n), max(n) from (select (select count(*) from events(s.id)) as n from session s where name = 'crowd') c;

-- DROP EXTENSION takes the triggers along and leaves the tables writable; created again, nothing is left of it.
drop extension pg_reldiff;
select count(*) from pg_trigger where not tgisinternal;
select count(*) from pg_namespace where nspname in ('event', 'meta');
insert into t (id, v) values (700, 'without');
create extension pg_reldiff;
insert into t (id, v) values (701, 'with it again');
select count(*) from session;
select session_create(attach => false) is not null, subscribe_table('t') is not null;
insert into t (id, v) values (702, 'told');
select diff();
-- It adopts nothing that existed before.
drop extension pg_reldiff;
create schema meta;
\set SHOW_CONTEXT never
create extension pg_reldiff;
