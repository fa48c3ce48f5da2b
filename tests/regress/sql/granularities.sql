-- What each of the four granularities gets, in every form of the calls, and what a session gets that several
-- subscriptions match.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table person (id integer primary key, name text, score integer);
create schema "Other Schema";
create table "Other Schema"."A Table" ("The Key" text primary key, "a.b" integer, "c""d" integer);
insert into person select n, 'name ' || n, n from generate_series(1, 9) n;

-- Each granularity alone: insert, update of name, update of score, update of both, delete.
select session_create('table', attach => false) as s_table \gset
select session_create('column', attach => false) as s_column \gset
select session_create('row', attach => false) as s_row \gset
select session_create('field', attach => false) as s_field \gset
select session_create('nothing', attach => false) as s_nothing \gset
select subscribe_table('person', session_id => :'s_table') is not null;
select subscribe_column('person', 'name', session_id => :'s_column') is not null;
select subscribe_row('person', 3, session_id => :'s_row') is not null;
select subscribe_field('person', 3, 'name', session_id => :'s_field') is not null;
insert into person values (20, 'new', 20);
update person set name = 'three' where id = 3;
update person set score = 33 where id = 3;
update person set name = 'THREE', score = 333 where id = 3;
update person set name = 'four', score = 44 where id = 4;
delete from person where id = 4;
delete from person where id = 3;
select type, key, column_name, value, old_value, subscription_type from events(:'s_table');
select type, key, column_name, value, old_value, subscription_type from events(:'s_column');
select type, key, column_name, value, old_value, subscription_type from events(:'s_row');
select type, key, column_name, value, old_value, subscription_type from events(:'s_field');
select count(*) from events(:'s_nothing');
-- The subscription survives its row: an insert of the same key sends nothing, later changes do.
insert into person values (3, 'again', 1);
update person set name = 'and again' where id = 3;
delete from person where id = 3;
select type, key, column_name, value from events(:'s_row') offset 5;
select type, key, column_name, value from events(:'s_field') offset 3;
-- `last` is on the last event of a transaction for that session, whatever others get.
begin;
insert into person values (3, 'x', 1);
update person set name = 'y', score = 2 where id = 3;
update person set score = 3 where id = 3;
commit;
select type, column_name, event->'last' from events(:'s_table') offset 12;
select type, column_name, event->'last' from events(:'s_column') offset 9;
select type, column_name, event->'last' from events(:'s_field') offset 5;

-- A row that never existed may be subscribed to.
select session_create('later', attach => false) as later \gset
select subscribe_row('person', 77) is not null, subscribe_field('person', 78, 'score') is not null;
insert into person values (77, 'a', 1), (78, 'b', 1);
update person set name = 'c', score = 2 where id in (77, 78);
select type, key, column_name, subscription_type from events();

-- One event per session and change, the union of what its subscriptions ask for; subscription_type is the
-- first of table, column, row, field.
select session_create('union', attach => false) as "union" \gset
select subscribe_field('person', 1, 'score') is not null, subscribe_row('person', 1) is not null, subscribe_column('person', 'score') is not null, subscribe_table('person') is not null;
update person set name = 'one', score = 11 where id = 1;
insert into person values (101, 'z', 1);
delete from person where id = 1;
select type, key, column_name, subscription_type from events();
select session_create('column, row, field', attach => false) as mixed \gset
select subscribe_field('person', 2, 'score') is not null, subscribe_row('person', 2) is not null, subscribe_column('person', 'score') is not null;
update person set name = 'two', score = 22 where id = 2;
update person set name = 'five', score = 55 where id = 5;
insert into person values (102, 'z', 1);
delete from person where id = 2;
select type, key, column_name, value, subscription_type from events();
select session_create('row, field', attach => false) as mixed \gset
select subscribe_field('person', 5, 'score') is not null, subscribe_row('person', 5) is not null, subscribe_field('person', 6, 'score') is not null, subscribe_field('person', 6, 'name') is not null;
update person set name = 'x', score = 0 where id = 5;
update person set name = 'x', score = 0 where id = 6;
delete from person where id = 5;
delete from person where id = 6;
select type, key, column_name, subscription_type from events();
-- Two columns of one session: an insert is told once, with both.
select session_create('two columns', attach => false) as two \gset
select subscribe_column('person', 'score') is not null, subscribe_column('person', 'name') is not null;
insert into person values (103, 'n', 7);
select type, value, subscription_type from events();

-- Every form of the calls means the same subscription, and the same definition returns the same id.
select session_create('forms', attach => false) as forms \gset
select subscribe_table(meta.relation_id('public', 'person')) as id \gset
select subscribe_table(:'forms'::uuid, meta.relation_id('public', 'person')) = :'id',
       subscribe_table('person') = :'id', subscribe_table('public.person') = :'id', subscribe_table('PERSON') = :'id',
       subscribe_table('person'::text) = :'id', subscribe_table('person'::regclass) = :'id', subscribe_table('person'::regclass, session_id => :'forms') = :'id',
       subscribe_table(relation => 'person', columns => null, operations => null, filter => null, session_id => :'forms') = :'id',
       subscribe_table(meta.column_id('public', 'person', 'name')::meta.relation_id) = :'id';
select subscribe_column(meta.column_id('public', 'person', 'name')) as id \gset
select subscribe_column(:'forms'::uuid, meta.column_id('public', 'person', 'name')) = :'id',
       subscribe_column('person', 'name') = :'id', subscribe_column('person'::text, 'name') = :'id', subscribe_column('person'::regclass, 'name') = :'id',
       subscribe_column(relation => 'person', column_name => 'name', operations => null, filter => null, session_id => :'forms') = :'id',
       subscribe_column(meta.field_id('public', 'person', 'id', 1, 'name')::meta.column_id) = :'id';
select subscribe_row(meta.row_id('public', 'person', 'id', '3')) as id \gset
select subscribe_row(:'forms'::uuid, meta.row_id('public', 'person', 'id', '3')) = :'id', subscribe_row(meta.row_id('public', 'person', 'id', 3)) = :'id',
       subscribe_row(meta.row_id('public', 'person', 'id', 3::bigint)) = :'id', subscribe_row(meta.row_id('public', 'person', array['id'], array['3'])) = :'id',
       subscribe_row('person', 3) = :'id', subscribe_row('person', '3') = :'id', subscribe_row('person', '03') = :'id', subscribe_row('person', ' 3') = :'id',
       subscribe_row('person'::text, '3'::text) = :'id', subscribe_row('person'::text, 3::smallint) = :'id', subscribe_row('person'::regclass, '3') = :'id', subscribe_row('person'::regclass, 3) = :'id',
       subscribe_row('person', array[3]) = :'id', subscribe_row('person', array['3']) = :'id', subscribe_row('person', '{"id": 3}'::jsonb) = :'id', subscribe_row('person', '{"id": "3"}'::jsonb) = :'id',
       subscribe_row('person'::regclass, '{"id": 3}'::jsonb) = :'id', subscribe_row('person'::text, array[3]) = :'id',
       subscribe_row(relation => 'person', key => 3, columns => null, operations => null, filter => null, session_id => :'forms') = :'id',
       subscribe_row(meta.field_id('public', 'person', 'id', 3, 'name')::meta.row_id) = :'id';
select subscribe_field(meta.field_id('public', 'person', 'id', '3', 'name')) as id \gset
select subscribe_field(:'forms'::uuid, meta.field_id('public', 'person', 'id', '3', 'name')) = :'id', subscribe_field(meta.field_id('public', 'person', 'id', 3, 'name')) = :'id',
       subscribe_field(meta.field_id(meta.row_id('public', 'person', 'id', 3), 'name')) = :'id', subscribe_field(meta.field_id('public', 'person', array['id'], array['3'], 'name')) = :'id',
       subscribe_field('person', 3, 'name') = :'id', subscribe_field('person', '3', 'name') = :'id', subscribe_field('person', '03', 'name') = :'id',
       subscribe_field('person'::text, '3'::text, 'name') = :'id', subscribe_field('person'::text, 3::bigint, 'name') = :'id', subscribe_field('person'::regclass, '3', 'name') = :'id', subscribe_field('person'::regclass, 3, 'name') = :'id',
       subscribe_field('person', array[3], 'name') = :'id', subscribe_field('person', '{"id": 3}'::jsonb, 'name') = :'id', subscribe_field('person'::regclass, '{"id": 3}'::jsonb, 'name') = :'id',
       subscribe_field(relation => 'person', key => 3, column_name => 'name', operations => null, filter => null, session_id => :'forms') = :'id';
select subscription_type, relation, column_name, key from subscription where session_id = :'forms' order by subscription_type collate "C";
-- They work without `event` on the search_path, too.
set search_path = public;
select event.subscribe_table('person') is not null, event.subscribe_row('person', 3) is not null, event.session_current() = :'forms', (select count(*) from event.events());
set search_path = public, event;
-- Names that need quotes: exact in identifiers, as in SQL in text.
select session_create('quoted', attach => false) as quoted \gset
select subscribe_table('"Other Schema"."A Table"') as id \gset
select subscribe_table(meta.relation_id('Other Schema', 'A Table')) = :'id', subscribe_table('"Other Schema"."A Table"'::regclass) = :'id';
select subscribe_field('"Other Schema"."A Table"', 'x ''y', 'a.b') as id \gset
select subscribe_field(meta.field_id('Other Schema', 'A Table', 'The Key', 'x ''y', 'a.b')) = :'id', subscribe_field('"Other Schema"."A Table"', '{"The Key": "x ''y"}'::jsonb, 'a.b') = :'id';
insert into "Other Schema"."A Table" values ('x ''y', 1, 2);
update "Other Schema"."A Table" set "a.b" = 3, "c""d" = 4;
select type, relation, key, column_name, value from events();

-- Taking subscriptions back. What a session has already got stays.
select session_use(:'forms') = :'forms';
insert into person values (200, 'before', 0);
select unsubscribe(id) from subscription where session_id = :'forms' and subscription_type = 'table';
insert into person values (201, 'after', 0);
select unsubscribe(:'id');
select unsubscribe(:'id');
select unsubscribe(gen_random_uuid());
select type, value, subscription_type from events();
select unsubscribe_all();
select unsubscribe_all();
insert into person values (202, 'silence', 0);
update person set name = 'silence' where id = 3;
select count(*) from events();
select unsubscribe_all(:'quoted');
select count(*) from subscription where session_id in (:'quoted', :'forms');
-- A new subscription of the same definition has a new id.
select subscribe_table('person') as again \gset
select unsubscribe(:'again');
select subscribe_table('person') <> :'again';

-- Two sessions never disturb each other: the same subscriptions, one is taken back, one session is deleted.
select session_create('a', attach => false) as a \gset
select subscribe_table('person') as subscription_a \gset
select session_create('b', attach => false) as b \gset
select subscribe_table('person') as subscription_b \gset
select session_create('c', attach => false) as c \gset
select subscribe_table('person') is not null, subscribe_row('person', 3) is not null;
insert into person values (300, 'all three', 0);
select unsubscribe(:'subscription_a');
insert into person values (301, 'b and c', 0);
select session_delete(:'c');
insert into person values (302, 'b', 0);
select value->>'name' from events(:'a');
select value->>'name' from events(:'b');
select ack(cursor, :'b') from events(:'b') limit 1;
select value->>'name' from events(:'b');
select value->>'name' from events(:'a');

-- Ten thousand row subscriptions in one session.
create table many (id integer primary key, n integer);
insert into many select n, 0 from generate_series(1, 10000) n;
select session_create('many', attach => false) as many \gset
select count(distinct subscribe_row('many', n)) from generate_series(1, 10000) n;
select count(*) from subscription where session_id = :'many';
insert into many values (10001, 0);
update many set n = 1 where id in (1, 5000, 10000, 10001);
delete from many where id in (2, 10001);
select type, key, column_name, value, subscription_type from events();
update many set n = 2;
select count(*), count(distinct key::text), count(*) filter (where event->>'last' = 'true') from events(max_events => 20000);
select unsubscribe_all();
