-- A table that loses its primary key, or that is dropped, ends what was subscribed of it: each session gets one
-- relation_unkeyed or relation_gone, and the command never fails. What is rolled back ends nothing.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- What a session has been told since the last call.
create function told(session uuid default session_current()) returns setof text language plpgsql as $$
begin
    return query select event.diff(session);
    perform event.ack(event.cursor(), session);
end
$$;
select session_create('all kinds', attach => false) as kinds \gset
select session_create('compact, row only', attach => false, format => 'compact') as of_row \gset
select session_create('main', attach => false) as main \gset
-- Two sessions of all kinds of subscriptions, then the key is dropped.
create table t (id integer primary key, v text);
select subscribe_field('t', 1, 'v', session_id => :'kinds') is not null, subscribe_row('t', 1, session_id => :'kinds') is not null, subscribe_column('t', 'v', session_id => :'kinds') is not null,
       subscribe_row('t', 1, session_id => :'of_row') is not null;
select subscribe_table('t', session_id => :'main') as main_subscription \gset
select subscribe_table('t', session_id => :'kinds') as first_one \gset
insert into t values (1, 'one');
select count(*) from told(:'kinds');
select told();
alter table t drop constraint t_pkey;
select event from events(:'kinds');
select event from events(:'of_row');
select type, relation, subscription_type, key, column_name, value, old_value, event->>'subscription_id' = :'first_one' as first_one from events(:'kinds');
select event->>'subscription_id' = :'main_subscription' from events();
select told();
select told(:'kinds');
select told(:'of_row');
select count(*) from subscription;
-- The table is written as before, and nothing is told of it; with a key again it can be subscribed to again.
insert into t values (1, 'the same key twice');
update t set v = 'changed';
delete from t where v = 'nobody';
select told();
select told(:'kinds');
select subscribe_table('t');
delete from t;
alter table t add primary key (id);
insert into t values (2, 'nobody asked for it');
select told();
select subscribe_table('t') <> :'main_subscription';
insert into t values (3, 'told');
select told();

-- Each other way to lose it.
create table key_column (id integer primary key, v text);
create table key_part (a integer, b integer, v text, primary key (a, b));
create type kind as enum ('x', 'y');
create domain code as text;
create table key_type (k kind primary key, v text);
create table key_domain (v text, k code primary key);
create table referenced (id integer primary key);
create table refers (id integer primary key, r integer references referenced);
create table another_key (id integer primary key, other integer not null unique);
select count(subscribe_table(name)) from unnest(array['key_column', 'key_part', 'key_type', 'key_domain', 'referenced', 'refers', 'another_key']) name;
alter table key_column drop column id;
alter table key_part drop column b;
set client_min_messages = warning;
drop type kind cascade;
drop domain code cascade;
alter table referenced drop constraint referenced_pkey cascade;
reset client_min_messages;
select told();
alter table another_key drop constraint another_key_pkey;
alter table another_key add primary key (other);
insert into another_key values (1, 1);
select told();
-- With the operator class that its index was made with; what another column's index loses is of no account.
set client_min_messages = warning;
create type odd;
create function odd_in(cstring) returns odd language internal immutable strict as 'int4in';
create function odd_out(odd) returns cstring language internal immutable strict as 'int4out';
create type odd (input = odd_in, output = odd_out, like = integer);
create function odd_lt(odd, odd) returns boolean language internal immutable strict as 'int4lt';
create function odd_eq(odd, odd) returns boolean language internal immutable strict as 'int4eq';
create function odd_gt(odd, odd) returns boolean language internal immutable strict as 'int4gt';
create function odd_cmp(odd, odd) returns integer language internal immutable strict as 'btint4cmp';
create operator < (function = odd_lt, leftarg = odd, rightarg = odd);
create operator = (function = odd_eq, leftarg = odd, rightarg = odd);
create operator > (function = odd_gt, leftarg = odd, rightarg = odd);
create operator class odd_ops default for type odd using btree as operator 1 <, operator 3 =, operator 5 >, function 1 odd_cmp(odd, odd);
create table key_class (v text, id odd primary key);
create table not_key_class (id integer primary key, v odd unique);
select subscribe_table('key_class') is not null, subscribe_table('not_key_class') is not null;
begin;
drop operator family odd_ops using btree cascade;
rollback;
insert into key_class values ('told', '1');
drop operator family odd_ops using btree cascade;
reset client_min_messages;
insert into key_class values ('not told', '1');
insert into not_key_class values (1, '1');
select told();
-- Another key in its place, in one command: what was subscribed to was of the old one.
create table exchanged (id integer primary key, other integer not null);
select subscribe_table('exchanged') is not null, subscribe_row('exchanged', 5, session_id => :'of_row') is not null;
alter table exchanged drop constraint exchanged_pkey, add primary key (other);
insert into exchanged values (1, 5);
update exchanged set id = 2;
select told();
select told(:'of_row');
-- What the table is still subscribed to, of what lost nothing.
insert into refers values (1, 5);
select told();
select relation, subscription_type from subscription where session_id = :'main' order by relation::text;

-- In a transaction: rolled back it is nothing; in a savepoint, too; committed it takes its place among the changes of others.
create table u (id integer primary key, v text);
select subscribe_table('u') is not null, subscribe_row('u', 1, session_id => :'of_row') is not null;
begin;
alter table u drop constraint u_pkey;
insert into u values (1, 'undone');
rollback;
begin;
savepoint s;
alter table u drop column id;
rollback to s;
savepoint s;
drop table u;
rollback to s;
insert into u values (1, 'told');
commit;
update u set v = 'also told';
select told();
select told(:'of_row');
begin;
insert into refers values (2, null);
alter table u drop constraint u_pkey;
insert into u values (1, 'not told');
insert into refers values (3, null);
commit;
select told();
select told(:'of_row');

-- DROP TABLE, of several, with a schema, with what depends on it, with all that a role owns.
create table v (id integer primary key, v text);
create schema doomed;
create table doomed.a (id integer primary key);
create table doomed."B" (id integer primary key, a integer references doomed.a);
create role reldiff_doomed;
create table owned (id integer primary key);
alter table owned owner to reldiff_doomed;
select subscribe_table('v') as id \gset
select subscribe_table('doomed.a') is not null, subscribe_row('doomed."B"', 1) is not null, subscribe_column('owned', 'id') is not null;
select subscribe_row('v', 1, session_id => :'kinds') is not null, subscribe_field('v', 1, 'v', session_id => :'kinds') is not null;
begin;
drop table v;
rollback;
insert into v values (1, 'never read');
update v set v = 'nor this';
drop table v;
select event, event->>'subscription_id' = :'id' from events();
select told();
select told(:'kinds');
set client_min_messages = warning;
drop schema doomed cascade;
drop owned by reldiff_doomed;
reset client_min_messages;
select line from told() line order by line collate "C";
select count(*) from subscription where relation is null or relation::text ~ '^(v|doomed|owned|[0-9])';
-- A new table of the same name has no subscription, and its key is its own.
create table v (v text, id integer primary key);
insert into v values ('one', 1);
select count(*) from tracked where relation = 'v'::regclass;
select told();
select subscribe_table('v') <> :'id';
insert into v values ('two', 2);
select told();
-- Created, subscribed to and dropped in one transaction: there never was such a table for anybody else.
begin;
create table brief (id integer primary key);
select subscribe_table('brief') is not null;
insert into brief values (1);
drop table brief;
commit;
select ack(cursor());
select count(*) from subscription where session_id = :'main' and relation is null;
-- Whoever drops it needs no right on our schema, nor any subscription of its own.
create role reldiff_dropper;
grant create on schema public to reldiff_dropper;
revoke usage on schema event, meta from public;
alter table v owner to reldiff_dropper;
create table w (id integer primary key);
select subscribe_table('w') is not null;
alter table w owner to reldiff_dropper;
set role reldiff_dropper;
set search_path = public;
alter table public.v drop constraint v_pkey;
drop table public.w;
reset role;
set search_path = public, event;
grant usage on schema event, meta to public;
select told();
