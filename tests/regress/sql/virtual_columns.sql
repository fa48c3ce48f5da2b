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
-- A column and a field that are virtual are refused (an older server is not asked).
create function refusal(command text) returns text language plpgsql as $$
begin
    execute command;
    return 'not refused';
exception when others then
    return sqlstate;
end
$$;
select case when :'has_virtual' then refusal($$ select subscribe_column('price', 'twice') $$) else '0A000' end;
select case when :'has_virtual' then refusal($$ select subscribe_field('price', 1, 'label') $$) else '0A000' end;
select subscription_type, column_name from subscription order by subscription_type collate "C";
