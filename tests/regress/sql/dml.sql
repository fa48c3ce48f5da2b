-- Every statement that changes rows yields their events, whatever its form; and nothing else does.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table item (id integer primary key, v text, n integer default 0);
create table source (id integer, v text);
insert into source values (11, 'eleven'), (12, 'twelve'), (13, 'thirteen');
select session_create('dml', attach => false) is not null, subscribe_table('item') is not null;
-- What the session has been told since the last call.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
-- INSERT of several rows, of a query's rows, of defaults only.
insert into item values (1, 'one', 0), (2, 'two', 2), (3, null, null);
insert into item (id, v) select id, v from source order by id;
create sequence item_id start 50;
alter table item alter column id set default nextval('item_id');
insert into item default values;
select told();
-- UPDATE of several columns, by a subquery, from a join that meets a row twice (it is changed once).
update item set v = 'uno', n = 1 where id = 1;
update item set (v, n) = (select upper(source.v), source.id from source where source.id = item.id) where id = 11;
update item set v = doubled.v from (values (2, 'dos'), (2, 'dos')) doubled(id, v) where doubled.id = item.id;
-- DELETE, with a join, too.
delete from item where id = 50;
delete from item using source where source.id = item.id and source.v like 't%';
select told();
-- At the place of a cursor.
begin;
declare place cursor for select * from item order by id for update;
move 1 in place;
fetch 1 from place;
update item set n = n + 1 where current of place;
fetch 1 from place;
delete from item where current of place;
commit;
select told();
-- Upserts: the row that is there is updated, the other inserted; the one that the condition excludes, and the one that
-- gets what it has, is neither; DO NOTHING inserts what is not there.
insert into item values (1, 'one again', 1), (4, 'four', 4) on conflict (id) do update set v = excluded.v;
insert into item values (1, 'never', 1), (5, 'five', 5) on conflict (id) do update set v = excluded.v where excluded.v <> 'never';
insert into item values (5, 'five', 55) on conflict (id) do update set v = excluded.v;
insert into item values (5, 'ignored', 5), (6, 'six', 6) on conflict do nothing;
insert into item values (6, 'the first', 6) on conflict (id) do update set v = excluded.v, n = item.n + excluded.n;
select told();

-- MERGE: each of its actions, and what none of them touches. Rows of the target that no row of the source meets can be
-- named since PostgreSQL 17: an older one does the same in two commands.
select current_setting('server_version_num')::integer >= 170000 as not_matched_by_source \gset
create table delta (id integer, v text);
insert into delta values (1, 'updated'), (4, 'delete'), (5, 'nothing'), (7, 'inserted'), (8, 'nothing');
begin;
\if :not_matched_by_source
merge into item using delta on item.id = delta.id
    when matched and delta.v = 'nothing' then do nothing
    when matched and delta.v = 'delete' then delete
    when matched then update set v = delta.v, n = 70
    when not matched and delta.v = 'nothing' then do nothing
    when not matched then insert (id, v) values (delta.id, delta.v);
merge into item using delta on item.id = delta.id
    when not matched by source and item.n > 11 then delete
    when not matched by source and item.n = 11 then update set v = 'not in the source'
    when not matched by source then do nothing;
\else
merge into item using delta on item.id = delta.id
    when matched and delta.v = 'nothing' then do nothing
    when matched and delta.v = 'delete' then delete
    when matched then update set v = delta.v, n = 70
    when not matched and delta.v = 'nothing' then do nothing
    when not matched then insert (id, v) values (delta.id, delta.v);
delete from item where n > 11 and not exists (select from delta where delta.id = item.id);
update item set v = 'not in the source' where n = 11 and not exists (select from delta where delta.id = item.id);
\endif
commit;
select told();

-- COPY: some columns, and some rows.
copy item (id, v) from stdin;
20	from a file
21	\N
\.
copy item from stdin (format csv) where n > 0;
22,"a ""quoted"" one",1
23,left out,0
\.
select told();

-- Data-modifying WITH: all its parts are one command, whose deletes come first.
with added as (insert into item values (30, 'added') returning id),
     changed as (update item set v = 'changed' where id = 20 returning id),
     gone as (delete from item where id = 21 returning id)
select id from added union all select id from changed union all select id from gone;
select told();
-- A row that is taken out and put back under its key is another row; so is one under another key.
with gone as (delete from item where id in (20, 22) returning *)
insert into item select id, v || ', back', n from gone where id = 20 union all select id + 100, v, n from gone where id = 22;
select told();
-- Parts that nobody reads are carried out, too.
with added as (insert into item values (31, 'unread')), gone as (delete from item where id = 30) select 'the main part' from source where id = 11;
select told();
-- Rows of one table moved to another one.
create table archive (like item including indexes);
select subscribe_table('archive') is not null;
with gone as (delete from item where id >= 100 returning *) insert into archive select * from gone;
select told();

-- What carries out other statements: EXECUTE, DO, EXPLAIN ANALYZE, and a transaction of several of them.
prepare add_row(integer, text) as insert into item values ($1, $2) on conflict (id) do update set v = excluded.v;
execute add_row(40, 'prepared');
execute add_row(40, 'prepared again');
deallocate add_row;
do $$
begin
    execute 'update item set n = $1 where id = 40' using 4;
    execute 'explain (analyze) delete from item where id = 40';
end
$$;
begin \; insert into item values (41, 'in one message') \; update item set n = 41 where id = 41 \; commit;
select told();
-- With prepared plans of either kind, and after the plan has been made anew.
set plan_cache_mode = force_generic_plan;
prepare change(integer) as update item set n = $1 where id = 41;
execute change(1);
alter table item add column late boolean default false;
execute change(2);
set plan_cache_mode = force_custom_plan;
execute change(3);
reset plan_cache_mode;
select told();
-- Nothing was left out: what has been told is what is there.
select id, v, n from item order by id;
