-- Rows that change though no statement names their table: views, rules, foreign keys, triggers, functions.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table person (id integer primary key, name text, team integer, active boolean default true);
select session_create('indirect', attach => false) is not null, subscribe_table('person') is not null;
-- What the session has been told since the last call.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
-- A view that can be updated by itself, and one over it, tell of the table.
create view member as select id as member_id, name as called, team from person where active;
create view first_team as select member_id, called, team from member where team = 1 with cascaded check option;
insert into member values (1, 'Ann', 1), (2, 'Bob', 2);
update first_team set called = 'Anna';
insert into first_team values (3, 'Cid', 1);
update member set team = null where member_id = 2;
delete from first_team where member_id = 3;
insert into first_team values (4, 'refused', 2);
select told();
-- A view whose INSTEAD OF triggers change two tables.
create table team (id integer primary key, name text);
select subscribe_table('team') is not null;
create view roster as select person.id, person.name, team.name as team from person join team on team.id = person.team;
create function change_roster() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        update public.person set team = null where id = old.id;
        return old;
    end if;
    insert into public.team values (new.id * 10, new.team) on conflict (id) do update set name = excluded.name;
    if tg_op = 'INSERT' then
        insert into public.person values (new.id, new.name, new.id * 10);
    else
        update public.person set name = new.name where id = new.id;
    end if;
    return new;
end
$$;
create trigger change_roster instead of insert or update or delete on roster for each row execute function change_roster();
insert into roster values (5, 'Eve', 'blue');
update roster set name = 'Eva', team = 'red' where id = 5;
delete from roster where id = 5;
select told();

-- Rules: the action of DO ALSO is told beside the statement, that of DO INSTEAD in its place.
create table note (id integer primary key, body text);
create table history (note_id integer, body text, n serial, primary key (note_id, n));
select subscribe_table('note') is not null, subscribe_table('history') is not null;
create rule also_insert as on insert to note do also insert into history (note_id, body) values (new.id, new.body);
create rule also_update as on update to note do also insert into history (note_id, body) values (old.id, old.body || ' > ' || new.body);
create rule instead_of_delete as on delete to note where old.body <> 'really' do instead update note set body = body || ' (deleted)' where id = old.id;
insert into note values (1, 'first');
select told();
-- The rule's action of an UPDATE or DELETE comes before the statement itself.
update note set body = 'second' where id = 1;
select told();
insert into note values (2, 'really');
delete from note;
drop rule also_update on note;
create rule nothing as on update to note do instead nothing;
update note set body = 'never';
select told();

-- Foreign keys: what their actions change is told after what caused it, level by level.
create table country (id integer primary key);
create table city (id integer primary key, country integer references country on delete cascade on update cascade);
create table street (id integer primary key, city integer references city on delete cascade);
create table mayor (id integer primary key, city integer references city on delete set null);
create table flag (id integer primary key, country integer default 0 references country on delete set default on update set null, colour text);
create table twin (a integer, b integer, primary key (a, b), foreign key (a) references country on update cascade, foreign key (b) references country on update cascade);
insert into country values (0), (1), (2);
insert into city values (10, 1), (11, 1), (20, 2);
insert into street values (100, 10), (110, 11);
insert into mayor values (1, 10), (2, 20);
insert into flag values (1, 1, 'red'), (2, 2, 'blue');
select subscribe_table(name) is not null from unnest(array['country', 'city', 'street', 'mayor', 'flag', 'twin']) name;
delete from country where id = 1;
select told();
update country set id = 3 where id = 2;
select told();
-- A key that consists of references follows them: one row is gone and another one has come, twice.
insert into twin values (3, 0);
update country set id = id + 10 where id in (0, 3);
select told();
-- A tree that refers to itself.
create table node (id integer primary key, parent integer references node on delete cascade);
insert into node values (1, null), (2, 1), (3, 2), (4, 1);
select subscribe_table('node') is not null;
delete from node where id = 1;
select told();
-- Without the foreign keys' triggers only the statement itself changes rows; that is told.
insert into node values (1, null), (2, 1);
set session_replication_role = replica;
update node set id = 5 where id = 1;
delete from node where id = 5;
insert into node values (6, 55);
reset session_replication_role;
select told();
