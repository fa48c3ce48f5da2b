-- Only members of a session's owner role use it; subscribing needs SELECT; privileges are judged again whenever
-- something is read or notified; row-level security withholds everything; our tables are closed.
\pset format unaligned
\pset tuples_only on
create role reldiff_ann;
create role reldiff_bob;
create role reldiff_team;
create role reldiff_guest noinherit;
grant reldiff_team to reldiff_ann, reldiff_guest;
create table open_table (id integer primary key, public_note text, secret text);
create table closed_table (id integer primary key, v text);
grant select on open_table to reldiff_ann, reldiff_bob;
grant insert, update, delete on open_table, closed_table to reldiff_bob;

-- Anybody can have sessions, without any other right.
set role reldiff_ann;
select event.session_create('ann', attach => false) as ann \gset
select event.subscribe_table('open_table') as subscription \gset
select name, owner from event.session;
-- The writer needs no right on anything of ours, and is told nothing.
set role reldiff_bob;
insert into open_table values (1, 'note', 'secret');
select count(*) from event.session;
select count(*) from event.subscription;
select relation, subscriptions from event.tracked;

-- Another role's session: 42501, and the same for one that does not exist. Nothing happens, nothing is told.
create function pg_temp.try(command text) returns text language plpgsql as $$
begin
    execute command;
    return 'no error';
exception when others then
    return sqlstate || ': ' || sqlerrm;
end
$$;
select distinct replace(pg_temp.try(replace(format(command, session), session::text, session::text)), session::text, '…') from
    (values (:'ann'::uuid), (gen_random_uuid())) s(session),
    unnest(array['select event.session_use(%L)', 'select event.session_attach(%L)', 'select * from event.events(%L)', 'select event.feed(%L)', 'select event.diff(%L)',
                 'select event.ack(event.cursor(), %L)', 'select event.subscribe_table(''open_table'', session_id => %L)', 'select event.subscribe_table(%L::uuid, meta.relation_id(''public'', ''open_table''))',
                 'select event.subscribe_column(%L::uuid, meta.column_id(''public'', ''open_table'', ''id''))', 'select event.subscribe_row(%L::uuid, meta.row_id(''public'', ''open_table'', ''id'', 1))',
                 'select event.subscribe_field(%L::uuid, meta.field_id(''public'', ''open_table'', ''id'', 1, ''secret''))', 'select event.unsubscribe_all(%L)']) command;
select event.session_delete(:'ann'), event.unsubscribe(:'subscription');
-- Setting the current session by hand is of no use either.
set reldiff.session = :'ann';
select pg_temp.try('select * from event.events()') = format('42501: session "%s" is not yours or does not exist', :'ann');
reset reldiff.session;
-- session_create for others: only for roles that one is a member of.
select pg_temp.try('select event.session_create(owner => ''reldiff_ann'', attach => false)');
select pg_temp.try('select event.session_create(owner => ''postgres'', attach => false)');
set role reldiff_ann;
select count(*) from event.events(:'ann');
select event.session_create('team', owner => 'reldiff_team', attach => false) as team \gset
select name, owner from event.session order by name;
-- A member without INHERIT has to SET ROLE first.
set role reldiff_guest;
select count(*) from event.session;
select count(*) from event.events(:'team');
-- The owner's privileges count, not the caller's: the team may not read the table, though ann may.
set role reldiff_ann;
select event.subscribe_table('open_table', session_id => :'team');
reset role;
-- A superuser may use every session.
select count(*) from event.events(:'ann');
select name from event.session order by name;

-- Subscribing needs SELECT on the table, or on all its columns; for a column or a field on that and the key.
set role reldiff_ann;
select event.session_use(:'ann') = :'ann';
select event.subscribe_table('closed_table');
reset role;
create table parts (id integer primary key, a text, b text);
grant select (id, a) on parts to reldiff_ann;
create table keyless (id integer primary key, a text);
grant select (a) on keyless to reldiff_ann;
set role reldiff_ann;
create function pg_temp.try2(command text) returns text language plpgsql as $$
begin
    execute command;
    return 'no error';
exception when others then
    return sqlstate || ': ' || sqlerrm;
end
$$;
select pg_temp.try2(command) from unnest(array[
    'select event.subscribe_table(''parts'')', 'select event.subscribe_row(''parts'', 1)', 'select event.subscribe_column(''parts'', ''b'')', 'select event.subscribe_field(''parts'', 1, ''b'')',
    'select event.subscribe_column(''parts'', ''a'')', 'select event.subscribe_field(''parts'', 1, ''a'')', 'select event.subscribe_column(''parts'', ''id'')',
    'select event.subscribe_column(''keyless'', ''a'')', 'select event.subscribe_field(''keyless'', 1, ''a'')']) command;
reset role;
grant select (b) on parts to reldiff_ann;
set role reldiff_ann;
select event.subscribe_table('parts') is not null, event.subscribe_row('parts', 1) is not null;
-- A table without USAGE on its schema has no name.
reset role;
create schema hidden;
create table hidden.t (id integer primary key);
grant select on hidden.t to reldiff_ann;
set role reldiff_ann;
select event.subscribe_table('hidden.t');
select event.subscribe_table(meta.relation_id('hidden', 't'));
-- track() needs SELECT, too.
select event.track('closed_table');
reset role;

-- A revoked SELECT: nothing more of that relation, neither what is in the inbox nor what comes, but that it is lost. (More in
-- permission_loss.sql.)
select event.session_attach(:'ann', replay => false);
insert into open_table values (2, 'before', 'x');
revoke select on open_table from reldiff_ann;
insert into open_table values (3, 'revoked', 'x');
insert into parts values (1, 'a', 'b');
select relation, key from event.events(:'ann');
set role reldiff_ann;
select relation, key from event.events(:'ann');
select event.diff(:'ann');
select json_array_length(event.feed(:'ann')->'events');
reset role;
select event.session_detach();
select event.session_attach(:'ann');
unlisten *;
-- Columns that the owner may not read appear nowhere.
grant select on open_table to reldiff_ann;
select event.subscribe_table('open_table', session_id => :'ann') is not null;
begin;
revoke select on open_table from reldiff_ann;
grant select (id, public_note) on open_table to reldiff_ann;
commit;
insert into open_table values (4, 'granted again', 'hidden');
update open_table set public_note = 'n', secret = 'still hidden' where id = 4;
update open_table set secret = 'only that' where id = 4;
delete from open_table where id = 4;
set role reldiff_ann;
select type, key, column_name, value from event.events(:'ann') where relation = 'public.open_table' and (key->>'id')::integer >= 4;
select count(*) from event.events(:'ann') where event::text like '%hidden%' or event::text like '%secret%';
reset role;
-- Without the key there is nothing to tell. A transaction that only reads takes nothing away.
revoke select (id) on open_table from reldiff_ann;
insert into open_table values (5, 'no key', 'x');
begin read only;
select type, key from event.events(:'ann') where relation = 'public.open_table';
commit;
-- A session of a role that inherits the privilege gets its events.
grant reldiff_bob to reldiff_ann;
select type, key from event.events(:'ann') where relation = 'public.open_table';
revoke reldiff_bob from reldiff_ann;
select count(*) from event.events(:'ann') where relation = 'public.open_table';

-- Row-level security: refused, and a table that gains it is silent until it loses it again.
create table guarded (id integer primary key, v text);
grant select on guarded to reldiff_ann;
select event.session_use(:'ann') is not null, event.ack(event.cursor()) is not null, event.subscribe_table('guarded') is not null, event.subscribe_row('guarded', 1) is not null;
select event.session_attach(:'ann', replay => false);
insert into guarded values (1, 'before');
alter table guarded enable row level security;
insert into guarded values (2, 'guarded');
update guarded set v = 'guarded' where id = 1;
select count(*) from event.events();
select event.session_attach(:'ann');
select event.subscribe_column('guarded', 'v');
-- Also in the transaction that enables it, and for events that are made before it is enabled there.
alter table guarded disable row level security;
begin;
insert into guarded values (3, 'made before it is guarded');
alter table guarded enable row level security;
commit;
select count(*) from event.events();
alter table guarded disable row level security;
select key from event.events() limit 1;
insert into guarded values (4, 'after');
select value->>'v' from event.events() where (key->>'id')::integer in (1, 4) and type = 'row_insert';
unlisten *;

-- Our tables are closed; the functions and views are open.
set role reldiff_bob;
select pg_temp.try('select from event.log'), pg_temp.try('select from event.session_definition'), pg_temp.try('delete from event.subscription_table'), pg_temp.try('update event.session_position set acknowledged = null'),
       pg_temp.try('create table event.x ()');
reset role;
-- The owner of a table needs no grant; without any right he is the one who loses it.
alter table closed_table owner to reldiff_bob;
set role reldiff_bob;
select event.session_create('bob', attach => false) as bob \gset
select event.subscribe_table('closed_table') is not null;
insert into closed_table values (1, 'mine');
select value from event.events();
reset role;
-- A table that is dropped is told to those who could read it then, by itself or by a column, also when its schema goes.
create schema dropped;
create table dropped.gone (id integer primary key);
create table revoked (id integer primary key);
create table partly (id integer primary key, v text);
grant usage on schema dropped to reldiff_ann;
grant select on dropped.gone, revoked to reldiff_ann;
grant select (id, v) on partly to reldiff_ann;
set role reldiff_ann;
select event.session_create('dropped', attach => false) is not null;
select event.subscribe_row('dropped.gone', 1) is not null, event.subscribe_row('revoked', 1) is not null, event.subscribe_column('partly', 'v') is not null;
reset role;
revoke select on revoked from reldiff_ann;
drop table revoked;
drop table partly;
drop schema dropped cascade;
set role reldiff_ann;
select type, relation, subscription_type from event.events();
select count(*) from event.subscription where session_id = event.session_current();
reset role;
drop table open_table, closed_table, parts, keyless, guarded, hidden.t;
