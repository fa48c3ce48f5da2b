-- Inheritance parents cover their children as partitioned tables do, under their own name and with their own columns, where
-- every child has the parent's key as its own. Who subscribed to a parent and to a child that has more columns hears of both:
-- under the parent's name alone it would miss something.
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
create function refusal(relation text) returns text language plpgsql as $$
begin
    perform event.subscribe_table(relation);
    return 'not refused';
exception when others then
    return sqlstate;
end
$$;
-- Three levels; a child has columns of its own, another stands in another order.
create table place (id integer primary key, name text);
create table city (inhabitants integer, primary key (id)) inherits (place);
create table capital (country text, primary key (id)) inherits (city);
create table river (length integer, name text, id integer primary key);
insert into place values (1, 'somewhere');
insert into city values (2, 'Lyon', 500000);
insert into capital values (3, 'Paris', 2000000, 'FR');
select session_create('parent', attach => false) as parent \gset
select subscribe_table('place') is not null;
select session_create('child', attach => false) as child \gset
select subscribe_table('city') is not null;
select session_create('all levels', attach => false) as every \gset
select subscribe_table('capital') is not null, subscribe_table('place') is not null, subscribe_table('city') is not null;
select session_create('a row', attach => false) as of_row \gset
select subscribe_row('place', 3) is not null;
insert into place values (4, 'nowhere');
insert into city values (5, 'Nice', 300000);
insert into capital values (6, 'Rome', 3000000, 'IT');
update place set name = upper(name) where id in (1, 2, 3);
update city set inhabitants = inhabitants + 1 where id in (5, 6);
update capital set country = 'I', name = 'Roma' where id = 6;
update only place set name = 'only the parent''s own' where id = 4;
update place set id = id + 100 where id = 2;
delete from place where id in (1, 3);
select told(:'parent');
select told(:'child');
select told(:'every');
select told(:'of_row');

-- A child that is created later, one that comes with its rows, and one that goes.
create table village (primary key (id)) inherits (place);
insert into village values (7, 'Vill');
select told(:'parent');
insert into river values (770, 'Rhône', 8);
alter table river inherit place;
update river set length = 1, name = 'Rhone' where id = 8;
select told(:'parent');
select told(:'child');
select told(:'of_row');
alter table river no inherit place;
update river set name = 'on its own' where id = 8;
select told(:'parent');
drop table village;
select told(:'parent');
select ack(cursor(), id) from unnest(array[:'of_row', :'every']::uuid[]) id;
-- TRUNCATE of the parent takes the children along; of the parent only, or of a child, it takes rows from the parent's
-- subscribers without emptying what they see.
truncate place;
select told(:'parent');
select told(:'child');
select told(:'of_row');
select line from told(:'every') line order by line collate "C";
insert into place values (1, 'one');
insert into city values (2, 'two');
truncate only place;
select told(:'parent');
select told(:'child');
truncate city;
select told(:'parent');
select told(:'child');
select ack(cursor(), id) from unnest(array[:'of_row', :'every']::uuid[]) id;

-- A child that has no column of its own: who subscribed to it and to its parent hears each change once.
create table hamlet (primary key (id)) inherits (place);
select session_create('parent and child alike', attach => false) as alike \gset
select subscribe_table('hamlet') is not null, subscribe_column('place', 'name') is not null;
insert into hamlet values (9, 'Bree');
update hamlet set name = 'Bree-land';
update place set id = 10 where id = 9;
delete from hamlet;
select told();
select told(:'parent');
-- Two parents: each one's subscribers hear of the child under its name, and who subscribed to both of what both have to say.
create table thing (id integer primary key, weight integer);
create table boat (primary key (id)) inherits (place, thing);
select session_create('thing', attach => false) as thing \gset
select subscribe_table('thing') is not null;
select session_create('place and thing', attach => false) as two \gset
select subscribe_table('thing') is not null, subscribe_table('place') is not null;
insert into boat values (20, 'Argo', 100);
update boat set weight = 101;
update boat set name = 'Argo II', weight = 102;
delete from boat;
select told(:'parent');
select told(:'thing');
select line from diff(:'two') line where line like '%public.place%';
select line from diff(:'two') line where line like '%public.thing%';

-- Who has children without the key is refused; so are those with children that cannot be watched.
create table p (id integer primary key, v text);
create table p_without () inherits (p);
create table p2 (id integer primary key, v text);
create table p2_other (other integer, primary key (id, other)) inherits (p2);
create table p3 (id integer primary key, v text);
create unlogged table p3_unlogged (primary key (id)) inherits (p3);
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
create table p5 (id integer primary key, v text);
create foreign table p5_foreign () inherits (p5) server nowhere;
select name, refusal(name) from unnest(array['p', 'p2', 'p3', 'p5']) name;
-- A temporary child is there for its own session only: nobody is refused for it, and its rows are not told.
create table p4 (id integer primary key, v text);
create temporary table p4_temporary () inherits (p4);
select session_create('temporary', attach => false) as temporary \gset
select subscribe_table('p4') is not null;
create temporary table p4_later () inherits (p4);
insert into p4_temporary values (1, 'not told');
insert into p4_later values (2, 'not told');
update p4 set v = 'nor this';
insert into p4 values (3, 'told');
drop table p4_temporary;
select told();
-- Later they come without any failure; then the parent's subscriptions end, the children's own stay.
drop table p_without, p2_other;
create table p_with (primary key (id)) inherits (p);
create table p2_with (primary key (id)) inherits (p2);
select session_use(:'parent') = :'parent', subscribe_table('p') is not null, subscribe_row('p2', 1) is not null;
select session_use(:'child') = :'child', subscribe_table('p_with') is not null, subscribe_table('p2_with') is not null;
create table p_later () inherits (p);
insert into p_later values (1, 'not told');
insert into p_with values (1, 'told of the child');
select told(:'parent');
select told(:'child');
select relation from subscription where session_id = :'parent' order by relation::text;
create table p2_later (id integer not null, v text);
insert into p2_later values (1, 'with rows');
alter table p2_later inherit p2;
update p2 set v = 'not told' where id = 1;
select told(:'parent');
-- The same where a child, or its child, loses the key that it had.
create table l (id integer primary key, v text);
create table l_1 (primary key (id)) inherits (l);
create table l_11 (primary key (id)) inherits (l_1);
select subscribe_table('l', session_id => :'parent') is not null, subscribe_table('l_1', session_id => :'child') is not null, subscribe_table('l_11', session_id => :'every') is not null;
begin;
alter table l_11 drop constraint l_11_pkey;
rollback;
insert into l_11 values (1, 'told');
select told(:'parent');
select told(:'child');
select told(:'every');
alter table l_11 drop constraint l_11_pkey;
select told(:'parent');
select told(:'child');
select told(:'every');
insert into l_11 values (2, 'not told');
select told(:'parent');
-- A foreign child, and one of another owner; DDL by a role without any right on our schemas.
create role reldiff_heirs;
grant create on schema public to reldiff_heirs;
create table f (id integer primary key, v text);
create table g (id integer primary key, v text);
create table g_of_another (primary key (id)) inherits (g);
alter table g_of_another owner to reldiff_heirs;
select subscribe_table('f', session_id => :'parent') is not null, subscribe_table('g', session_id => :'parent') is not null;
create foreign table f_foreign () inherits (f) server nowhere;
select told(:'parent');
insert into g_of_another values (1, 'told');
select told(:'parent');
alter table g owner to reldiff_heirs;
revoke usage on schema event, meta from public;
set role reldiff_heirs;
set search_path = public;
create table public.g_new (primary key (id)) inherits (public.g);
insert into public.g_new values (2, 'told');
create table public.g_joins (id integer primary key, v text);
alter table public.g_joins inherit public.g;
insert into public.g_joins values (3, 'told');
truncate public.g_new;
drop table public.g_new;
alter table public.g_joins no inherit public.g;
alter table public.g_of_another drop constraint g_of_another_pkey;
reset role;
set search_path = public, event;
grant usage on schema event, meta to public;
select told(:'parent');
select count(*) from subscription where session_id = :'parent' and relation in ('g'::regclass, 'f'::regclass);
-- Dropped with all its children.
create table d (id integer primary key);
create table d_1 (primary key (id)) inherits (d);
select subscribe_table('d', session_id => :'parent') is not null, subscribe_table('d_1', session_id => :'child') is not null;
set client_min_messages = warning;
drop table d cascade;
select told(:'parent');
select told(:'child');
