-- A session that subscribed to a partitioned table and to one of its partitions hears of a row under the upper name only as long
-- as it may be told everything there. Where its owner may not read all of the root, the partition's subscription is told under
-- the partition's own name; and when the partition leaves the root, both have to be loaded anew.
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
create function sorted(session uuid) returns setof text language sql as $$ select line from public.told(session) line order by line collate "C" $$;
create role reldiff_reader;
create table root (id integer primary key, a integer, b integer) partition by range (id);
create table leaf partition of root for values from (0) to (100);
create table other_leaf partition of root for values from (100) to (200);
grant select on root, leaf to reldiff_reader;
insert into root values (1, 1, 1), (101, 1, 1);
-- A row of the root, which happens to be in the partition, and the partition.
select session_create('row and leaf', owner => 'reldiff_reader', attach => false) as row_and_leaf \gset
select subscribe_row('root', 1) is not null, subscribe_table('leaf') is not null;
update root set a = 2;
insert into root values (2, 2, 2);
update root set b = 3 where id = 2;
delete from root where id = 2;
select told();
-- Without SELECT on the root nothing is told under its name, and nothing of the partition is lost.
revoke select on root from reldiff_reader;
insert into root values (2, 2, 2);
update root set a = 3;
update root set id = 3 where id = 2;
delete from root where id in (1, 3);
insert into root values (1, 1, 1), (102, 1, 1);
-- A read that could write would end the subscription to the root.
begin read only;
select diff();
commit;
select ack(cursor());
-- With the privilege it is told under the root's name again, where that matches.
grant select on root to reldiff_reader;
update root set a = 4;
insert into root values (2, 4, 4);
select told();

-- Some columns of the root, and all of the partition: each under its own name, since the root's would hide a column.
revoke select on root from reldiff_reader;
grant select (id, a) on root to reldiff_reader;
select session_create('column and leaf', owner => 'reldiff_reader', attach => false) as column_and_leaf \gset
select subscribe_column('root', 'a') is not null, subscribe_table('leaf') is not null;
update root set a = 6, b = 6 where id = 1;
update root set b = 7 where id = 1;
update root set a = 6 where id = 101;
insert into root values (4, 6, 6);
delete from root where id = 4;
select told();
-- With all of the root everything is told there, once.
grant select on root to reldiff_reader;
update root set a = 8, b = 8 where id = 1;
insert into root values (4, 8, 8);
delete from root where id = 4;
select told();
-- The same with an inheritance parent.
create table parent (id integer primary key, a integer, b integer);
create table child (primary key (id)) inherits (parent);
grant select (id, a) on parent to reldiff_reader;
grant select on child to reldiff_reader;
select ack(cursor(), :'row_and_leaf') >= 0, subscribe_column('parent', 'a') is not null, subscribe_table('child') is not null;
insert into child values (1, 1, 1);
update parent set a = 2, b = 2;
delete from parent;
select told();

-- The partition is detached. Who subscribed to both was told of its rows under the root's name, which says nothing of them any
-- more: it loads both anew. Who subscribed to the partition only has missed nothing.
select session_create('leaf only', attach => false) as leaf_only \gset
select subscribe_table('leaf') is not null;
select session_create('root only', attach => false) as root_only \gset
select subscribe_column('root', 'a') is not null;
select session_create('both, and another leaf', attach => false) as both \gset
select subscribe_table('other_leaf') is not null, subscribe_field('leaf', 1, 'a') is not null, subscribe_table('root') is not null;
alter table root detach partition leaf;
insert into leaf values (5, 5, 5);
select sorted(:'row_and_leaf');
select sorted(:'both');
select told(:'root_only');
select told(:'leaf_only');
-- It comes back: what it brings is new to the root's subscribers only.
alter table root attach partition leaf for values from (0) to (100);
select told(:'row_and_leaf');
select told(:'both');
select told(:'root_only');
select told(:'leaf_only');
-- Undone, and concurrently.
begin;
alter table root detach partition leaf;
rollback;
alter table root detach partition leaf concurrently;
select sorted(:'row_and_leaf');
select sorted(:'both');
select told(:'root_only');
select told(:'leaf_only');
-- A child leaves its parent.
select ack(cursor(), :'column_and_leaf') >= 0;
grant select on parent to reldiff_reader;
insert into child values (2, 2, 2);
select told(:'column_and_leaf');
alter table child no inherit parent;
select sorted(:'column_and_leaf');
update child set a = 3;
select told(:'column_and_leaf');
-- A partition that is dropped is gone: only the root is there to be loaded.
drop table other_leaf;
select sorted(:'both');
select told(:'root_only');
