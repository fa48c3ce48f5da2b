-- The example of the README. psql prints the notifications that have arrived after each command: those of a
-- change of its own come with the change.

create extension pg_reldiff;
set search_path = public, event;

create table person (id serial primary key, name text, score integer);
insert into person (name, score) values
    ('Joe Smith', 15), ('Don Jones', 12), ('Sandy Hill', 16), ('Nancy Makowsky', 9);

-- An inbox, and what it is for.
select session_create();
select subscribe_table(meta.relation_id('public', 'person'));

-- Three changes are four events.
insert into person (name, score) values ('Don Pablo', 14);
update person set name = 'Sandy Jones', score = score + 3 where id = 3;
delete from person where id = 4;

-- The inbox keeps them until they are acknowledged.
select type, relation, key, column_name, value, old_value from events();

-- The same as a diff, in colours; psql would show their codes in a table with borders.
\pset format unaligned
\pset tuples_only on
select * from diff(color => true);
