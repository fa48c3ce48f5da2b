-- What comes into a tracked table without any failure, although its changes cannot be told, is found by whoever subscribes next:
-- refused as it would have been at first, until it is gone.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create function refusal(relation text) returns text language plpgsql as $$
begin
    perform event.subscribe_table(relation);
    return 'not refused';
exception when others then
    return sqlstate || ': ' || sqlerrm;
end
$$;
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
-- Each of these has a subscriber.
create table parent (id integer primary key, v text);
create table child (primary key (id)) inherits (parent);
create table root (id integer primary key, v text) partition by range (id);
create table leaf partition of root for values from (0) to (100);
select session_create('first', attach => false) as first \gset
select subscribe_table('parent') is not null, subscribe_table('root') is not null;
-- Another one, for whom it is all the same.
select session_create('second', attach => false) as second \gset
-- An unlogged child.
create unlogged table unlogged_child (primary key (id)) inherits (parent);
select refusal('parent');
drop table unlogged_child;
select refusal('parent');
select unsubscribe_all();
-- Below a child.
create unlogged table unlogged_grandchild (primary key (id)) inherits (child);
select refusal('parent');
drop table unlogged_grandchild;
-- One that was logged when it was covered.
alter table child set unlogged;
select refusal('parent');
alter table child set logged;
select refusal('parent');
select unsubscribe_all();
-- A foreign child.
create foreign table foreign_child () inherits (parent) server nowhere;
select refusal('parent');
drop foreign table foreign_child;
-- Without the parent's key the subscriptions have ended, and whoever comes next is told why.
create table keyless_child () inherits (parent);
select refusal('parent');
drop table keyless_child;
select refusal('parent');
select unsubscribe_all();
-- A partition that is created, and one that is attached.
create unlogged table unlogged_leaf partition of root for values from (100) to (200);
select refusal('root');
drop table unlogged_leaf;
create unlogged table unlogged_joins (id integer primary key, v text);
alter table root attach partition unlogged_joins for values from (200) to (300);
select refusal('root');
alter table root detach partition unlogged_joins;
select refusal('root');
-- Of what can be told nothing was lost: who was there first has heard of the partition that was there, and still does.
insert into root values (1, 'one');
select line from diff(:'first') line where line like '+%';
