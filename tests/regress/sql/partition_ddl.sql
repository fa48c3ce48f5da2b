-- What DDL and TRUNCATE do to the partitions of a table that is subscribed to. Where rows come or go without an event of their
-- own, those who subscribed to an ancestor get one `resync`. No such command ever fails for it.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- What a session has been told since the last call. Several relations of one command come in no order that is promised:
-- sorted() is for them.
create function told(session uuid default session_current()) returns setof text language plpgsql as $$
begin
    return query select event.diff(session);
    perform event.ack(event.cursor(), session);
end
$$;
create function sorted(session uuid) returns setof text language sql as $$ select line from public.told(session) line order by line collate "C" $$;
create table r (id integer primary key, v text) partition by range (id);
create table r1 partition of r for values from (0) to (100);
create table r2 partition of r for values from (100) to (200);
insert into r values (1, 'one'), (101, 'hundred and one');
select session_create('leaf', attach => false) as leaf \gset
select subscribe_table('r2') is not null;
select session_create('a row', attach => false, format => 'compact') as of_row \gset
select subscribe_row('r', 1) as row_subscription \gset
select session_create('root', attach => false) as root \gset
select subscribe_table('r') is not null;
-- A new partition is empty, and what comes into it is told.
create table r3 partition of r for values from (200) to (300);
select told();
insert into r values (201, 'in the new one');
select told();
-- One that is attached brings its rows along, unheard of; later changes are told.
create table r4 (v text, gone integer, id integer primary key);
alter table r4 drop column gone;
insert into r4 values ('three hundred and one', 301);
alter table r attach partition r4 for values from (300) to (400);
select type, relation, subscription_type, key, column_name, value, old_value from events();
select event, event->>'subscription_id' = :'row_subscription' from events(:'of_row');
select told();
select told(:'of_row');
select told(:'leaf');
update r set v = 'told' where id = 301;
select told();
-- In a transaction it stands where it was done; rolled back it is nothing.
begin;
insert into r values (2, 'before');
create table r5 (id integer primary key, v text);
insert into r5 values (401, 'not told');
alter table r attach partition r5 for values from (400) to (500);
insert into r values (402, 'after');
commit;
begin;
alter table r detach partition r5;
rollback;
begin;
savepoint s;
drop table r5;
rollback to s;
insert into r values (403, 'still there');
commit;
select told();
select told(:'of_row');

-- Detached, its rows are gone from the root; what happens to them later is not told there, but to whom it is subscribed to.
insert into r values (102, 'in both');
alter table r detach partition r2;
update r2 set v = 'on its own' where id = 102;
insert into r2 values (103, 'on its own');
select told();
select told(:'leaf');
select count(*) from told(:'of_row');
-- So it is where it is detached concurrently, and when it comes back.
alter table r attach partition r2 for values from (100) to (200);
update r2 set v = 'back' where id = 102;
select told();
select told(:'leaf');
alter table r detach partition r2 concurrently;
update r2 set v = 'on its own again' where id = 102;
select told();
select told(:'leaf');
alter table r attach partition r2 for values from (100) to (200);
delete from r where id = 103;
select told();
select told(:'leaf');
-- Dropped, it is gone for the one and its rows for the others.
drop table r3;
select told();
drop table r2;
select told();
select told(:'leaf');
select count(*) from subscription where session_id = :'leaf';

-- A partitioned table with its own partitions is attached, one of which is subscribed to already.
create table s (id integer primary key, v text) partition by range (id);
create table s1 partition of s for values from (500) to (550);
create table s2 partition of s for values from (550) to (600);
select subscribe_table('s2', session_id => :'leaf') is not null;
select session_create('middle', attach => false) as middle \gset
select subscribe_table('s') is not null;
insert into s values (501, 'one'), (551, 'two');
select told(:'leaf');
select told(:'middle');
alter table r attach partition s for values from (500) to (600);
insert into r values (502, 'three'), (552, 'four');
select told(:'root');
select told(:'middle');
select told(:'leaf');
-- A partition of a partition: each ancestor's subscribers are told.
create table s3 (id integer primary key, v text);
alter table s detach partition s1;
select told(:'root');
select told(:'middle');
select told(:'leaf');
alter table s attach partition s3 for values from (500) to (550);
drop table s3;
select told(:'root');
select told(:'middle');
select told(:'leaf');
select count(*) from told(:'of_row');

-- TRUNCATE: of the root, of an inner table, of a leaf. Who is above gets a resync, who is named or below a truncate.
select session_create('all of them', attach => false) as every \gset
select subscribe_table('r') is not null, subscribe_column('s', 'v') is not null, subscribe_row('s2', 1) is not null;
truncate r;
select told(:'root');
select told(:'of_row');
select sorted(:'middle');
select sorted(:'leaf');
select sorted(:'every');
truncate s;
select told(:'root');
select told(:'middle');
select told(:'leaf');
select sorted(:'every');
-- A leaf that is named before its root: the root's subscribers need not load what is empty.
truncate s2, s, r;
select told(:'root');
select told(:'middle');
select told(:'leaf');
select sorted(:'every');
begin;
insert into r values (3, 'before'), (553, 'before');
truncate s2;
insert into r values (554, 'after');
commit;
select told(:'root');
select told(:'middle');
select told(:'leaf');
truncate only s2, r1;
select told(:'root');
select told(:'leaf');

-- What cannot be watched can still be attached, and what belongs to others.
create unlogged table r6 (id integer primary key, v text);
alter table r attach partition r6 for values from (600) to (700);
select told(:'root');
alter table r detach partition r6;
select told(:'root');
create role reldiff_parts;
create table r7 (id integer primary key, v text);
alter table r7 owner to reldiff_parts;
alter table r attach partition r7 for values from (700) to (800);
insert into r values (701, 'of another owner');
truncate r7;
select told(:'root');
-- All of it by a role that has no right on our schemas.
grant create on schema public to reldiff_parts;
alter table r owner to reldiff_parts;
alter table r1 owner to reldiff_parts;
alter table r4 owner to reldiff_parts;
alter table r5 owner to reldiff_parts;
alter table s owner to reldiff_parts;
alter table s2 owner to reldiff_parts;
revoke usage on schema event, meta from public;
set role reldiff_parts;
set search_path = public;
create table public.r8 partition of public.r for values from (800) to (900);
create table public.r9 (id integer primary key, v text);
alter table public.r attach partition public.r9 for values from (900) to (1000);
insert into public.r values (801, 'eight'), (901, 'nine');
truncate public.r9;
alter table public.r detach partition public.r9;
alter table public.r add column late integer default 5;
update public.r set late = 6 where id = 801;
alter table public.r rename to renamed;
insert into public.renamed values (802);
drop table public.r8;
reset role;
set search_path = public, event;
grant usage on schema event, meta to public;
select told(:'root');
-- Columns are those that the root has, in whatever place the partitions have them.
alter table renamed drop column v;
alter table renamed add column v text;
alter table renamed rename column late to later;
insert into renamed values (3, 5, 'three'), (301, 5, 'three hundred and one');
update renamed set v = 'changed', later = 6 where id = 301;
select told(:'root');
-- The root is dropped, or loses its key: so does everything below it.
select ack(cursor(), id) >= 0 from session;
alter table renamed drop constraint r_pkey;
select sorted(:'root');
select sorted(:'leaf');
select sorted(:'every');
create table q (id integer primary key) partition by range (id);
create table q1 partition of q for values from (0) to (100);
select subscribe_table('q', session_id => :'root') is not null, subscribe_table('q1', session_id => :'leaf') is not null, subscribe_row('q', 1, session_id => :'every') is not null, subscribe_row('q1', 1, session_id => :'every') is not null;
drop table q;
select sorted(:'root');
select sorted(:'leaf');
select sorted(:'every');
-- What is refused.
create table keyless (id integer) partition by range (id);
create table with_unlogged (id integer primary key) partition by range (id);
create unlogged table unlogged_part partition of with_unlogged for values from (0) to (100);
create function refusal(relation text) returns text language plpgsql as $$
begin
    perform event.subscribe_table(relation);
    return 'not refused';
exception when others then
    return sqlstate;
end
$$;
select name, refusal(name) from unnest(array['keyless', 'with_unlogged', 'unlogged_part']) name;
