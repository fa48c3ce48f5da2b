-- What changes no row is not told: statements that only look like writing, those that were undone, and commands that
-- write the table anew. After each group one real change shows that the table is still watched.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text, n numeric default 0, j json default '{}');
insert into t select id, 'row ' || id from generate_series(1, 5) id;
create table other (id integer primary key, v text);
select session_create('silent', attach => false) is not null, subscribe_table('t') is not null, subscribe_row('t', 1) is not null, subscribe_field('t', 1, 'v') is not null, subscribe_column('t', 'v') is not null;
select (select count(*) from event.log) + (select count(*) from event.transaction) as rows_of_the_log \gset
-- What the session has been told since the last call.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;

-- Updates that leave every value as it is, in any way.
update t set v = v;
update t set v = v, n = n, j = j, id = id;
update t set v = v || '', n = n + 0, id = id + 0;
update t set v = (select v from t same where same.id = t.id);
update t set v = t.v from t twin where twin.id = t.id;
update t set n = n * 1, v = left(v, 10);
insert into t select * from t on conflict (id) do update set v = excluded.v, n = excluded.n;
merge into t using t source on t.id = source.id when matched then update set v = source.v;
-- Nothing is found, or nothing is done with what is found.
update t set v = 'nobody' where id > 100;
update t set v = 'nobody' where false;
delete from t where v is null;
delete from t using other where other.id = t.id;
insert into t select * from t where false;
insert into t select * from t on conflict do nothing;
insert into t values (1, 'refused') on conflict (id) do update set v = excluded.v where false;
merge into t using t source on t.id = source.id when matched then do nothing;
copy t from stdin;
\.
update t set v = 'no change' where id = 1;
select told();
-- Rows are locked, and read in every way.
begin;
select count(*) from (select from t for update) locked;
select count(*) from (select from t for no key update) locked;
select count(*) from (select from t for share) locked;
select count(*) from (select from t for key share) locked;
lock table t in share row exclusive mode;
declare c cursor for select id from t order by id for update;
fetch 1 from c;
commit;
copy (select id from t where id < 3 order by id) to stdout;
prepare never as delete from t;
explain (costs off) execute never;
update t set v = 'locked and read' where id = 1;
select told();
-- What was undone.
begin;
update t set v = 'undone';
delete from t where id = 2;
insert into t values (6, 'undone');
rollback;
begin;
savepoint s;
update t set v = 'undone';
rollback to s;
commit;
\set VERBOSITY terse
insert into t values (7, 'the second of them fails'), (1, 'duplicate');
update t set v = 'undone', n = 1 / (id - 3);
begin;
update t set v = 'undone by a later error';
select 1 / 0;
commit;
do $$
begin
    update t set v = 'undone';
    raise exception 'no';
exception when others then
    null;
end
$$;
\set VERBOSITY verbose
update t set v = 'undone' where id = 1;
select told();

-- The table is read for another one.
create table made_of as select * from t;
select * into selected from t;
create table alike (like t including all);
insert into alike select * from t;
create materialized view seen as select id, v from t;
create unique index on seen (id);
refresh materialized view seen;
refresh materialized view concurrently seen;
create view view_of as select * from t;
truncate alike;
drop table made_of, selected;
drop materialized view seen;
drop view view_of;
update t set v = 'read by DDL' where id = 1;
select told();
-- The table is written anew, or checked, or described: its rows are the same ones.
alter table t add column filled uuid default gen_random_uuid();
alter table t add column stamped timestamptz not null default clock_timestamp();
alter table t add column constant integer default 7;
alter table t add column length integer generated always as (constant * 2) stored;
update t set v = 'columns added' where id = 1;
select told();
alter table t alter column n type text using n || ' changed';
alter table t alter column v type varchar(100);
alter table t alter column id type bigint;
update t set v = 'types changed' where id = 1;
select told();
alter table t drop column filled, drop column stamped;
alter table t rename column constant to renamed;
alter table t alter column renamed set default 8, alter column renamed set statistics 10, alter column j set storage external;
alter table t add constraint positive check (id > 0), alter column j set not null, set (fillfactor = 50);
update t set v = 'altered' where id = 1;
select told();
vacuum full t;
vacuum (freeze, analyze) t;
analyze t;
cluster t using t_pkey;
reindex table t;
reindex table concurrently t;
create index concurrently on t (v);
create statistics of_t on v, n from t;
comment on table t is 'a comment';
grant select on t to public;
checkpoint;
update t set v = 'maintained' where id = 1;
select told();
-- The log has grown by the eight real changes only, each of which is a row of its own.
select (select count(*) from event.log) + (select count(*) from event.transaction) - :rows_of_the_log;
