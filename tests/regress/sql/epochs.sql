-- A copy of the database made from a template is a new epoch: what it inherited can be read and acknowledged, what
-- happens in the copy comes after it, and neither of the two takes the other's newer cursors.
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key);
select event.session_create(attach => false) as session \gset
select event.subscribe_table('t') is not null;
insert into t values (1);
insert into t values (2);
select event.ack(cursor) from (select cursor from event.events() limit 1) e;
select cursor as inherited from event.events() \gset
select current_database() as original \gset
select current_database() || '_copy' as copy \gset
\c template1
create database :"copy" template :"original";
\c :"copy"
select key, cursor = :'inherited' from event.events(:'session');
insert into t values (3);
select key from event.events(:'session');
select key, cursor > :'inherited' collate "C" from event.events(:'session', after => :'inherited');
select cursor as of_the_copy from event.events(:'session', after => :'inherited') \gset
select event.ack(:'inherited', :'session'), event.ack(event.cursor(), :'session');
insert into t values (4);
select key from event.events(:'session');
-- The original goes on in its own epoch.
\c :"original"
select key from event.events(:'session');
insert into t values (5);
select key from event.events(:'session');
select cursor as of_the_original from event.events(:'session') offset 1 \gset
select event.ack(:'of_the_copy', :'session');
\c :"copy"
select * from event.events(:'session', after => :'of_the_original');
\c :"original"
drop database :"copy";
-- Where the first thing that a database ever tells is written to its log early, by a savepoint that is rolled back, the epoch
-- begins with what is committed.
create database :"copy";
\c :"copy"
set client_min_messages = warning;
create extension pg_reldiff;
create table t (id integer primary key);
select event.session_create(attach => false) as session \gset
select event.subscribe_table('t', session_id => :'session') is not null;
select count(*) from event.epoch;
set reldiff.outbox_memory = '64kB';
begin;
savepoint s;
insert into t select generate_series(1, 2000);
rollback to s;
insert into t values (2001);
commit;
select count(*) from event.epoch;
select key from event.events(:'session');
insert into t values (2002);
select cursor as first_of_all from event.events(:'session') limit 1 \gset
-- So it is to other connections.
\c :"copy"
insert into t values (2003);
select count(*) from event.epoch;
select key, cursor > :'first_of_all' collate "C" from event.events(:'session');
-- Also where it was the whole transaction that was rolled back.
\c :"original"
drop database :"copy";
create database :"copy";
\c :"copy"
set client_min_messages = warning;
create extension pg_reldiff;
create table t (id integer primary key);
select event.session_create(attach => false) as session \gset
select event.subscribe_table('t', session_id => :'session') is not null;
set reldiff.outbox_memory = '64kB';
begin;
insert into t select generate_series(1, 2000);
rollback;
insert into t values (2001);
select count(*) from event.epoch;
select key from event.events(:'session');
\c :"original"
drop database :"copy";
