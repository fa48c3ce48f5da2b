-- event.untrack(): drops the triggers of a table that nobody has subscribed to, and those of its parts that no other
-- tracked table needs.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- Our triggers on each table, without the random part of their names; c: made by the server from the table's above.
create view triggers as
    select tgrelid::regclass::text as relation,
           string_agg(regexp_replace(tgname, '[0-9a-f]{16}', '') || case when tgparentid = 0 then '' else ' c' end, ', ' order by regexp_replace(tgname, '[0-9a-f]{16}', ''), tgparentid <> 0) as names
    from pg_trigger where tgfoid in ('event.capture_row()'::regprocedure, 'event.capture_truncate()'::regprocedure) group by 1;
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
create table t (id integer primary key);
create table "Odd name" (id integer primary key);
select session_create(attach => false) as session \gset

-- What is not tracked stays as it is, whatever it is.
create view a_view as select * from t;
select untrack('t'), untrack('t'::regclass), untrack('"Odd name"'), untrack('a_view');
select untrack('nobody');
select untrack(null::text);
-- A table by itself.
select track('t'), track('"Odd name"');
table triggers order by 1;
select untrack('t'), untrack('"Odd name"'::regclass);
table triggers;
select * from verify();
select * from tracked;
-- Not while anybody has subscribed to it, by whichever kind of subscription, in whichever session.
select subscribe_table('t') as id \gset
select untrack('t');
select unsubscribe(:'id'), subscribe_column('t', 'id') as id \gset
select untrack('t');
select unsubscribe(:'id'), subscribe_row('t', 1) as id \gset
select untrack('t');
select unsubscribe(:'id'), subscribe_field('t', 1, 'id') as id \gset
select untrack('t');
insert into t values (1);
update t set id = 2;
select told();
select unsubscribe_all();
select untrack('t');
table triggers;
insert into t values (3);
select told();
-- Undone; and subscribed to anew, in the same transaction and later.
begin;
select track('t');
select untrack('t');
rollback;
select track('t');
begin;
select untrack('t');
rollback;
table triggers;
select * from verify();
begin;
select untrack('t');
select subscribe_table('t') is not null;
insert into t values (4);
commit;
table triggers;
select told();
select unsubscribe_all();
-- A table that a query of the same session is using, or whose triggers are still to fire.
begin;
declare c cursor for select * from t;
fetch c;
select untrack('t');
rollback;
create constraint trigger later after insert on t initially deferred for each row execute function event.capture_row();
begin;
insert into t values (5);
select untrack('t');
rollback;
-- Triggers that somebody has made of our functions go, too.
select untrack('t');
table triggers;

-- Members of the owner's role only.
create role reldiff_untrack_owner;
create role reldiff_untrack_member;
create role reldiff_untrack_reader;
grant reldiff_untrack_owner to reldiff_untrack_member;
grant select on t to reldiff_untrack_reader;
alter table t owner to reldiff_untrack_owner;
set role reldiff_untrack_reader;
select event.track('public.t');
select event.untrack('public.t');
set role reldiff_untrack_member;
select event.session_create('member', attach => false) is not null, event.subscribe_table('public.t') is not null;
set role reldiff_untrack_owner;
-- Of the subscriptions of others the owner only learns that there are some.
select event.untrack('public.t');
select count(*) from event.subscription;
set role reldiff_untrack_member;
select event.unsubscribe_all();
select event.untrack('public.t');
reset role;
select session_use(:'session') = :'session';
table triggers;

-- A partitioned table with all its parts.
create table city (country text, id integer, primary key (country, id)) partition by list (country);
create table city_no partition of city for values in ('no');
create table city_rest partition of city default partition by range (id);
create table city_rest_1 partition of city_rest for values from (0) to (100);
select track('city');
table triggers order by 1;
select untrack('city');
table triggers;
-- A part stays tracked if it is by itself, and so does what a part needs for the table above it.
select track('city'), track('city_rest');
table triggers order by 1;
select untrack('city');
table triggers order by 1;
select bool_and(ok), count(*) from verify();
select track('city');
select untrack('city_rest');
table triggers order by 1;
select bool_and(ok), count(*) from verify();
select subscribe_table('city') is not null;
insert into city values ('no', 1), ('it', 2);
truncate city_rest_1;
select told();
select untrack('city');
select untrack('city_rest_1');
select unsubscribe_all(), untrack('city');
table triggers;
-- A partition that was tracked with the table and has been detached.
select track('city');
alter table city detach partition city_no;
select untrack('city');
table triggers order by 1;
select untrack('city_no');
table triggers;

-- Inheritance children have triggers of their own.
create table animal (id integer primary key);
create table pet (id integer primary key);
create table dog (primary key (id)) inherits (animal, pet);
create table cat (primary key (id)) inherits (animal);
select track('animal'), track('pet');
select untrack('animal');
table triggers order by 1;
select subscribe_table('pet') is not null;
insert into dog values (1);
truncate dog;
select told();
select track('dog');
select unsubscribe_all(), untrack('pet');
table triggers order by 1;
select untrack('dog');
table triggers;

-- What was dropped while the event triggers could not notice it.
select subscribe_table('pet') is not null;
select 'pet'::regclass::oid as pet \gset
alter event trigger reldiff_drop disable;
drop table pet cascade;
alter event trigger reldiff_drop enable always;
select ok from verify() where relation = :pet;
select untrack(:pet::regclass);
select * from verify();
select count(*) from subscription;
-- In a transaction that only reads.
begin read only;
select untrack('t');
rollback;
