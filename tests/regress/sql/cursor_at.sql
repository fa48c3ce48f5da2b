-- cursor(at): the position of the last transaction not after a time.
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key);
select event.session_create(attach => false) as session \gset
-- A feed in which nothing has happened: its beginning, whatever the time.
select event.cursor() as beginning \gset
select event.cursor(at) = :'beginning' from unnest(array[now(), 'infinity', '-infinity', '2000-01-01']::timestamptz[]) at;
select event.subscribe_table('t') is not null;
insert into t values (1);
select event.cursor(at) = event.cursor(), event.cursor(at - interval '1 microsecond') = :'beginning' from event.events();
select event.ack(event.cursor('-infinity')), event.ack(event.cursor('infinity'));
-- Many transactions, some with several events.
do $$
begin
    for n in 2..300 loop
        insert into t select n * 10 + m from generate_series(0, n % 3) m;
        commit;
    end loop;
end
$$;
-- At the time of each, a moment before and a moment after: everything up to then is before it, everything later is behind it.
create temporary table e as select cursor, at, event->>'last' as last from event.events(max_events => 10000);
select count(*), count(last), count(distinct at) > 250 from e;
create temporary table probe as
    select distinct at + moment as at from e, unnest(array['0', '1 microsecond', '-1 microsecond', '1 second', '-1 second']::interval[]) moment;
alter table probe add cursor text;
update probe set cursor = event.cursor(at);
select count(*) from probe, e where (e.at <= probe.at) <> (e.cursor <= probe.cursor collate "C");
select count(distinct cursor) >= (select count(distinct at) from e) from probe;
-- It is the end of that transaction, as a read without events gives it, and a cursor as any other.
select event.cursor(max(at)) = event.cursor() from e;
select count(*) from e where last = 'true' and (select count(*) from event.events(after => event.cursor(at))) <> (select count(*) from e later where later.at > e.at);
select event.cursor('infinity') = event.cursor(), event.cursor('3000-01-01') = event.cursor(), event.cursor('-infinity') = :'beginning', event.cursor(null) = event.cursor();
select count(event.ack(cursor)) from probe where at > (select max(at) from e);
-- In a copy made from a template times of before the copy are in the epoch of the original.
select max(at) as before from event.events(after => :'beginning', max_events => 10000) \gset
select event.cursor() as last_of_original \gset
select current_database() as original \gset
select current_database() || '_copy' as copy \gset
\c template1
create database :"copy" template :"original";
\c :"copy"
select event.cursor(:'before') = :'last_of_original', event.cursor(now()) = :'last_of_original';
select event.cursor('-infinity') = :'beginning';
insert into t values (1000001);
insert into t values (1000002);
select event.cursor(:'before') = :'last_of_original', event.cursor('infinity') = event.cursor(), event.cursor('infinity') > :'last_of_original' collate "C";
select key, (select count(*) from event.events(:'session', after => event.cursor(e.at))) from event.events(:'session', after => event.cursor(:'before')) e;
select event.cursor(:'before'::timestamptz - '1 year'::interval) = :'beginning';
\c :"original"
drop database :"copy";
