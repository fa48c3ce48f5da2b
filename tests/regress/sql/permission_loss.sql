-- Privileges are judged at each read. The first one that can write also ends the subscriptions to what the session's owner
-- may not read any more, and records one permission_loss: the last that the session hears of the table.
\pset format unaligned
\pset tuples_only on
create role reldiff_loser;
create table t (id integer primary key, v text);
create table other (id integer primary key);
create table compound (a integer, b integer, v text, primary key (a, b));
grant select on t, other, compound to reldiff_loser;
-- Is for the owner of the session: reads as she would, and acknowledges nothing.
create function unread() returns setof text language sql as $$ select event.diff() $$;
set role reldiff_loser;
select event.session_create('ann', attach => false) as ann \gset
select event.subscribe_field('t', 1, 'v') is not null, event.subscribe_row('t', 1) is not null;
-- The one that the event will name: the first of table, column, row, field.
select event.subscribe_column('t', 'v') as first_of_t \gset
select event.subscribe_table('other') is not null, event.subscribe_row('compound', '{"a":1,"b":1}'::jsonb) is not null;
reset role;
insert into t values (1, 'unread');
insert into other values (1);

-- What can only read withholds, and ends nothing.
revoke select on t from reldiff_loser;
set role reldiff_loser;
begin read only;
select public.unread();
select count(*) from event.subscription;
commit;
select count(*) from event.subscription;
-- The first read that can write: what is told now is withheld already, and the event comes with the commit.
begin;
select public.unread();
select public.unread();
select subscription_type, relation from event.subscription order by 1;
commit;
select type, relation, subscription_type, key, column_name, value, old_value, event->>'subscription_id' = :'first_of_t' as first_one, event->>'last' as last
from event.events();
select count(*) from event.events();
-- Once, whatever happens to the table, and whoever grants what: what was unread stays so.
reset role;
update t set v = 'unheard';
truncate t;
grant select on t to reldiff_loser;
insert into t values (2, 'unheard, too');
set role reldiff_loser;
select public.unread();
select json_array_length(event.feed(:'ann')->'events'), event.session_attach(:'ann', replay => false);
unlisten *;
-- A new subscription begins anew, behind the loss.
select event.subscribe_table('t') is not null, event.subscribe_table('t') is not null;
reset role;
insert into t values (3, 'told');
set role reldiff_loser;
select public.unread();
select event.ack(event.cursor());
-- And it can be lost again: by the key alone, by a column of it, by the schema, by a role.
reset role;
insert into t values (4, 'unread');
revoke select on t from reldiff_loser;
grant select (v) on t to reldiff_loser;
set role reldiff_loser;
select public.unread();
select public.unread();
reset role;
revoke select on compound from reldiff_loser;
grant select (a, v) on compound to reldiff_loser;
set role reldiff_loser;
select count(*) from event.events();
select public.unread();
select event.ack(event.cursor());
select relation from event.subscription;
reset role;
create schema hidden;
create table hidden."A Table" (id integer primary key);
create role reldiff_losers;
grant usage on schema hidden to reldiff_losers;
grant select on hidden."A Table" to reldiff_losers;
grant reldiff_losers to reldiff_loser;
set role reldiff_loser;
select event.subscribe_table('hidden."A Table"') is not null;
reset role;
insert into hidden."A Table" values (1);
revoke usage on schema hidden from reldiff_losers;
set role reldiff_loser;
select event.diff();
select event.diff();
select event.ack(event.cursor());
reset role;
grant usage on schema hidden to reldiff_losers;
set role reldiff_loser;
select event.subscribe_table('hidden."A Table"') is not null;
reset role;
insert into hidden."A Table" values (2);
revoke reldiff_losers from reldiff_loser;
set role reldiff_loser;
select event.feed(:'ann')->'events';
select event.feed(:'ann')->'events'->0->>'type', event.feed(:'ann')->'events'->0->>'relation';
select event.ack(event.cursor());
reset role;

-- A column that may not be read any more is no loss of the table, nor is one that nobody watches.
grant select on t to reldiff_loser;
set role reldiff_loser;
select event.subscribe_table('t') is not null;
reset role;
revoke select on t from reldiff_loser;
grant select (id) on t to reldiff_loser;
insert into t values (5, 'hidden');
set role reldiff_loser;
select public.unread();
select count(*) from event.subscription where relation = 't'::regclass;
-- Row-level security withholds, and takes nothing away.
reset role;
alter table t enable row level security;
set role reldiff_loser;
select public.unread();
reset role;
alter table t disable row level security;
set role reldiff_loser;
select public.unread();
select event.ack(event.cursor());
-- Rolled back, the loss has not been.
reset role;
revoke select (id) on t from reldiff_loser;
set role reldiff_loser;
begin;
select public.unread();
select count(*) from event.subscription where relation = 't'::regclass;
rollback;
begin;
savepoint s;
select public.unread();
rollback to s;
commit;
select count(*) from event.subscription where relation = 't'::regclass;
select public.unread();
select count(*) from event.subscription where relation = 't'::regclass;
select public.unread();
-- A read that tells a loss can be prepared. It has not told it when it is rolled back.
reset role;
revoke select on other from reldiff_loser;
begin;
select count(*) from event.events(:'ann');
prepare transaction 'with a loss';
rollback prepared 'with a loss';
-- A superuser's read of the session judges as its owner's own one, with the owner's rights.
select event.session_use(:'ann') = :'ann';
select public.unread();
select public.unread();
select event.ack(event.cursor());

-- What is told under a name above that may not be read is withheld; the part that may be read is told by itself.
create table city (country text, id integer, primary key (country, id)) partition by list (country);
create table city_no partition of city for values in ('no');
grant select on city, city_no to reldiff_loser;
set role reldiff_loser;
select event.subscribe_table('city') is not null, event.subscribe_table('city_no') is not null;
reset role;
insert into city values ('no', 1);
revoke select on city from reldiff_loser;
set role reldiff_loser;
select public.unread();
reset role;
insert into city values ('no', 2);
set role reldiff_loser;
select public.unread();
select event.ack(event.cursor());
reset role;
-- Many subscriptions to rows of a few tables, and all of them are ended.
grant select on t, other to reldiff_loser;
set role reldiff_loser;
select count(event.subscribe_row('t', n)) + count(event.subscribe_row('other', n)) + count(event.subscribe_field('t', n, 'v')) from generate_series(1, 1000) n;
select event.subscribe_column('t', 'v') is not null, event.subscribe_table('other') is not null;
reset role;
-- A read does not look at all of them.
begin;
select count(*) from event.events(:'ann');
select sum(idx_tup_fetch) between 3 and 150 from pg_stat_xact_all_tables where relname in ('subscription_row', 'subscription_field');
commit;
revoke select on t, other from reldiff_loser;
set role reldiff_loser;
select public.unread();
select type, relation, subscription_type from event.events() order by relation;
select relation, count(*) from event.subscription group by 1;
-- A table that is dropped after that is nobody's business, and a deleted session leaves nothing.
reset role;
drop table t;
set role reldiff_loser;
select public.unread();
select event.session_delete(:'ann');
reset role;
select count(*) from event.permission_loss;
