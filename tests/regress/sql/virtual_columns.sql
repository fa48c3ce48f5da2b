-- Virtual generated columns, which PostgreSQL has since version 18, have no stored value: they are in no event and nobody can
-- subscribe to one. On an older server the table stands without them, and everything else is the same.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
select current_setting('server_version_num')::integer >= 180000 as has_virtual \gset
\if :has_virtual
create table price (id integer primary key, twice integer generated always as (net * 2) virtual, net integer, label text generated always as (net || ' EUR') virtual);
\else
create table price (id integer primary key, net integer);
\endif
select session_create('virtual', attach => false) as s \gset
select subscribe_table('price') is not null, subscribe_column('price', 'net') is not null, subscribe_row('price', 1) is not null, subscribe_field('price', 1, 'net') is not null;
insert into price (id, net) values (1, 10), (2, 20);
update price set net = 11 where id = 1;
update price set net = 11 where id = 1;
delete from price where id = 2;
select diff();
-- A column and a field that are virtual are refused.
\if :has_virtual
do $$
begin
    perform subscribe_column('price', 'twice');
exception when feature_not_supported then
    raise notice 'a virtual column is refused';
end
$$;
do $$
begin
    perform subscribe_field('price', 1, 'label');
exception when feature_not_supported then
    raise notice 'a field of a virtual column is refused';
end
$$;
\else
do $$
begin
    raise notice 'a virtual column is refused';
    raise notice 'a field of a virtual column is refused';
end
$$;
\endif
select subscription_type, column_name from subscription order by subscription_type collate "C";
