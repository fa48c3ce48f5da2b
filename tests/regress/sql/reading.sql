-- The inbox: events, pages of any size, cursors, acknowledging, feed and diff.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, a integer, b integer);
create table u (id integer primary key);
select session_create('reader', attach => false) as s \gset
-- An empty inbox, and the cursor of a feed in which nothing has happened yet.
select count(*) from events();
select cursor() as beginning \gset
select count(*) from events(after => :'beginning');
select ack(:'beginning');
select feed(:'s')->'events', feed(:'s')->>'cursor' = :'beginning', feed(:'s')->'has_next';
select subscribe_table('t') is not null, subscribe_table('u') is not null;
-- Three transactions: one change, many changes, changes of two tables and of several fields of a row.
insert into t values (1, 1, 1);
begin;
insert into t select n, n, n from generate_series(2, 20) n;
insert into u select n from generate_series(1, 5) n;
update t set a = -a, b = -b where id <= 5;
delete from u where id = 3;
commit;
update t set a = 0, b = 0 where id = 1;
select count(*), count(distinct cursor), count(distinct xid), count(*) filter (where event->>'last' = 'true') from events();

-- Pages of any size give what one page gives, also inside a big transaction, between the fields of a row and
-- across transactions, through events() and through feed().
create function pages(size integer) returns text[] language plpgsql as $$
declare
    result text[] := '{}';
    page text[];
    position text;
begin
    loop
        page := array(select cursor || event from events(after => position, max_events => size));
        exit when page = '{}';
        if cardinality(page) > size then
            raise exception 'a page of % has % events', size, cardinality(page);
        end if;
        if cardinality(result) > 4000 then
            raise exception 'the pages do not end';
        end if;
        result := result || page;
        position := left(page[cardinality(page)], length(cursor()));
    end loop;
    return result;
end
$$;
create function feed_pages(size integer) returns text[] language plpgsql as $$
declare
    result text[] := '{}';
    page json;
    position text;
begin
    loop
        page := feed(session_current(), position, size);
        result := result || array(select event->>'cursor' || event from json_array_elements(page->'events') event);
        exit when not (page->'has_next')::text::boolean or cardinality(result) > 4000;
        position := page->>'cursor';
    end loop;
    return result;
end
$$;
select size, pages(size) = array(select cursor || event from events()) as events, feed_pages(size) = array(select cursor || event from events()) as feed from generate_series(1, 40) size where pages(size) is distinct from feed_pages(size) or size in (1, 2, 3, 7, 38, 39, 40);
-- The order of the cursors, of the events and of the pages is one.
select bool_and(a < b collate "C") from (select cursor as a, lead(cursor) over () as b from events()) e;
-- After each of the events comes the rest.
select count(*) from (select cursor, row_number() over () as n from events()) e where (select count(*) from events(after => e.cursor)) <> 38 - n;

-- feed: the page, where it ends, and whether there is more, after each of the events, for pages of any size.
select count(*), count(*) filter (where has_next) from (select 38 - n > size as more, (feed(:'s', e.cursor, size)->>'has_next')::boolean as has_next
    from (select cursor, row_number() over () as n from events()) e, generate_series(1, 40) size) f where has_next <> more;
select json_array_length(f->'events'), f->>'cursor' = f->'events'->1->>'cursor', f->'has_next' from feed(:'s', page_size => 2) f;
select json_array_length(f->'events'), f->>'cursor' >= f->'events'->37->>'cursor', f->'has_next' from feed(:'s') f;
select string_agg(key, ',') from json_object_keys(feed(:'s')) key;
select bool_and(f.event::text = e.event::text) from (select event, row_number() over () as n from json_array_elements(feed(:'s')->'events') event) f join (select event, row_number() over () as n from events()) e using (n);
-- An empty page still returns a fresh cursor: transactions of others are behind it.
select cursor() as before \gset
select session_create('other', attach => false) as other \gset
create table others (id integer primary key);
select subscribe_table('others') is not null;
insert into others values (1), (2);
select session_use(:'s') = :'s';
select f->'events', f->>'cursor' > :'before' collate "C", f->>'cursor' = cursor(), f->'has_next' from feed(:'s', after => :'before') f;
-- cursor(): the newest position. All that is there is before it, all that comes is after it.
select count(*) filter (where cursor < cursor() collate "C"), count(*) from events();
select cursor() as position \gset
insert into t values (30, 0, 0);
select type, key from events(after => :'position');

-- Reading does not consume, and writes nothing.
select count(*) from events();
begin transaction read only;
select count(*) from events();
select count(*) from diff();
select json_array_length(feed(:'s')->'events');
select length(cursor()), session_current() = :'s';
commit;
select pg_current_xact_id_if_assigned() is null from events() limit 1;
-- wait_events: the same, if there is something.
select count(*) from wait_events();
select array(select e::text from wait_events() e) = array(select e::text from events() e);
select array(select e::text from wait_events(:'s', :'position', 1, '1 hour') e) = array(select e::text from events(after => :'position') e);
select count(*) from wait_events(max_events => 5, timeout => '0');
select count(*) from wait_events(after => cursor(), timeout => '0');
select count(*) from wait_events(after => cursor(), timeout => '1 millisecond');
-- max_events and page_size.
select count(*) from events(max_events => 5);
select count(*) from events(:'s', null, null);

-- ack: the events up to and including the cursor; how many are pending; idempotent; never moves back.
select cursor as fifth from events() offset 4 limit 1 \gset
select cursor as first from events() limit 1 \gset
select ack(:'fifth');
select ack(:'fifth');
select ack(:'first');
select ack(:'beginning');
select acknowledged = :'fifth' from session where id = :'s';
select count(*), count(*) filter (where cursor <= :'fifth' collate "C") from events();
-- What has been acknowledged can be read again from an older cursor, and from a newer one.
select count(*) from events(after => :'first');
select count(*) from events(after => :'position');
-- Several in one statement: each sees those before it; the greatest wins.
select array_agg(ack(cursor)) from (select cursor from events() limit 3) e;
select ack(cursor) from (select cursor from events() limit 3) e order by cursor collate "C" desc;
select ack(:'first'), ack(cursor), ack(:'fifth') from (select cursor from events() offset 2 limit 1) e;
-- It rolls back with its transaction and with a savepoint.
begin;
select ack(cursor());
select count(*) from events();
rollback;
select count(*) from events();
begin;
savepoint s;
select ack(cursor());
rollback to s;
select ack(cursor) from events() limit 1;
commit;
select ack(cursor(), :'s'), ack(cursor(), session_id => :'s');
select count(*), count(ack(cursor())) from events();
-- Another session's position is its own, and its cursors are good for all: a position of the feed.
select count(*) from events(:'other');
select cursor as of_other from events(:'other') limit 1 \gset
select count(*) from events(:'s', after => :'of_other');
select ack(:'of_other', :'other');

-- A cursor that is none: 22P02. One that is unknown: 24000.
\set VERBOSITY sqlstate
select * from events(after => '');
select * from events(after => 'x');
select * from wait_events(after => 'x');
select * from events(after => upper(:'fifth') || '0');
select * from events(after => overlay(:'fifth' placing 'F' from 50));
select * from events(after => ' ' || :'fifth');
select * from events(after => left(:'fifth', 49) || 'g');
select ack('x');
select feed(:'s', after => 'x');
select diff(after => 'x');
-- Another nonce: a position that a crash has issued twice. Another position; another epoch.
select translate(right(:'fifth', 8), '0123456789abcdef', '123456789abcdef0') as nonce \gset
select * from events(after => left(:'fifth', 42) || :'nonce');
select ack(left(:'fifth', 42) || :'nonce');
select * from events(after => repeat('f', 50));
select * from events(after => '00ff' || substr(:'fifth', 5));
select * from events(after => '0000' || substr(:'beginning', 5));
select ack(repeat('0', 50));
select feed(:'s', after => repeat('f', 50));
select diff(after => repeat('f', 50));
select wait_events(after => repeat('f', 50));
\set VERBOSITY verbose

-- diff: one line an event, with colours on request; a cursor to start from.
select cursor() as position \gset
begin;
insert into t values (40, 1, null);
update t set b = 7 where id = 40;
delete from t where id = 40;
commit;
select diff(after => :'position');
select replace(diff(:'s', color => true), chr(27), '<esc>');

-- Events stay when the subscription is gone, and when columns are renamed or dropped they are told as the
-- relation is now.
select session_create('ddl', attach => false) as ddl \gset
create table d (id integer primary key, a integer, b integer, c integer);
select subscribe_table('d') is not null;
insert into d values (1, 2, 3, 4);
update d set a = 20, b = 30, c = 40;
select unsubscribe_all();
select count(*) from events();
alter table d rename column a to "A";
alter table d drop column b;
alter table d rename to renamed;
select type, relation, column_name, value, event->'payload' from events();
select subscribe_column('renamed', 'A') is not null, subscribe_field('renamed', 1, 'c') is not null;
alter table renamed rename column "A" to a;
alter table renamed add column b text;
update renamed set a = 200, b = 'new', c = 400;
select column_name, value, subscription_type from events() offset 3;
select subscription_type, column_name, key from subscription where session_id = :'ddl' order by 1;
alter table renamed rename column id to "the key";
alter table renamed set schema event;
select type, relation, key from events() limit 1;
alter table event.renamed set schema public;
-- A later dropped column's subscription gets nothing and disturbs nobody.
alter table renamed drop column c;
update renamed set b = 'x', a = 1;
select column_name, value from events() offset 2;
drop table renamed;
select count(*) from events();

-- A large backlog is read in pages and as a whole.
create table bulk (id integer primary key, v integer);
select session_create('bulk', attach => false) is not null, subscribe_table('bulk') is not null;
insert into bulk select n, n from generate_series(1, 2500) n;
do $$ begin for n in 1..1200 loop update bulk set v = -n where id = n; commit; end loop; end $$;
select count(*), count(distinct cursor), count(distinct xid), count(*) filter (where event->>'last' = 'true') from events(max_events => 10000);
select count(*) from events();
select size, pages(size) = array(select cursor || event from events(max_events => 10000)) from unnest(array[999, 1000, 1001, 1777, 5000]) size;
select ack(cursor) from (select cursor from events(max_events => 2499) offset 2498) e;
