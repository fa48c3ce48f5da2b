-- SELECT on every column of a table, granted one by one, is as good as SELECT on the table: for subscribing, for tracking, and for
-- being told of a partition's rows under the name of its root.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- What the session has been told since the last call.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
create role reldiff_columns;
create table root (id integer primary key, a integer, b integer) partition by range (id);
create table leaf partition of root for values from (0) to (100);
grant select (id, a, b) on root to reldiff_columns;
grant select on leaf to reldiff_columns;
set role reldiff_columns;
select session_create('reader', attach => false) is not null;
select track('root');
select subscribe_column('root', 'a') is not null, subscribe_table('leaf') is not null;
reset role;
insert into root values (1, 1, 1);
update root set a = 2, b = 2;
delete from root;
select told();
-- A column that is added later is not among them, until it is granted.
alter table root add column c integer default 0;
insert into root values (1, 1, 1);
update root set a = 2, c = 2;
select told();
set role reldiff_columns;
select subscribe_table('root');
reset role;
grant select (c) on root to reldiff_columns;
update root set a = 3, c = 3;
select told();
set role reldiff_columns;
select subscribe_table('root') is not null;
