-- event.verify(): a row for each tracked table and each part of one; what is wrong comes with a command that mends it.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
create table city (country text, id integer, name text, primary key (country, id)) partition by list (country);
create table city_no partition of city for values in ('no');
create table city_rest partition of city default partition by range (id);
create table city_rest_1 partition of city_rest for values from (0) to (100);
create table animal (id integer primary key, name text);
create table dog (primary key (id)) inherits (animal);
create table untracked (id integer primary key);
select * from verify();
select session_create(attach => false) is not null, subscribe_table('t') is not null, subscribe_table('city') is not null, subscribe_table('animal') is not null;
select * from verify() order by relation::text;
-- Everybody may ask.
create role reldiff_verifies;
set role reldiff_verifies;
select count(*), bool_and(ok) from event.verify();
reset role;

-- What is wrong, and its commands, which somebody pastes.
create function broken() returns setof text language sql as $$ select format('%s|%s', relation, detail) from event.verify() where not ok and relation is not null order by 1 $$;
create function mend() returns setof text language plpgsql as $$
declare
    command text;
begin
    for command in select substring(detail from '^[^:]*: (.*)$') from event.verify() where not ok and relation is not null loop
        execute command;
    end loop;
    return query select public.broken();
end
$$;
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;

-- Triggers that are switched off, for all writers or for some.
alter table t disable trigger reldiff_row;
select broken();
select mend();
alter table t enable trigger reldiff_row;
select broken();
select mend();
alter table t enable replica trigger reldiff_truncate;
select broken();
select mend();
alter table t disable trigger all;
select broken();
select mend();
select mend();
-- Triggers that are gone.
drop trigger reldiff_row on t;
select broken();
insert into t values (1, 'in silence');
select mend();
insert into t values (2, 'told');
-- Who had subscribed before may have missed something.
select told();
drop trigger reldiff_truncate on t;
select broken();
select mend();
truncate t;
select told();
-- Triggers of our functions that do not fire for everything: they are not counted.
create or replace trigger reldiff_row after insert on t for each row execute function event.capture_row();
select broken();
select mend();
insert into t values (1, 'one');
update t set v = 'two';
delete from t;
select told();
drop trigger reldiff_row_1 on t;
create or replace trigger reldiff_row after insert or delete or update of v on t for each row execute function event.capture_row();
select broken();
create or replace trigger reldiff_row after insert or delete or update on t for each row when (pg_trigger_depth() < 1) execute function event.capture_row();
select broken();
drop trigger reldiff_row on t;
create constraint trigger reldiff_row after insert or delete or update on t initially deferred for each row execute function event.capture_row();
select broken();
-- Another name, and a trigger that fires for less beside ours, are nothing to speak of.
select mend();
alter trigger reldiff_row_1 on t rename to "Our Trigger";
alter trigger reldiff_truncate on t rename to theirs;
create trigger "AAA" after insert on t for each row execute function event.capture_row();
alter table t enable always trigger "AAA";
select broken();
insert into t values (1, 'one');
update t set v = 'two';
select told();
drop trigger reldiff_row on t;
drop trigger "AAA" on t;

-- Parts: of a partitioned table the row trigger is its own one, cloned; inheritance children have their own.
drop trigger reldiff_truncate on city_no;
drop trigger reldiff_truncate on city_rest_1;
select broken();
select mend();
select told();
do $$ begin execute (select format('alter table city_no disable trigger %I', tgname) from pg_trigger where tgrelid = 'city_no'::regclass and tgname like 'reldiff_row%'); end $$;
select broken();
select mend();
select broken();
insert into city values ('no', 1, 'told');
select told();
drop trigger reldiff_row on dog;
select broken();
select mend();
insert into dog values (1, 'told');
select told();
drop trigger reldiff_row on dog;
-- A subscription mends it as well.
select subscribe_row('animal', 1) is not null;
select broken();
select told();

-- What cannot be told.
alter table t set unlogged;
select broken();
select mend();
alter table t enable row level security;
select broken();
select mend();
alter table dog set unlogged;
select broken();
select mend();
-- A part's own row-level security is nothing to those who read it as a part.
alter table city_no enable row level security;
select broken();
alter table city_no disable row level security;

-- Event triggers that are disabled, for all sessions or for some.
create view ours as select * from event.verify() where relation is null;
create function mend_ours() returns setof text language plpgsql as $$
declare
    command text;
begin
    for command in select substring(detail from '^[^:]*: (.*)$') from public.ours loop
        execute command;
    end loop;
    return query select detail from public.ours;
end
$$;
alter event trigger reldiff_ddl disable;
select * from ours;
select mend_ours();
alter event trigger reldiff_ddl enable;
alter event trigger reldiff_drop enable replica;
select * from ours;
select mend_ours();
-- Their names and owners do not matter.
create role reldiff_verifies_too superuser;
alter event trigger reldiff_ddl owner to reldiff_verifies_too;
alter event trigger reldiff_ddl rename to "Our Trigger";
select * from ours;
alter event trigger "Our Trigger" disable;
select * from ours;
select mend_ours();
alter event trigger "Our Trigger" rename to reldiff_ddl;
-- Missing ones; one that fires for fewer commands does not count.
alter extension pg_reldiff drop event trigger reldiff_ddl;
alter extension pg_reldiff drop event trigger reldiff_drop;
drop event trigger reldiff_ddl;
drop event trigger reldiff_drop;
create event trigger for_less on ddl_command_end when tag in ('ALTER TABLE') execute function event.follow_ddl();
alter event trigger for_less enable always;
select * from ours;
select mend_ours();
select mend_ours();
drop event trigger for_less;
-- All of them switched off, where the server can do that.
create view switch as select name from pg_settings where name = 'event_triggers';
select count(set_config(name, 'off', false)) = (select count(*) from switch) from switch;
select count(*) = (select count(*) from switch), bool_and(detail = 'Event triggers are switched off here: SET event_triggers = on') is not false from ours;
select mend_ours();
-- Functions that somebody has replaced.
create or replace function event.follow_drop() returns event_trigger language plpgsql as $$ begin end $$;
create or replace function event.capture_row() returns trigger language c as '$libdir/pg_reldiff', 'capture_truncate';
select * from ours;
select mend_ours();
insert into t values (2, 'told');
select told();
delete from t where id = 2;
select told();

-- What the event triggers were not there to notice.
alter event trigger reldiff_ddl disable;
alter event trigger reldiff_drop disable;
create table city_it partition of city for values in ('it');
alter table city detach partition city_no;
create table cat (primary key (id)) inherits (animal);
select broken();
select mend();
select told();
insert into city values ('it', 1, 'told');
insert into cat values (1, 'told');
truncate city_it;
select told();
alter table t drop constraint t_pkey;
select broken();
select mend();
alter table t add column id2 integer unique not null default 1, drop constraint t_pkey, add primary key (id2);
select broken();
select mend();
alter table dog drop constraint dog_pkey;
select broken();
select mend();
alter table cat drop constraint cat_pkey, alter name set not null, add primary key (name);
select broken();
select mend();
select mend();
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
create foreign table fish () inherits (animal) server nowhere;
select broken();
select mend();
drop table t;
select regexp_replace(broken(), '\d+', 'NNN', 'g');
alter event trigger reldiff_ddl enable always;
alter event trigger reldiff_drop enable always;
