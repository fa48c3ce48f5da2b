-- The options of sessions: session_alter, shared channels, how long a session is kept, events_of.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
create function show(command text) returns text language plpgsql as $$
begin
    execute command;
    return 'no error';
exception when others then
    return sqlstate || ': ' || sqlerrm;
end
$$;
-- What a session is, without what differs from run to run; `kept` is for how long from now on, to the nearest hour.
create view options as
    select name, notify, format, case channel when id::text then 'its own' else channel end as channel, ttl,
           case expires_at when 'infinity' then 'for ever' else justify_hours(date_trunc('hour', expires_at - now() + '30 minutes'))::text end as kept
    from event.session;

-- session_alter: NULL leaves an option as it is; everything else of the session stays.
select session_create('first', attach => false) as a \gset
select subscribe_table('t') is not null;
insert into t values (0, 'acknowledged');
select ack(cursor) from events();
select id, created_at, acknowledged, (select array_agg(s.id) from subscription s where s.session_id = session.id) as subscriptions from session where id = :'a' \gset before_
select * from options;
select session_alter(:'a');
select * from options;
select session_alter(:'a', name => 'second');
select session_alter(:'a', notify => 'nudge');
select session_alter(:'a', format => 'compact');
select session_alter(:'a', channel => 'news');
select session_alter(:'a', ttl => '2 hours');
select * from options;
select session_alter(:'a', 'third', 'off', 'full', 'other news', '3 hours');
select * from options;
-- An empty channel is the session's own one, a ttl of 0 the setting reldiff.session_ttl, an empty name an empty name.
select session_alter(:'a', name => '', channel => '', ttl => '0');
select * from options;
select id = :'before_id', created_at = :'before_created_at', acknowledged = :'before_acknowledged', (select array_agg(s.id) from subscription s where s.session_id = session.id) = :'before_subscriptions' from session;
-- One row of its own only, however often it is altered.
select count(*) from event.session_definition where id = :'a';
select count(*) from event.session_expiry where session_id = :'a';

-- Transactions that commit later follow it, of this connection too.
listen news;
select session_attach(:'a');
insert into t values (1, 'off: not notified');
select session_alter(:'a', notify => 'payload');
insert into t values (2, 'full, own channel');
select session_alter(:'a', format => 'compact');
insert into t values (3, 'compact');
select session_alter(:'a', channel => 'news');
insert into t values (4, 'shared channel');
select session_alter(:'a', notify => 'nudge');
insert into t values (5, 'nudge');
select session_alter(:'a', notify => 'payload', format => 'compact', channel => '');
insert into t values (6, 'compact, own channel');
-- The options at the commit count, not those at the change.
begin;
insert into t values (7, 'altered after the change');
select session_alter(:'a', channel => 'news');
commit;
-- A rollback takes it back, of a savepoint or of the transaction.
begin;
savepoint s;
select session_alter(:'a', name => 'undone', notify => 'nudge', channel => 'undone', ttl => '1 minute');
select * from options;
rollback to s;
select * from options;
insert into t values (8, 'savepoint rolled back');
commit;
begin;
select session_alter(:'a', channel => '', ttl => '1 minute');
rollback;
select * from options;
insert into t values (9, 'transaction rolled back');
-- The inbox is the same whatever the options were.
select value->>'v' from events();

-- The channel in the events is the notification's matter only: the inbox does not name sessions.
select event::jsonb ? 'sessions' from events() limit 1;

-- Detaching and deleting leave a shared channel listened to, since other sessions may be on it; not a session's own one.
unlisten *;
select session_create('b', channel => 'news') as b \gset
select session_create('c', channel => 'news') as c \gset
select session_create('d') as d \gset
select array_agg(replace(channel, :'d', 'd') order by channel = 'news') from pg_listening_channels() channel;
select session_detach(:'b');
select session_delete(:'c');
select session_detach(:'d');
select array_agg(channel) from pg_listening_channels() channel;
-- Also the own channel of a session that has another one by now.
select session_attach(:'d');
select session_alter(:'d', channel => 'news');
select session_detach(:'d');
select array_agg(channel) from pg_listening_channels() channel;
unlisten *;
select session_delete(:'b'), session_delete(:'d');

-- What is refused, and by whom. (errors.sql has the bad values.)
select show($$ select session_alter(null, name => 'x') $$);
select show(format('select session_alter(%L)', gen_random_uuid())) ~ '^42704';
begin read only;
select show(format('select session_alter(%L)', :'a'));
rollback;
create role reldiff_options;
create role reldiff_others;
set role reldiff_options;
select session_create('mine', attach => false) as mine \gset
set role reldiff_others;
select distinct replace(show(format(command, session)), session::text, '…') from (values (:'mine'::uuid), (gen_random_uuid())) s(session),
    unnest(array['select session_alter(%L, notify => ''off'')', 'select events_of(array[%L]::uuid[])']) command;
-- Not one row of a foreign session, also beside an own one.
select session_create('theirs', attach => false) as theirs \gset
select replace(show(format('select events_of(array[%L, %L]::uuid[])', :'theirs', :'mine')), :'mine', '…');
reset role;
select name, notify from session where id = :'mine';
select session_delete(:'mine'), session_delete(:'theirs');
drop role reldiff_options, reldiff_others;

-- How long a session is kept: its ttl, or reldiff.session_ttl; 0 is for ever.
select session_use(:'a') = :'a';
select session_alter(:'a', name => 'a', channel => '', ttl => '0');
select * from options;
set reldiff.session_ttl = '2d';
select session_alter(:'a', name => 'setting: not before its next use');
select * from options;
select session_alter(:'a', name => 'a', ttl => '0');
select * from options;
set reldiff.session_ttl = 0;
select session_alter(:'a', ttl => '0');
select * from options;
select session_alter(:'a', ttl => '1 month 1 day 1 hour');
select * from options;
select session_alter(:'a', ttl => '300000 years');
select * from options;
reset reldiff.session_ttl;
select session_alter(:'a', ttl => '0');

-- It counts from the last acknowledgement, attachment or session_use(). Make each begin with a session that nobody has used for
-- five days; moved(): whether it is kept longer than that by now.
create procedure five_days_pass() language sql as $$ update event.session_expiry set expires_at = expires_at - interval '5 days' $$;
create function moved() returns boolean language sql as $$ select expires_at > now() + interval '6 days' from event.session where name = 'a' $$;
call five_days_pass();
select moved();
select session_use(:'a') = :'a', moved();
call five_days_pass();
select session_use(:'a', is_local => true) = :'a', moved();
call five_days_pass();
select session_attach(:'a', replay => false) = 9, moved();
call five_days_pass();
select ack(cursor) = 8, moved() from events() limit 1;
call five_days_pass();
select ack(:'before_acknowledged') = 8, moved();
-- Reading writes nothing, nor does what the session is told.
call five_days_pass();
select count(*) from events();
select count(*) from events_of(array[:'a']::uuid[]);
select count(*) from diff();
select feed(:'a') is not null;
select session_current() = :'a', session_detach(:'a') is not null, cursor() is not null;
insert into t values (10, 'told');
select moved();
-- Other options of session_alter are no use; a new ttl counts from now on, a shorter one too.
select session_alter(:'a', name => 'a', notify => 'off');
select moved();
select session_alter(:'a', ttl => '1 day');
select kept from options;
select session_alter(:'a', ttl => '0');
select moved();
-- In a transaction that cannot write, sessions are used unnoticed.
call five_days_pass();
begin read only;
select session_use(:'a') = :'a', moved();
select session_attach(:'a', replay => false), moved();
commit;
select moved();
-- Taken back with its transaction or savepoint.
begin;
select session_use(:'a') = :'a', moved();
rollback;
select moved();
select session_use(:'a') = :'a', moved();
select count(*) from event.session_expiry where session_id = :'a';

-- A session whose time is over is taken away by the next session_create, with its subscriptions; one that was used is not.
select session_create('over', attach => false) as over \gset
select subscribe_table('t') is not null, subscribe_row('t', 1) is not null;
select session_create('used', attach => false) as used \gset
select subscribe_table('t') is not null;
update event.session_expiry set expires_at = now() - interval '1 second' where session_id in (:'over', :'used');
select session_use(:'used') = :'used';
-- Until then it is there, and hears.
insert into t values (11, 'still there');
select count(*) from events(:'over');
select session_create('new', attach => false) as new \gset
select name from session order by created_at;
select count(*) from subscription where session_id = :'over';
select count(*) from event.session_expiry where session_id = :'over';
select count(*) from event.session_position where session_id = :'over';
select replace(show(format('select events(%L)', :'over')), :'over', '…');
select replace(show(format('select ack(cursor(), %L)', :'over')), :'over', '…');
select session_delete(:'over');
-- Its events went with it, the others' stay, and writers go on.
insert into t values (12, 'later');
select value->>'v' from events(:'used');
-- Whoever may not see a session takes it away all the same, and a rollback brings it back.
create role reldiff_options;
select session_create('of a role', ttl => '1 microsecond', owner => 'reldiff_options', attach => false) as of_role \gset
begin;
select session_create('undone', attach => false) is not null;
select count(*) from session where id = :'of_role';
rollback;
select name from session where id = :'of_role';
select session_create('another', attach => false) is not null;
select count(*) from session where id = :'of_role';
drop role reldiff_options;
-- reldiff.session_ttl = 0: for ever, unless the session has a ttl of its own.
set reldiff.session_ttl = 0;
select session_create('for ever', attach => false) is not null;
select session_create('not for ever', ttl => '1 microsecond', attach => false) is not null;
select session_create('for ever, too', attach => false) as for_ever \gset
select name, kept from options where name like '%for ever%' order by name;
select session_use(:'for_ever') = :'for_ever', (select kept from options where name = 'for ever, too');
reset reldiff.session_ttl;
-- At most 20 at a time, those first whose time was over first.
select session_delete(id) from session where id <> :'a';
select count(session_create('n' || n, attach => false)) from generate_series(1, 25) n;
update event.session_expiry e set expires_at = now() - interval '1 day' + substr(name, 2)::integer * interval '1 second' from session s where s.id = e.session_id and name like 'n%';
select session_create('one', attach => false) is not null;
select string_agg(name, ' ' order by created_at) from session where id <> :'a';
select session_create('two', attach => false) is not null;
select string_agg(name, ' ' order by created_at) from session where id <> :'a';

-- events_of: the events of several sessions in the order of their cursors, a row for each session that has the event.
truncate t;
select session_delete(id) from session;
select session_create('x', format => 'compact', channel => 'news', attach => false) as x \gset
select subscribe_table('t') is not null;
select session_create('y', channel => 'news', attach => false) as y \gset
select subscribe_row('t', 1) is not null, subscribe_row('t', 3) is not null;
select session_create('z', channel => 'news', attach => false) as z \gset
select subscribe_column('t', 'v') is not null;
insert into t values (1, 'a'), (2, 'b');
begin;
update t set v = 'c' where id = 1;
update t set v = 'd' where id = 2;
commit;
delete from t where id = 1;
create view everything as select name, (change).cursor, (change).type, (change).key, (change).value
    from events_of(array[:'x', :'y', :'z']::uuid[]) join session on session.id = session_id;
-- Rows of one event in the order of the uuids, which differs from run to run.
select string_agg(name, ' ' order by name), type, key::text, min(value::text) from everything group by cursor, type, key::text order by cursor;
select array_agg(cursor order by n) = array_agg(cursor order by cursor) from (select *, row_number() over () n from events_of(array[:'z', :'x', :'y']::uuid[]) e, lateral (select (e.change).cursor) c) ordered;
-- Each row is what events() gives for the session, in its format.
select s.name, array_agg(e.change::text order by (e.change).cursor) = (select array_agg(c::text order by cursor) from events(s.id) c) from events_of(array[:'x', :'y', :'z']::uuid[]) e join session s on s.id = e.session_id group by s.name, s.id order by s.name;
-- A page ends behind a whole event: at least max_events rows, and none of an event's is left to the next page.
select max_events, count(*), count(distinct (change).cursor) from generate_series(1, 11) max_events, lateral events_of(array[:'x', :'y', :'z']::uuid[], null, max_events) group by max_events order by max_events;
create function paged(size integer) returns table (session_id uuid, cursor text) language plpgsql as $$
declare
    last text;
begin
    loop
        return query select e.session_id, (e.change).cursor from events_of((select array_agg(id) from session), last, size) e;
        exit when not found;
        last := (select max((e.change).cursor) from events_of((select array_agg(id) from session), last, size) e);
    end loop;
end
$$;
select size, count(*), count(distinct (session_id, cursor)) from unnest(array[1, 2, 3, 4, 100]) size, paged(size) group by size order by size;
-- A session that is named twice is read once; nobody's events are none.
select count(*) from events_of(array[:'y', :'y', :'y']::uuid[]);
select count(*) from events_of('{}');
select count(*) from events_of(array[[:'x'], [:'y']]::uuid[]);
-- After a cursor: the same one for all. Without it: what each has acknowledged.
select cursor from events(:'x') offset 3 limit 1 \gset
select string_agg(name || ' ' || (change).type, ', ' order by name) from events_of(array[:'x', :'y', :'z']::uuid[], :'cursor') join session on session.id = session_id;
select ack(:'cursor', :'x'), ack(cursor(), :'y');
select name, count(*) from events_of(array[:'x', :'y', :'z']::uuid[]) join session on session.id = session_id group by name order by name;
select name, count(*) from events_of(array[:'x', :'y', :'z']::uuid[], :'before_acknowledged') join session on session.id = session_id group by name order by name;
-- What is refused, whatever session it is that is wrong.
select show('select events_of(null)');
select show(format('select events_of(array[%L, null]::uuid[])', :'x'));
select show(format('select events_of(array[%L, ''00000000-0000-4000-8000-000000000000'']::uuid[])', :'x'));
select show(format('select events_of(array[%L]::uuid[], max_events => 0)', :'x'));
select show(format('select events_of(array[%L]::uuid[], ''x'')', :'x'));
select show(format('select events_of(array[%L]::uuid[], repeat(''f'', 50))', :'x'));
-- Reading needs no right to write.
begin read only;
select count(*) from events_of(array[:'x', :'y']::uuid[]);
rollback;
