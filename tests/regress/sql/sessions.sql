-- Sessions: create, attach with replay, detach, use, delete, and the views of what one has.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
-- A version 4 uuid, another one each time, which becomes the current session and is listened to at once.
select session_current() is null;
select session_create() as a \gset
select :'a' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$', session_current() = :'a', current_setting('reldiff.session') = :'a', array_agg(channel) = array[:'a'] from pg_listening_channels() channel;
select session_create('label', notify => 'nudge', format => 'compact', attach => false) as b \gset
select :'a' <> :'b', session_current() = :'b', count(*) from pg_listening_channels();
-- A name is a label and not unique.
select session_create('label', attach => false) as c \gset
select name, notify, format, owner, created_at between now() - interval '1 minute' and now(), acknowledged is null from session order by created_at;
select id = :'c' from session order by created_at desc limit 1;

-- The current session is a setting: it rolls back with its transaction, can be local, and DISCARD ALL clears it.
select session_use(:'a') = :'a', session_current() = :'a';
begin;
select session_use(:'b') = :'b', session_current() = :'b';
rollback;
select session_current() = :'a';
begin;
savepoint s;
select session_use(:'b') = :'b';
rollback to s;
select session_current() = :'a';
select session_use(:'c', is_local => true) = :'c', session_current() = :'c';
commit;
select session_current() = :'a';
set reldiff.session = :'b';
select session_current() = :'b';
discard all;
select event.session_current() is null, count(*) from pg_listening_channels();
set search_path = public, event;

-- Attach: current, listening, and what is pending is replayed as it was notified, in order.
select subscribe_table('t', session_id => :'a') is not null;
insert into t values (1, 'one');
begin;
update t set v = 'two' where id = 1;
delete from t where id = 1;
commit;
select session_attach(:'a');
select session_current() = :'a', array_agg(channel) = array[:'a'] from pg_listening_channels() channel;
-- Replay starts after what has been acknowledged; without replay nothing is sent, but counted.
select ack(cursor) from events() limit 1;
select session_detach();
select session_current() is null, count(*) from pg_listening_channels();
insert into t values (2, 'while away');
select session_attach(:'a', replay => false);
select session_detach(:'a');
select session_attach(:'a');
-- Reading and attaching did not consume; acknowledging does.
select count(*) from events();
select ack(cursor());
select session_attach(:'a');
-- An attach that is rolled back neither listens nor replays, and neither does one in a savepoint.
select session_detach();
insert into t values (3, 'pending');
begin;
select session_attach(:'a');
rollback;
select session_current() is null, count(*) from pg_listening_channels();
begin;
savepoint s;
select session_attach(:'a');
rollback to s;
commit;
select session_current() is null, count(*) from pg_listening_channels();
-- The replay of a transaction that also writes: first what was pending, then its own events, each once.
begin;
select session_attach(:'a');
insert into t values (4, 'own');
commit;
-- More than reldiff.notify_limit are replayed as one nudge, and so is what a nudge session has; off is off.
set reldiff.notify_limit = 1;
select session_attach(:'a');
reset reldiff.notify_limit;
select session_detach();
select subscribe_table('t', session_id => :'b') is not null;
select session_create(notify => 'off', attach => false) as "off" \gset
select subscribe_table('t') is not null;
insert into t values (5, 'five');
update t set v = 'FIVE' where id = 5;
select session_attach(:'b');
select session_attach(:'off');

-- Delete: the session, its subscriptions and its inbox are gone, and so is the current session.
select session_use(:'b') = :'b';
select session_delete();
select session_current() is null, (select count(*) from session where id = :'b'), (select count(*) from subscription where session_id = :'b'), (select count(*) from pg_listening_channels() channel where channel = :'b');
select session_delete(:'b');
select session_delete(gen_random_uuid());
-- Another session stays current, and the deletion rolls back like everything else.
select session_use(:'a') = :'a';
begin;
select session_delete(:'a');
select session_current() is null, count(*) from session where id = :'a';
insert into t values (6, 'deleted and rolled back');
rollback;
select session_current() = :'a', count(*) from session where id = :'a';
insert into t values (7, 'still there');
select value->>'v' from events() offset 4;
select session_delete(:'off');
select session_current() = :'a';
select unsubscribe_all(), session_delete();
-- Nobody is left who would be told: the writer's commit is as always.
insert into t values (8, 'for nobody');
select count(*) from session;

-- event.tracked: tables with triggers, whether all of them fire always, and how many subscriptions they have.
create table "Quoted" (id integer primary key);
create table waiting (id integer primary key);
select subscribe_table('"Quoted"', session_id => :'c') is not null, subscribe_row('"Quoted"', 1, session_id => :'c') is not null;
select track('waiting'::regclass), track('waiting');
select relation, triggers, enabled, subscriptions from tracked order by relation::text collate "C";
alter table waiting disable trigger reldiff_row;
select enabled from tracked where relation = 'waiting'::regclass;
