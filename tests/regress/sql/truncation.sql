-- An event of more than 7,999 bytes is notified without its payload, marked as truncated; the inbox has it whole,
-- and the writer notices nothing. (The notifications are those of psql's own connection.)
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table doc (id integer primary key, body text, n integer);
create table named (id text primary key, n integer);
select session_create(format => 'compact') is not null, subscribe_table('doc') is not null;
insert into doc values (1, repeat('x', 100000), 1);
\set QUIET off
update doc set body = repeat('y', 20000), n = 2;
delete from doc;
\set QUIET on
select type, column_name, coalesce(value->>'body', value #>> '{}') = case type when 'row_insert' then repeat('x', 100000) else repeat('y', 20000) end as whole,
       event->'truncated' as truncated, event #>> '{payload,body}' = case type when 'row_insert' then repeat('x', 100000) else repeat('y', 20000) end as whole_payload
from events() where column_name is distinct from 'n' and type <> 'row_delete';
select ack(cursor()) = 0;
-- 7,999 bytes go whole, 8,000 do not; and bytes are counted, not characters.
insert into doc values (2, '', 0);
unlisten *;
update doc set body = 'x' where id = 2;
select 7999 - octet_length(event::text) + 1 as room from events() where type = 'field_update' \gset
select session_attach(session_current(), replay => false) as pending;
update doc set body = repeat('x', :room + 1) where id = 2;
update doc set body = 'ü' || repeat('x', :room - 1) where id = 2;
select octet_length(event::text) from events() offset 2;
-- An event whose key alone is too long cannot be notified at all: a nudge stands for it.
select subscribe_table('named') is not null;
insert into named values (repeat('k', 9000), 1);
\set QUIET off
begin;
update named set n = 2;
insert into doc values (3, '', 0);
commit;
\set QUIET on
select type, relation, length(key->>'id'), column_name from events() offset 4;
-- More than reldiff.notify_limit events of one transaction are one nudge; the events are in the inbox.
set reldiff.notify_limit = 3;
insert into doc select n, '', 0 from generate_series(11, 13) n;
insert into doc select n, '', 0 from generate_series(21, 24) n;
set reldiff.notify_limit = 0;
insert into doc select n, '', 0 from generate_series(31, 34) n;
reset reldiff.notify_limit;
-- The bytes that one transaction notifies are limited, too.
set reldiff.notify_bytes = '1kB';
insert into doc values (41, repeat('z', 2000), 0);
reset reldiff.notify_bytes;
select key->>'id' from events() offset 7;
-- notify => 'nudge': one tiny notification per transaction; 'off': none.
select unsubscribe_all(), session_detach();
select session_create(notify => 'nudge') is not null, subscribe_table('doc') is not null;
insert into doc values (51, 'secret', 0);
begin;
update doc set body = 'other secret', n = 1 where id = 51;
delete from doc where id = 51;
commit;
select diff();
select unsubscribe_all(), session_detach();
select session_create(notify => 'off') is not null, subscribe_table('doc') is not null;
insert into doc values (61, 'quiet', 0);
select diff();
