-- The example that opens the README: exactly four events, in this order, in the format "full", as
-- notifications and in the inbox.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table person (id serial primary key, name text, score integer);
insert into person (name, score) values ('Joe Smith',15),('Don Jones',12),('Sandy Hill',16),('Nancy Makowsky',9);
select session_create();
select subscribe_table(meta.relation_id('public','person'));
insert into person (name, score) values ('Don Pablo', 14);
update person set name='Sandy Jones', score=score+3 where id=3;
delete from person where id=4;

-- The same objects in the inbox, one by one as they were notified.
select type, relation, key, column_name, value, old_value, subscription_type from events();
select event from events();
select diff();

-- The event carries the cursor, time and transaction of its row; times never decrease, and xids are those of
-- the three statements.
select bool_and(event->>'cursor' = cursor) as cursors, bool_and((event->>'at')::timestamptz = at) as times,
       bool_and(event->>'xid' = xid::text) as xids, count(distinct xid) as transactions,
       bool_and(at <= clock_timestamp() and at > clock_timestamp() - interval '1 minute') as recent
from events();
select bool_and(previous < cursor and before <= at) as ordered
from (select cursor, at, lag(cursor) over (order by position) as previous, lag(at) over (order by position) as before
      from events() with ordinality as e(cursor, type, relation, key, column_name, value, old_value, subscription_type, xid, at, event, position)) e
where previous is not null;
select distinct length(cursor), cursor ~ '^[0-9a-f]+$' as lower_case_hexadecimal from events();
-- A time is UTC with microseconds, whatever the reader's time zone.
set timezone = 'Asia/Kathmandu';
select distinct event->>'at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$' as utc from events();
reset timezone;

-- The format "compact": the flat keys and no others.
select session_create(format => 'compact', attach => false) as compact \gset
select subscribe_table(meta.relation_id('public','person')) is not null as subscribed;
begin;
insert into person values (7, null, 1);
update person set score = 2 where id = 7;
delete from person where id = 7;
commit;
select event from events(:'compact');
