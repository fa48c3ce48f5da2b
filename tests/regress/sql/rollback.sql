-- An event exists iff its transaction commits: nothing of a rolled-back transaction, savepoint or PL/pgSQL
-- exception block is told, and everything of the rest is, in the order in which it was done.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table t (id integer primary key, v text);
select session_create() is not null, subscribe_table('t') is not null;
-- A rolled-back transaction, a failed one, and a failed statement.
begin;
insert into t values (1, 'rolled back');
rollback;
begin;
insert into t values (1, 'failed later');
select 1/0;
commit;
insert into t values (1, 'duplicate'), (1, 'duplicate');
select count(*) from events();
-- A constraint that fails at the commit.
create table child (id integer primary key references t deferrable initially deferred);
select subscribe_table('child') is not null;
begin;
insert into child values (1);
commit;
select count(*) from events();

-- Savepoints: rolled back, rolled back and used again, released.
begin;
insert into t values (1, 'kept');
savepoint a;
insert into t values (2, 'undone');
update t set v = 'undone' where id = 1;
rollback to a;
insert into t values (3, 'kept');
rollback to a;
insert into t values (4, 'kept');
release a;
insert into t values (5, 'kept');
commit;
select diff();
-- From here on only the inbox is looked at; the session keeps its events to itself.
unlisten *;
select count(ack(cursor)) from events();
-- Nested: released inside rolled back leaves nothing, rolled back inside released leaves the outer part.
begin;
insert into t values (10, 'kept');
savepoint outer_one;
insert into t values (11, 'undone with the outer one');
savepoint inner_one;
insert into t values (12, 'undone with the outer one');
savepoint innermost;
insert into t values (13, 'undone with the outer one');
release innermost;
release inner_one;
insert into t values (14, 'undone with the outer one');
rollback to outer_one;
savepoint second;
insert into t values (15, 'kept');
savepoint inner_two;
insert into t values (16, 'undone');
rollback to inner_two;
release inner_two;
insert into t values (17, 'kept');
release second;
commit;
select diff();
select ack(cursor());
-- The same name twice, and rolling back to a savepoint below several others.
begin;
savepoint s;
insert into t values (20, 'kept');
savepoint s;
insert into t values (21, 'undone');
rollback to s;
release s;
insert into t values (22, 'kept');
savepoint x;
insert into t values (23, 'undone');
savepoint y;
insert into t values (24, 'undone');
savepoint z;
insert into t values (25, 'undone');
rollback to x;
commit;
select diff();
select ack(cursor());

-- PL/pgSQL exception blocks are savepoints, nested and in a loop, too.
do $$
begin
    insert into t values (30, 'kept');
    begin
        insert into t values (31, 'undone');
        begin
            insert into t values (32, 'undone');
        exception when others then
            null;
        end;
        raise exception 'undo';
    exception when others then
        insert into t values (33, 'kept');
    end;
    for n in 34..39 loop
        begin
            insert into t values (n, 'even ones are kept');
            if n % 2 = 1 then
                raise exception 'undo';
            end if;
        exception when raise_exception then
            null;
        end;
    end loop;
end
$$;
select diff();
select ack(cursor());
-- A procedure that commits and rolls back: each of its transactions by itself.
create procedure in_parts() language plpgsql as $$
begin
    insert into t values (40, 'kept');
    commit;
    insert into t values (41, 'undone');
    rollback;
    insert into t values (42, 'kept');
end
$$;
call in_parts();
select diff();
select count(distinct xid), count(*) filter (where event->>'last' = 'true') from events();
select ack(cursor());

-- a, b, a, b in one transaction is four events, also where the notifications would be equal but for the cursor.
insert into t values (50, 'b');
begin;
update t set v = 'a' where id = 50;
update t set v = 'b' where id = 50;
update t set v = 'a' where id = 50;
update t set v = 'b' where id = 50;
commit;
select diff() offset 1;
select count(distinct xid), array_agg(event->>'last') from events() where column_name is not null;
select ack(cursor());

-- A subscription that is rolled back gets nothing, though its table stays tracked; one that is taken back and rolled back keeps getting.
begin;
select subscribe_row('child', 1) is not null, subscribe_table('child') is not null;
rollback;
create table u (id integer primary key);
begin;
select subscribe_table('u') is not null;
insert into u values (1);
rollback;
insert into u values (2);
select count(*) from events();
select relation, triggers from tracked order by relation::text;
begin;
select unsubscribe_all();
insert into t values (60, 'unsubscribed');
rollback;
insert into t values (61, 'kept');
begin;
savepoint s;
select unsubscribe_all();
rollback to s;
insert into t values (62, 'kept');
commit;
select diff();
-- In one transaction: what was changed before the subscription is not told, what comes after it is.
begin;
select session_create('in one transaction', attach => false) is not null;
insert into t values (70, 'before');
select subscribe_table('t') is not null;
insert into t values (71, 'after');
savepoint s;
select subscribe_table('u') is not null;
insert into u values (70);
rollback to s;
insert into u values (71);
update t set v = 'in between' where id = 70;
select unsubscribe_all();
insert into t values (72, 'unsubscribed');
commit;
select diff();
-- The same on a table that was tracked before, in a transaction that has already looked for subscriptions.
create table tracked_before (id integer primary key);
select track('tracked_before');
begin;
insert into tracked_before values (1);
savepoint s;
select subscribe_table('tracked_before') is not null, subscribe_row('tracked_before', 3) is not null;
insert into tracked_before values (2);
rollback to s;
insert into tracked_before values (3);
delete from tracked_before where id = 3;
commit;
insert into tracked_before values (4);
select count(*) from events() where relation = 'public.tracked_before';
-- A session that is created and rolled back is not there, and was never current.
begin;
select session_create('gone', attach => false) as gone \gset
select session_current() = :'gone';
rollback;
select session_current() <> :'gone', count(*) from event.session where name = 'gone';
