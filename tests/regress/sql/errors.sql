-- Every error, each under the name of its variant: SQLSTATE, message, detail, hint, and the fields that name the object.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- What a driver gets of an error; parts that are missing are left out.
create function show(command text) returns setof text language plpgsql as $$
declare
    sqlstate_ text;
    message_ text;
    detail_ text;
    hint_ text;
    schema_ text;
    table_ text;
    column_ text;
begin
    execute command;
    return next 'no error';
exception when others then
    get stacked diagnostics sqlstate_ = returned_sqlstate, message_ = message_text, detail_ = pg_exception_detail, hint_ = pg_exception_hint,
        schema_ = schema_name, table_ = table_name, column_ = column_name;
    return next sqlstate_ || ' ' || message_;
    return query
        select format('  %s: %s', part, value)
        from (values (1, 'detail', detail_), (2, 'hint', hint_), (3, 'schema', schema_), (4, 'table', table_), (5, 'column', column_)) parts(n, part, value)
        where value <> '' order by n;
end
$$;
create table person (id serial primary key, name text, score integer);
create table pair (a integer, b text, v text, primary key (b, a));
create schema "Other Schema";
create table "Other Schema"."A ""Table""" (id integer primary key, "a b" integer);
select session_create(attach => false) as session \gset

-- RelationNotFound
select show($$ select subscribe_table('nobody') $$);
select show($$ select subscribe_table('nowhere.nobody') $$);
select show($$ select subscribe_table(meta.relation_id('public', 'Person')) $$);
select show($$ select subscribe_column(meta.column_id('public', 'nobody', 'a')) $$);
select show($$ select subscribe_row(meta.row_id('nowhere', 'person', 'id', 1)) $$);
select show($$ select subscribe_field('nobody', 1, 'a') $$);
select show($$ select track('nobody') $$);
-- ColumnNotFound
select show($$ select subscribe_column('person', 'nothing') $$);
select show($$ select subscribe_field('person', 1, 'nothing') $$);
select show($$ select subscribe_column(meta.column_id('Other Schema', 'A "Table"', 'ctid')) $$);
-- NoCurrentSession
select set_config('reldiff.session', '', false);
select show(command) from unnest(array['select subscribe_table(''person'')', 'select subscribe_table(meta.relation_id(''public'', ''person''))', 'select subscribe_column(''person'', ''name'')', 'select subscribe_row(''person'', 1)',
    'select subscribe_field(''person'', 1, ''name'')', 'select unsubscribe_all()', 'select events()', 'select wait_events()', 'select ack(cursor())', 'select diff()', 'select feed(null)', 'select session_detach()', 'select session_delete()']) command;
-- BadSessionSetting
set reldiff.session = 'no uuid';
select show($$ select events() $$);
select show($$ select session_current() $$);
reset reldiff.session;
-- SessionNotFound
select show($$ select events('00000000-0000-4000-8000-000000000000') $$);
select show($$ select session_attach('00000000-0000-4000-8000-000000000000') $$);
-- SessionDenied
create role reldiff_errors;
create role "Reldiff Other";
set role reldiff_errors;
select show(format('select event.events(%L)', :'session'));
select show($$ select event.events('00000000-0000-4000-8000-000000000000') $$);
-- OwnerDenied
select show($$ select event.session_create(owner => '"Reldiff Other"') $$);
-- SelectDenied
select event.session_create(attach => false) is not null;
select show($$ select event.subscribe_table('person') $$);
reset role;
select session_use(:'session') is not null;
-- NoPrimaryKey
create table keyless (id integer unique not null, v text);
select show($$ select subscribe_table('keyless') $$);
-- NotATable
create view a_view as select * from person;
create materialized view a_matview as select * from person;
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
create foreign table a_foreign_table (id integer) server nowhere;
create sequence a_sequence;
select show($$ select subscribe_table('a_view') $$);
select show($$ select subscribe_row('a_matview', 1) $$);
select show($$ select subscribe_column('a_foreign_table', 'id') $$);
select show($$ select subscribe_table('a_sequence') $$);
select show($$ select subscribe_table('person_pkey') $$);
-- The hint of a view names its tables.
SELECT DISTINCT refobjid::regclass FROM pg_depend JOIN pg_rewrite r ON r.oid = objid WHERE r.ev_class = 'public.a_view'::regclass AND refclassid = 'pg_class'::regclass AND refobjid <> 'public.a_view'::regclass;
-- TemporaryTable
create temporary table a_temporary_table (id integer primary key);
select regexp_replace(show, 'pg_temp_\d+', 'pg_temp', 'g') from show($$ select subscribe_table('a_temporary_table') $$);
-- UnloggedTable
create unlogged table an_unlogged_table (id integer primary key);
select show($$ select subscribe_table('an_unlogged_table') $$);
-- Member
create table parent (id integer primary key, "Odd" integer);
create unlogged table unlogged_child (primary key (id)) inherits (parent);
select show($$ select subscribe_row('parent', 1) $$);
drop table unlogged_child;
create foreign table foreign_child () inherits (parent) server nowhere;
select show($$ select subscribe_table('parent') $$);
drop foreign table foreign_child;
-- MemberKey
create table child (primary key ("Odd")) inherits (parent);
select show($$ select subscribe_table('parent') $$);
drop table child;
create table keyless_child () inherits (parent);
select show($$ select track('parent') $$);
-- VirtualColumn
begin;
-- As PostgreSQL 18 makes them; the older servers have none.
update pg_attribute set attgenerated = 'v' where attrelid = 'person'::regclass and attname = 'score';
select show($$ select subscribe_column('person', 'score') $$);
select show($$ select subscribe_field('person', 1, 'score') $$);
rollback;
-- SystemTable
select show($$ select subscribe_table('pg_class') $$);
select show($$ select subscribe_table('event.log') $$);
select show($$ select subscribe_table('information_schema.sql_features') $$);
-- RowSecurity
create table guarded (id integer primary key);
alter table guarded enable row level security;
select show($$ select subscribe_table('guarded') $$);
-- UnsupportedOption
select show($$ select subscribe_table('person', columns => array['name']) $$);
select show($$ select subscribe_table('person', operations => array['insert']) $$);
select show($$ select subscribe_table('person', filter => 'score > 1') $$);
select show($$ select subscribe_column('person', 'name', operations => array['insert']) $$);
select show($$ select subscribe_column('person', 'name', filter => '') $$);
select show($$ select subscribe_row('person', 1, columns => array['name']) $$);
select show($$ select subscribe_row('person', 1, operations => '{}') $$);
select show($$ select subscribe_row('person', 1, filter => '') $$);
select show($$ select subscribe_field('person', 1, 'name', operations => array['insert']) $$);
select show($$ select subscribe_field('person', 1, 'name', filter => '') $$);
-- Quota
begin;
set local reldiff.sessions_per_role = 1;
select show($$ select session_create(attach => false) $$);
set local reldiff.sessions_per_role = 0;
set local reldiff.subscriptions_per_role = 1;
select subscribe_table('person') is not null;
select show($$ select subscribe_column('person', 'name') $$);
select subscribe_table('person') is not null;
rollback;
-- BadOption
select show($$ select session_create(channel => repeat('c', 64)) $$);
select show($$ select session_create(channel => '00000000-0000-4000-8000-000000000000') $$);
select show($$ select session_create(ttl => '-1 day') $$);
select show($$ select session_alter(current_setting('reldiff.session')::uuid, notify => 'loud') $$);
select show($$ select session_alter(current_setting('reldiff.session')::uuid, format => 'xml') $$);
select show($$ select session_create(notify => 'loud') $$);
select show($$ select session_create(format => 'xml') $$);
select show($$ select events(max_events => 0) $$);
select show($$ select wait_events(max_events => 0) $$);
select show($$ select wait_events(timeout => '-1 hour') $$);
select show($$ select feed(session_current(), page_size => -1) $$);
select show($$ select subscribe_row(meta.row_id('public', 'pair', array['a', 'b'], array['1'])) $$);
select show($$ select await_ready(timeout => '-1 ms') $$);
select show($$ select await_sequenced(timeout => '-1 ms') $$);
-- NullArgument
select show($$ select session_use(null) $$);
select show($$ select session_attach(null) $$);
select show($$ select await_ready(timeout => null) $$);
select show($$ select await_sequenced(timeout => null) $$);
select show($$ select subscribe_table(null::uuid, meta.relation_id('public', 'person')) $$);
select show($$ select subscribe_table(null::text) $$);
select show($$ select subscribe_table(null::regclass) $$);
select show($$ select subscribe_table(meta.relation_id(null, 'person')) $$);
select show($$ select subscribe_table(meta.relation_id('public', null)) $$);
select show($$ select subscribe_column('person', null) $$);
select show($$ select subscribe_row('person', null::text) $$);
select show($$ select subscribe_row('person', null::integer) $$);
select show($$ select subscribe_row(meta.row_id('public', 'person', 'id', null::text)) $$);
select show($$ select unsubscribe(null) $$);
select show($$ select wait_events(timeout => null) $$);
select show($$ select ack(null) $$);
-- BadKey
select show($$ select subscribe_row('person', 'three') $$);
select show($$ select subscribe_field('person', 3000000000, 'name') $$);
select show($$ select subscribe_row('pair', '1') $$);
select show($$ select subscribe_row('pair', '{"a": 1, "b": "x"}') $$);
select show($$ select subscribe_row('pair', array['x', '1', '2']) $$);
select show($$ select subscribe_row('pair', array['x', null]) $$);
select show($$ select subscribe_row('pair', '{"a": 1}'::jsonb) $$);
select show($$ select subscribe_row('pair', '{"a": 1, "b": "x", "v": 1}'::jsonb) $$);
select show($$ select subscribe_row('pair', '{"a": 1, "b": null}'::jsonb) $$);
select show($$ select subscribe_row('pair', '[1]'::jsonb) $$);
select show($$ select subscribe_row(meta.row_id('public', 'person', 'name', 'Joe')) $$);
-- MalformedCursor
select show($$ select events(after => 'x') $$);
select show($$ select ack('') $$);
-- UnknownCursor
select show($$ select events(after => repeat('f', 50)) $$);
-- TrackTimeout
select subscribe_table('person') is not null;
begin;
insert into pair values (1, 'x');
prepare transaction 'no events';
set reldiff.track_timeout = '100ms';
select show($$ select subscribe_table('pair') $$);
select show($$ select track('pair') $$);
select count(*) from subscription where relation = 'pair'::regclass;
commit prepared 'no events';
select show($$ select track('pair') $$);
-- UntrackTimeout
begin;
insert into pair values (2, 'x');
prepare transaction 'no events';
select show($$ select untrack('pair') $$);
commit prepared 'no events';
reset reldiff.track_timeout;
-- TableOwner
set role reldiff_errors;
select show($$ select event.untrack('public.pair') $$);
reset role;
-- Subscribed
select show($$ select untrack('person'::regclass) $$);
-- TrackWorker
create function refuse() returns event_trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
alter table pair disable trigger reldiff_row;
create event trigger refuse on ddl_command_start when tag in ('ALTER TABLE') execute function refuse();
select show($$ select track('pair') $$);
drop event trigger refuse;
select show($$ select track('pair') $$);
-- MaintenanceWorker
-- This server has processes left; tests/clients/test_retention.py shows it on one that has none.
-- MaintenanceFailed
create unique index one_run on event.maintenance (counted_epoch) nulls not distinct;
select show($$ select maintain() $$);
drop index event.one_run;
-- TrackInTransaction
create table written (id integer primary key);
create table written_child (primary key (id)) inherits (written);
begin;
insert into written values (1);
select show($$ select subscribe_table('written') $$);
rollback;
begin;
insert into written_child values (1);
select show($$ select track('written') $$);
commit;
select show($$ select track('written') $$);
-- AwaitReady
begin;
select subscribe_row('person', 77) is not null;
select show($$ select await_ready() $$);
rollback;
begin;
update person set name = 'my own';
select show($$ select await_ready(timeout => '0') $$);
rollback;
begin isolation level repeatable read;
select show($$ select await_ready() $$);
rollback;
select await_ready();
-- TriggerProtocol
create table misused (id integer primary key);
create trigger too_early before insert on misused for each row execute function event.capture_row();
create trigger per_statement after update on misused for each statement execute function event.capture_row();
select show($$ insert into misused values (1) $$);
select show($$ update misused set id = 2 $$);
select show($$ select event.capture_row() $$);
create trigger not_truncate after insert on misused for each statement execute function event.capture_truncate();
drop trigger too_early on misused;
select show($$ insert into misused values (1) $$);
select show($$ select event.follow_ddl() $$);
-- ExtensionOutOfDate
begin;
drop index event.segment_number;
select show($$ select events() $$);
select show($$ select events() $$);
rollback;
select count(*) from events();
-- ChangesNotRecorded
begin;
drop index event.segment_number;
insert into person (id, name) values (1000, 'a'), (1001, 'b');
update person set name = 'c' where id = 1000;
rollback;

-- No message holds a value of a row.
insert into person (name) values ('prepared');
select type, key from events();
