-- The forms that a key can have: values whose text is not what was written, columns in any order, beside dropped ones, under
-- long and quoted names; keys that move; and tables of as many columns as there can be.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
\getenv inputdir PG_ABS_SRCDIR
\set replay :inputdir '/include/replay.sql'
\set ECHO none
\i :replay
\set ECHO all
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
-- One value, written in several ways, is one row: whoever writes it and whoever subscribes to it.
create table by_integer (k integer primary key, v integer);
create table by_bool (k boolean primary key, v integer);
create table by_numeric (k numeric primary key, v integer);
create table by_scale (k numeric(8, 2) primary key, v integer);
create table by_moment (k timestamp primary key, v integer);
create table by_network (k inet primary key, v integer);
create table by_interval (k interval primary key, v integer);
create table by_range (k int4range primary key, v integer);
create table by_bits (k bit varying primary key, v integer);
create table by_json (k jsonb primary key, v integer);
create table by_name (k name primary key, v integer);
select session_create('spelling', attach => false) is not null;
select subscribe_row('by_integer', '03') is not null, subscribe_row('by_integer', ' -7 ') is not null, subscribe_row('by_bool', 'TRUE') is not null, subscribe_row('by_bool', 'n') is not null,
       subscribe_row('by_numeric', 1e2::numeric) is not null, subscribe_row('by_numeric', '.50') is not null, subscribe_row('by_scale', '7') is not null, subscribe_row('by_scale', 0.005) is not null,
       subscribe_row('by_moment', 'February 3, 2001 4:05 AM') is not null, subscribe_row('by_network', '10.1.2.3/32') is not null, subscribe_row('by_interval', '1 day ago') is not null,
       subscribe_row('by_range', '(1,4]') is not null, subscribe_row('by_bits', B'0101') is not null, subscribe_row('by_json', '{"k": {"b":1,   "a": [ 2 ]}}'::jsonb) is not null, subscribe_row('by_name', repeat('n', 70)) is not null;
insert into by_integer values ('3'::integer, 0), (-7, 0), (30, 0);
insert into by_bool values ('yes', 0), ('0', 0);
insert into by_numeric values (100, 0), (0.50, 0), (7, 0);
insert into by_scale values (7, 0), (0.01, 0), (0.02, 0);
insert into by_moment values ('2001-02-03 04:05', 0), ('2001-02-03 04:06', 0);
insert into by_network values ('10.1.2.3', 0), ('10.1.2.0/24', 0);
insert into by_interval values ('-1 days', 0), ('1 day', 0);
insert into by_range values ('[2,5)', 0), ('[1,4)', 0);
insert into by_bits values ('0101', 0), ('101', 0);
insert into by_json values ('{"a": [2], "b": 1}', 0), ('{"a": 2}', 0);
insert into by_name values (repeat('n', 63), 0), (repeat('n', 62), 0);
update by_integer set v = 1;
update by_bool set v = 1;
update by_numeric set v = 1;
update by_scale set v = 1;
update by_moment set v = 1;
update by_network set v = 1;
update by_interval set v = 1;
update by_range set v = 1;
update by_bits set v = 1;
update by_json set v = 1;
update by_name set v = 1;
select relation, key from events();
-- Equal to the key's index, and another text: the row stays in its place, but it has another name from now on.
select session_create('another text', attach => false) is not null, subscribe_table('by_numeric') is not null;
update by_numeric set k = 100.0 where k = 100;
update by_numeric set k = 100.00, v = 2 where k = 100;
update by_numeric set k = 100.00 where k = 100;
select told();

-- Key columns in another order than the table's, with dropped columns before, between and behind them, and columns that
-- come later, with a default that old rows get without being written.
create table mixed (gone_1 integer, b text, gone_2 text, "A" uuid, v text, c date, gone_3 integer, primary key (c, "A", b));
alter table mixed drop column gone_1, drop column gone_2, drop column gone_3;
select session_create('mixed', attach => false) is not null, subscribe_table('mixed') is not null;
insert into mixed values ('x', '00000000-0000-4000-8000-000000000001', 'one', '2001-02-03'), ('y, z', '00000000-0000-4000-8000-000000000001', 'two', '2001-02-03');
alter table mixed add column late text default 'late', add column later integer;
update mixed set v = 'changed' where b = 'x';
update mixed set b = 'w', late = 'late' where b = 'x';
insert into mixed (b, "A", c, late) values ('v', '00000000-0000-4000-8000-000000000002', 'infinity', default);
select told();
alter table mixed drop column v;
update mixed set later = 1, late = null where b = 'w';
delete from mixed where c < 'infinity' and b <> 'w';
select told();
select subscribe_row('mixed', '{"b": "w", "c": "20010203", "A": "00000000000040008000000000000001"}'::jsonb) as id \gset
select subscribe_row('mixed', array['2001-02-03', '00000000-0000-4000-8000-000000000001', 'w']) = :'id';
select key from subscription where id = :'id';

-- Quoted names, in places where an unquoted one would mean something else, and names of 63 bytes that are not 63 letters.
create schema "Müller's";
create table "Müller's"."a.b""c" ("primary" integer, "it's" text, " " integer, "select *" integer, primary key (" ", "primary"));
select session_create('quoted', attach => false) is not null, subscribe_table(meta.relation_id('Müller''s', 'a.b"c')) is not null;
insert into "Müller's"."a.b""c" values (1, 'x', 2, 3);
update "Müller's"."a.b""c" set "it's" = 'y', "select *" = 4;
delete from "Müller's"."a.b""c";
select told();
select repeat('ü', 31) || 'x' as long \gset
create table :"long" (:"long" text primary key, v integer);
select session_create('long', attach => false) is not null, subscribe_table(:'long') is not null, subscribe_field(meta.field_id('public', :'long', :'long', :'long', 'v')) is not null;
insert into :"long" values (:'long', 1);
update :"long" set v = 2;
select octet_length(:'long'), relation = format('public.%I', :'long') or relation = format('public."%s"', :'long') as relation, key->>:'long' = :'long' as key from events();

-- Keys that many rows hand on to each other, in one statement, both ways and in a circle.
create table chain (id integer primary key deferrable, v text);
select session_create('chain', attach => false) is not null, subscribe_table('chain') is not null;
insert into chain select id, 'row ' || id from generate_series(1, 500) id;
update chain set id = id + 1;
update chain set id = 503 - id, v = 'turned, ' || v;
begin;
update chain set id = (id - 1) % 500 + 2;
savepoint s;
update chain set v = 'undone', id = id + 1000 where id < 200;
rollback to s;
update chain set id = id - 2;
commit;
select type, count(*) from events(max_events => 10000) group by type order by type;
select replay('chain');

-- As many columns as a table can have, of which the key is the last one.
do $$
begin
    execute format('create table wide (%s, k integer primary key)', (select string_agg(format('c%s integer', n), ', ') from generate_series(1, 1599) n));
end
$$;
select session_create('wide', attach => false) is not null, subscribe_table('wide') is not null, subscribe_field('wide', 1, 'c1599') is not null;
insert into wide (k, c1, c1599) values (1, 1, 1599);
update wide set c1599 = 0;
update wide set c1 = 2, c800 = 3, k = k;
update wide set k = 2;
delete from wide;
select type, key, (select count(*) from json_object_keys(value) where type = 'row_insert'), column_name, case type when 'row_insert' then value->>'c1599' else value #>> '{}' end, subscription_type from events();
select ack(cursor());
do $$
begin
    execute format('insert into wide select %s from generate_series(1, 3) row', (select string_agg('row', ', ') from generate_series(1, 1600)));
    execute format('update wide set %s', (select string_agg(format('c%1$s = c%1$s + 1', n), ', ') from generate_series(1, 1599) n));
end
$$;
select key->>'k' as k, type, count(*), count(distinct column_name), min(value #>> '{}') = max(value #>> '{}') as equal from events(max_events => 10000) group by 1, 2 order by 1, 2 desc;
