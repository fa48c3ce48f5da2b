-- Primary keys: compound, of text and uuid, with names that need quotes, deferrable; and changes of the key.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- A compound key, whose columns stand elsewhere in the table and in another order.
create table membership (note text, "user" text, org integer, primary key (org, "user"));
select session_create('all', attach => false) as s_all \gset
select subscribe_table('membership') is not null;
select session_create('one row', attach => false) as s_row \gset
select subscribe_row('membership', '{"user": "ann", "org": 1}'::jsonb) as id \gset
select subscribe_row('membership', '{"org": "01", "user": "ann"}'::jsonb) = :'id', subscribe_row('membership', '{"org": 1, "user": "ann"}'::json) = :'id',
       subscribe_row('membership', array['1', 'ann']) = :'id', subscribe_row('membership'::regclass, array['01', 'ann']) = :'id',
       subscribe_row(meta.row_id('public', 'membership', array['org', 'user'], array['1', 'ann'])) = :'id',
       subscribe_row(meta.row_id('public', 'membership', array['user', 'org'], array['ann', '1'])) = :'id';
select key from subscription where id = :'id';
select session_create('one field', attach => false) as s_field \gset
select subscribe_field(meta.field_id('public', 'membership', array['org', 'user'], array['1', 'ann'], 'note')) as id \gset
select subscribe_field('membership', '{"user": "ann", "org": 1}'::jsonb, 'note') = :'id', subscribe_field('membership', array['1', 'ann'], 'note') = :'id';
insert into membership values ('a', 'ann', 1), ('b', 'bob', 1), ('c', 'ann', 2);
update membership set note = 'x' where "user" = 'ann' and org = 1;
update membership set note = 'y' where "user" = 'ann' and org = 2;
delete from membership where org = 1 and "user" = 'ann';
select type, key, column_name, value from events(:'s_all');
select type, key, column_name, value from events(:'s_row');
select type, key, column_name, value from events(:'s_field');
select event->'row_id' from events(:'s_row') limit 1;
select diff(:'s_row');
-- Keys whose parts only together are the same text are different rows.
create table pair (a text, b text, v integer, primary key (a, b));
select session_create('pair', attach => false) as pair \gset
select subscribe_row('pair', array['x', 'yz']) is not null;
insert into pair values ('x', 'yz', 1), ('xy', 'z', 1), ('x,yz', '', 1);
update pair set v = 2;
select key from events();

-- A change of the key is the deletion of the old row and the insertion of the new one.
update membership set org = 7, note = 'moved' where "user" = 'bob';
select type, key, value from events(:'s_all') offset 6;
select ack(cursor(), :'s_all') = 0, ack(cursor(), :'s_row') = 0;
-- For a row's subscriber the old key is gone; a row that comes to its key sends nothing.
update membership set org = 1 where "user" = 'ann' and org = 2;
select count(*) from events(:'s_row');
update membership set note = 'here' where "user" = 'ann';
update membership set org = 3 where "user" = 'ann';
select type, key, column_name, value, subscription_type from events(:'s_row');
-- A column's subscriber gets the key and its column of the new row.
select session_create('column', attach => false) as s_column \gset
select subscribe_column('membership', 'note') is not null;
update membership set org = 4 where "user" = 'ann';
select type, key, value, subscription_type from events();
-- A column subscription to a part of the key.
select session_create('key column', attach => false) as s_key \gset
select subscribe_column('membership', 'org') is not null;
update membership set org = 5 where "user" = 'ann';
update membership set note = 'other' where "user" = 'ann';
select type, key, value from events();

-- UPDATE … SET id = id + 1 on a deferrable key: the deletions of a command come first, so that the events can be
-- applied one by one without a clash.
create table list (id integer primary key deferrable, v text);
insert into list values (1, 'a'), (2, 'b'), (3, 'c');
select session_create('list', attach => false) as list \gset
select subscribe_table('list') is not null;
update list set id = id + 1;
select diff();
-- Applied to a copy they give the table; within the transaction the commands stay apart.
create table copy (id integer primary key, v text);
insert into copy values (1, 'a'), (2, 'b'), (3, 'c');
begin;
update list set id = id - 1;
update list set id = id + 10;
insert into list values (2, 'new');
delete from list where id = 13;
commit;
do $$
declare
    e record;
begin
    for e in select * from events() loop
        case e.type
            when 'row_insert' then
                insert into copy select * from json_populate_record(null::copy, e.value);
            when 'row_delete' then
                delete from copy where id = (e.key->>'id')::integer;
            when 'field_update' then
                update copy set v = e.value #>> '{}' where id = (e.key->>'id')::integer;
        end case;
    end loop;
end
$$;
select * from copy order by id;
table copy except table list;
table list except table copy;

-- Text keys: exact, with quotes and escapes, empty, and longer than 63 characters.
create table page (path text primary key, hits integer);
select session_create('page', attach => false) as page \gset
select count(subscribe_row('page', path)) from unnest(array['', ' a', 'a"b\c', 'ä', repeat('p', 100), E'tab\there']) path;
insert into page select path, 0 from unnest(array['', ' a', 'a', 'a"b\c', 'ä', repeat('p', 100), repeat('p', 99), E'tab\there', 'tabhere']) path;
update page set hits = 1;
select key from events();
-- An untyped literal is the text itself, never parsed.
select subscribe_row('page', '{"path": "x"}') is not null, subscribe_row('page', '{a,b}') is not null;
select key from subscription where session_id = :'page' and key[1] like '{%' order by key collate "C";

-- A uuid key, in any spelling.
create table account (id uuid primary key, balance numeric);
select session_create('account', attach => false) as account \gset
select subscribe_row('account', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11') as id \gset
select subscribe_row('account', '{a0eebc999c0b4ef8bb6d6bb9bd380a11}') = :'id', subscribe_row('account', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid) = :'id',
       subscribe_row('account', '{"id": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}'::jsonb) = :'id', subscribe_row(meta.row_id('public', 'account', 'id', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid)) = :'id';
insert into account values ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1), ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', 1);
update account set balance = 2;
select key->>'id' = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', column_name, value from events();

-- Keys of other types, canonicalised by the type, whatever the settings of the subscriber and of the writer.
create type mood as enum ('sad', 'happy', 'so so');
create domain code as text check (value ~ '^[a-z]+$');
create table by_date (k date primary key, v integer);
create table by_time (k timestamptz primary key, v integer);
create table by_number (k numeric primary key, v integer);
create table by_enum (k mood primary key, v integer);
create table by_domain (k code primary key, v integer);
create table by_float (k double precision primary key, v integer);
create table by_bytes (k bytea primary key, v integer);
create table by_bool (k boolean primary key, v integer);
create table by_char (k character(5) primary key, v integer);
create table by_array (k integer[] primary key, v integer);
select session_create('types', attach => false) as types \gset
set datestyle = 'German';
set timezone = 'America/New_York';
set bytea_output = 'escape';
set extra_float_digits = -15;
select subscribe_row('by_date', '3.2.2001') is not null, subscribe_row('by_date', '2001-02-04'::date) is not null,
       subscribe_row('by_time', '2001-02-03 04:05:06.789+00'::timestamptz) is not null, subscribe_row('by_number', 1.50) is not null,
       subscribe_row('by_enum', 'so so') is not null, subscribe_row('by_enum', 'sad'::mood) is not null, subscribe_row('by_domain', 'abc') is not null,
       subscribe_row('by_float', '0.1'::double precision + '0.2'::double precision) is not null, subscribe_row('by_bytes', '\x00ff'::bytea) is not null,
       subscribe_row('by_bool', true) is not null, subscribe_row('by_char', 'ab') is not null, subscribe_row('by_array', '{"k": "{1,2}"}'::jsonb) is not null;
reset datestyle;
set timezone = 'Asia/Tokyo';
set intervalstyle = 'sql_standard';
insert into by_date values ('2001-02-03', 0), ('2001-02-04', 0), ('2001-03-02', 0);
insert into by_time values ('2001-02-03 04:05:06.789+00', 0), ('2001-02-03 04:05:06.788+00', 0);
insert into by_number values (1.50, 0), (1.51, 0);
insert into by_enum values ('sad', 0), ('happy', 0), ('so so', 0);
insert into by_domain values ('abc', 0), ('abd', 0);
insert into by_float values (0.30000000000000004, 0), (0.3, 0);
insert into by_bytes values ('\x00ff', 0), ('\x00fe', 0);
insert into by_bool values (true, 0), (false, 0);
insert into by_char values ('ab', 0), ('abc', 0);
insert into by_array values ('{1,2}', 0), ('{1,3}', 0);
update by_date set v = 1;
update by_time set v = 1;
update by_number set v = 1;
update by_enum set v = 1;
update by_domain set v = 1;
update by_float set v = 1;
update by_bytes set v = 1;
update by_bool set v = 1;
update by_char set v = 1;
update by_array set v = 1;
select relation, key, event #>> '{row_id,pk_value}' from events();
reset all;
set search_path = public, event;

-- Names of 63 characters, in every place of an event; and a column named like a keyword.
create schema sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss;
create table sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss.ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt (
    kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk integer primary key,
    "select" integer
);
select session_create('long names', attach => false) as long \gset
select subscribe_table(meta.relation_id(repeat('s', 63), repeat('t', 63))) is not null, subscribe_row(meta.row_id(repeat('s', 63), repeat('t', 63), repeat('k', 63), 1)) is not null;
insert into sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss.ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt values (1, 2);
update sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss.ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt set "select" = 3;
select type, relation = repeat('s', 63) || '.' || repeat('t', 63), key->>repeat('k', 63), column_name, value from events();
