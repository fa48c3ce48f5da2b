-- A database whose encoding is not UTF-8: names, keys and values of it in every place.
\pset format unaligned
\pset tuples_only on
select current_database() as original \gset
select current_database() || '_latin1' as latin1 \gset
create database :"latin1" template template0 encoding 'LATIN1' locale 'C';
\c :"latin1"
set client_encoding = 'UTF8';
create extension pg_reldiff;
set search_path = public, event;
create table "tÄble" ("kéy" text primary key, "wörd" text);
select session_create('sessiön', attach => false) is not null;
select name from session;
select subscribe_table('"tÄble"') as id \gset
select subscribe_table('"tÄble"'::regclass) = :'id', subscribe_table(meta.relation_id('public', 'tÄble')) = :'id';
select session_create('keyed', attach => false) as keyed \gset
select subscribe_row('"tÄble"', 'ü') as id \gset
select subscribe_row('"tÄble"', '{"kéy": "ü"}'::jsonb) = :'id', subscribe_row(meta.row_id('public', 'tÄble', 'kéy', 'ü')) = :'id', subscribe_row('"tÄble"', array['ü']) = :'id';
select subscribe_field('"tÄble"', 'ü', 'wörd') is not null, subscribe_column('"tÄble"', 'wörd') is not null;
select subscription_type, relation, column_name, key from subscription where session_id = :'keyed' order by subscription_type;
insert into "tÄble" values ('ü', 'é'), ('u', 'e');
update "tÄble" set "wörd" = 'ñ' where "kéy" = 'ü';
delete from "tÄble";
select type, relation, key, column_name, value, subscription_type from events(:'keyed');
select diff(:'keyed') limit 1;
select subscribe_column('"tÄble"', 'nö');
select subscribe_table('"nö"');
\c :"original"
drop database :"latin1";
