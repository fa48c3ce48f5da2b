-- A partitioned table can be subscribed to like any other: a change in any of its partitions is told under its name, with its
-- columns in its order. Who subscribed to a partition only hears of it under the partition's name; who subscribed to both
-- hears each change once, under the topmost name that one of its subscriptions matches.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- What a session has been told since the last call.
create function told(session uuid default session_current()) returns setof text language plpgsql as $$
begin
    return query select event.diff(session);
    perform event.ack(event.cursor(), session);
end
$$;
create table m (id integer, region text, v text, w integer default 0, primary key (region, id)) partition by list (region);
create table m_a partition of m for values in ('a');
-- The columns of this one stand in another order, and some are dropped.
create table m_b (gone integer, w integer, v text, gone_too text, region text not null, id integer not null);
alter table m_b drop column gone, drop column gone_too;
alter table m attach partition m_b for values in ('b');
create table m_c partition of m for values in ('c') partition by range (id);
create table m_c1 partition of m_c for values from (0) to (100);
create table m_c2 (v text, id integer not null, region text not null, w integer);
alter table m_c attach partition m_c2 for values from (100) to (200);
create table m_rest partition of m default;
insert into m values (0, 'a', 'before anybody asked');
select session_create('root', attach => false) as root \gset
select subscribe_table('m') is not null;
-- Every partition, by way of the root, of an inner one and directly.
insert into m values (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', 'three'), (4, 'rest', 'four'), (105, 'c', 'five');
insert into m_b (id, v, region, w) values (6, 'six', 'b', 6);
insert into m_c values (7, 'c', 'seven');
copy m from stdin;
8	rest	eight	8
\.
select told();
update m set v = upper(v) where id in (1, 2, 3, 105);
update m_b set w = w + 1 where id = 6;
update m_c set v = 'by way of the middle', w = 70 where id = 7;
insert into m values (1, 'a', 'upserted'), (9, 'a', 'nine') on conflict (region, id) do update set v = excluded.v;
merge into m using (values (9, 'a'), (10, 'b')) s(id, region) on m.id = s.id and m.region = s.region when matched then update set v = 'merged' when not matched then insert values (s.id, s.region, 'merged');
update m set v = v;
delete from m where id in (0, 8);
delete from m_c2 where id = 105;
select told();
-- A row that moves to another partition has another key: one row is gone and another one has come.
update m set region = 'b' where id = 1;
update m set region = 'nowhere', v = 'moved' where id = 2;
update m set id = 150 where id = 3;
update m set id = 40 where id = 4;
select told();

-- A column, a row and a field of the root, wherever the row is.
select session_create('column, row and field', attach => false) as narrow \gset
select subscribe_column('m', 'w') is not null;
update m set v = 'not asked for' where id = 6;
update m set w = 60 where id = 6;
insert into m (id, region, v) values (11, 'c', 'eleven');
delete from m where id = 11;
select type, key, column_name, value from events();
select ack(cursor(), session_id), unsubscribe_all() from (select session_current()) s(session_id);
select subscribe_row('m', '{"id": 6, "region": "b"}'::jsonb) is not null, subscribe_field('m', array['c', '7'], 'v') is not null;
update m_b set v = 'row', w = 61 where id in (6, 10);
update m set v = 'field', w = 62 where id = 7;
update m set region = 'a' where id = 6;
update m set region = 'b' where id = 6;
update m set v = 'back' where id = 6;
delete from m where id = 7;
select told();
select count(*) > 0 from told(:'root');

-- One who subscribed to a partition only: its name, its columns. What moves in has come, what moves out is gone.
select session_create('partition', attach => false) as leaf \gset
select subscribe_table('m_b') is not null;
insert into m values (12, 'b', 'twelve'), (13, 'a', 'thirteen');
update m set v = 'changed', w = 12 where id in (12, 13);
update m set region = 'a' where id = 12;
update m set region = 'b' where id = 13;
select told();
select told(:'root');
-- One who subscribed to an inner partitioned table, and one to a leaf of it, too.
select session_create('middle', attach => false) as middle \gset
select subscribe_table('m_c') is not null, subscribe_table('m_c2') is not null;
select session_create('leaf of the middle', attach => false) as inner_leaf \gset
select subscribe_table('m_c2') is not null;
update m set v = 'both' where id = 150;
update m set id = 50, v = 'from leaf to leaf' where id = 150;
select told(:'middle');
select told(:'inner_leaf');
select told(:'leaf');
-- One who subscribed to root and leaf, in either order, hears it once, of the root.
select session_create('both', attach => false) as both_1 \gset
select subscribe_table('m') is not null, subscribe_table('m_b') is not null, subscribe_table('m_c') is not null, subscribe_table('m_c1') is not null;
select session_create('both, the leaf first', attach => false) as both_2 \gset
select subscribe_table('m_c1') is not null, subscribe_table('m_b') is not null, subscribe_table('m') is not null;
insert into m values (14, 'b', 'fourteen'), (15, 'c', 'fifteen');
update m_b set v = 'once' where id = 14;
update m set region = 'c' where id = 14;
delete from m where id = 15;
select told(:'both_1');
select count(*), count(distinct cursor), array_agg(distinct relation) from events(:'both_2');
select count(*) from told(:'both_2');
-- Where only one of its subscriptions matches, it is told under that name; where both do, under the root's, all that either asks for.
select session_create('a column of the root, and a leaf', attach => false) as mixed \gset
select subscribe_column('m', 'v') is not null, subscribe_table('m_b') is not null;
insert into m values (16, 'b', 'sixteen'), (17, 'a', 'seventeen');
update m set w = 1 where id in (16, 17);
update m set v = 'v', w = 2 where id in (16, 17);
delete from m where id in (16, 17);
select told();
select session_create('a row of the root, and a leaf', attach => false) as mixed_row \gset
select subscribe_row('m', array['b', '18']) is not null, subscribe_table('m_b') is not null;
insert into m values (18, 'b', 'eighteen'), (19, 'b', 'nineteen');
update m set v = 'v' where id in (18, 19);
delete from m where id in (18, 19);
select told();

-- A leaf that was subscribed to before its root: nobody hears anything twice.
create table p (id integer primary key, v text) partition by range (id);
create table p_1 partition of p for values from (0) to (100);
create table p_2 partition of p for values from (100) to (200);
select session_create('leaf first', attach => false) as leaf_first \gset
select subscribe_table('p_1') is not null;
insert into p values (1, 'one'), (101, 'hundred and one');
select session_create('root afterwards', attach => false) as root_after \gset
select subscribe_table('p') is not null;
insert into p values (2, 'two'), (102, 'hundred and two');
update p set v = 'changed' where id in (2, 102);
select told(:'leaf_first');
select told(:'root_after');
-- It stays subscribed to when the root's subscriptions end, and the other way round.
select unsubscribe_all(:'root_after');
update p set v = 'again' where id in (2, 102);
select told(:'leaf_first');
select subscribe_table('p', session_id => :'root_after') is not null, unsubscribe_all(:'leaf_first');
update p set v = 'at last' where id in (2, 102);
select told(:'root_after');
select told(:'leaf_first');
