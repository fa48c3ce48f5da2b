-- A field_update is told iff the stored image differs, and a value's JSON is a function of the stored value alone:
-- what to_json gives under fixed settings, but that a cast to json is never called.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
-- What differs. Equal by the type's `=`, but another image, is a change; an update to the same is none.
create table n (id integer primary key, exact numeric, f double precision, r real, j json, b jsonb, p point, t text, c character(4), a integer[], s interval);
insert into n values (1, 1.0, 0, 0, '{"a": 1}', '{"a": 1}', '(1,2)', 'x', 'ab', '{1,2}', '1 day');
select session_create(attach => false) is not null, subscribe_table('n') is not null;
update n set id = id, exact = 1.0, f = 0, r = 0, j = '{"a": 1}', b = '{"a":1}', p = '(1,2)', t = 'x', c = 'ab', a = '{1,2}', s = '1 day';
update n set exact = exact, t = t, j = j;
select count(*) from events();
update n set exact = 1.00;
update n set f = '-0';
update n set r = '-0';
update n set j = '{"a":1}';
update n set b = '{"a": 1.0}';
update n set p = '(1,-0)';
update n set c = 'AB';
update n set a = '[0:1]={1,2}';
update n set s = '24 hours';
update n set exact = null, t = null;
update n set exact = null, t = null;
update n set t = '';
select column_name, old_value, value from events();
select unsubscribe_all();
-- TOASTed values: an untouched one is no change, nor one that is written again; a changed one is.
create table big (id integer primary key, body text, n integer);
alter table big alter column body set storage external;
insert into big values (1, repeat('abcdefghij', 1000), 1);
select session_create('big', attach => false) is not null, subscribe_table('big') is not null;
update big set n = 2;
update big set body = body || '';
update big set body = repeat('abcdefghij', 1000);
update big set body = repeat('abcdefghij', 999) || 'abcdefghiJ';
select column_name, md5(old_value #>> '{}') = md5(repeat('abcdefghij', 1000)) as old, md5(value #>> '{}') = md5(repeat('abcdefghij', 999) || 'abcdefghiJ') as new from events();
-- The event is the image at the time of the change, whatever has become of the row.
begin;
update big set body = repeat('first', 2000);
update big set body = repeat('second', 2000);
delete from big;
commit;
select md5(value #>> '{}') = md5(repeat('first', 2000)), md5(value #>> '{}') = md5(repeat('second', 2000)) from events() where column_name = 'body' offset 1;

-- The JSON of a value. Each line is written under foreign settings and read under others.
create type mood as enum ('so so', 'quo"te');
create domain posint as integer check (value > 0);
create domain json_domain as jsonb;
create type pair as (a integer, "b c" text);
create type nested as (p pair, list pair[], d posint);
create domain pair_domain as pair;
create table v (
    id integer primary key,
    b boolean, i2 smallint, i4 integer, i8 bigint, num numeric, f4 real, f8 double precision,
    t text, vc varchar(20), ch character(3), "char" "char", nm name,
    by bytea, j json, jb jsonb, d date, tm time, ttz timetz, ts timestamp, tstz timestamptz, iv interval,
    u uuid, e mood, dom posint, jdom json_domain, comp pair, cdom pair_domain, nest nested,
    ai integer[], ai2 integer[], at text[], aj json[], ats timestamptz[], ac pair[], ae mood[],
    ip inet, mac macaddr, bt bit(3), vb bit varying, tsv tsvector, rng int4range, mr int4multirange, pt point, m money, lsn pg_lsn, rc regclass, rt regtype, o oid
);
select session_create('values', attach => false) as "values" \gset
select subscribe_table('v') is not null;
set datestyle = 'SQL, DMY';
set timezone = 'Asia/Kathmandu';
set intervalstyle = 'iso_8601';
set bytea_output = 'escape';
set extra_float_digits = -10;
set lc_monetary = 'C';
set search_path = pg_temp, public, event;
insert into v values (1,
    true, -32768, 2147483647, -9223372036854775808, 123456789012345678901234567890.0010, 0.1::real, 0.1::double precision + 0.2,
    E'q"\\/\b\f\n\r\t\x01 ü €', 'vc', 'c', 'x', 'name',
    '\x00ff5c27', '{"b": 1e140000, "b": -0, "z": "" }', '{"b": 1, "a": [1, null]}', '2001-02-03', '04:05:06.7', '04:05:06+02', '2001-02-03 04:05:06.789', '2001-02-03 04:05:06.789+00', '1 year 2 months -3 days 04:05:06.7',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'quo"te', 7, '{"k": 1}', row(1, 'x"y'), row(2, null), row(row(1, 'in'), array[row(2, 'a')::pair, null], 3),
    '{1,null,3}', '{{1,2},{3,4}}', '{a,"b \"c","NULL",null}', array['{"x": 1}'::json, '2'::json], array['2001-02-03 04:05:06+00'::timestamptz], array[row(5, 'e')::pair], '{so so}',
    '10.0.0.1/8', '08:00:2b:01:02:03', b'101', b'1', 'a:1 b:2', '[1,5)', '{[1,3),[5,7)}', '(1.5,-2)', '12.34', '16/B374D848', 'pg_class', 'integer', 42);
insert into v (id, f4, f8, num, d, ts, tstz, ai, at, iv) values (2, 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', 'infinity', '{}', '{}', '-1 days');
insert into v (id, f4, f8, num, d, ts, tstz, iv) values (3, '1e-7', 1e300, '1e-20', '0044-03-15 BC', '10000-01-01', '0001-01-01 00:00:00+00 BC', '-1 years +2 days -03:00:00.000001');
reset datestyle;
reset timezone;
reset intervalstyle;
reset extra_float_digits;
set search_path = public, event;
select key, value from (select row_number() over () as n, j.key, j.value from (select value from events() limit 1) e, json_each(e.value) j) j order by n;
select j.key, j.value from (select value from events() offset 1) e, json_each(e.value) with ordinality j(key, value, n) where j.value::text <> 'null' and j.key <> 'id' order by (e.value->>'id')::integer, n;
-- What is said of to_json, with to_json: the same for all types of the server under the fixed settings.
set timezone = 'UTC';
set intervalstyle = 'postgres';
set bytea_output = 'hex';
select (e.value->>'id')::integer as id, e.value::text = to_json(v)::text as same from (select value from events()) e join v on v.id = (e.value->>'id')::integer order by id;
reset timezone;
reset intervalstyle;
reset bytea_output;

-- JSON that jsonb or a parser into text would refuse, verbatim.
create table raw (id integer primary key, j json);
select session_create('raw', attach => false) is not null, subscribe_table('raw') is not null;
insert into raw values (1, '{"z" : "\u0000", "e":1e140000 , "a":1, "a":-0}'), (2, null), (3, 'null'), (4, ' [ ] ');
select value from events();
-- A cast to json is never called: types outside pg_catalog are strings in their text form.
create type secret as enum ('label');
create function secret_to_json(secret) returns json language sql as $$ select '{"called": true}'::json $$;
create cast (secret as json) with function secret_to_json(secret);
create type coded as (a integer);
create function coded_to_json(coded) returns json language sql as $$ select '{"called": true}'::json $$;
create cast (coded as json) with function coded_to_json(coded);
create type ranged as range (subtype = integer);
create function ranged_to_json(ranged) returns json language sql as $$ select '{"called": true}'::json $$;
create cast (ranged as json) with function ranged_to_json(ranged);
create table casts (id integer primary key, s secret, c coded, r ranged, a secret[], ar ranged[]);
select session_create('casts', attach => false) is not null, subscribe_table('casts') is not null;
insert into casts values (1, 'label', row(1), '[1,2)', '{label}', array['[1,2)'::ranged]);
select value from events();

-- Dropped and generated columns, defaults, and columns that were added later.
create table shape (gone integer, id integer primary key, a integer default 5, total integer generated always as (a * 2) stored);
alter table shape drop column gone;
select session_create('shape', attach => false) is not null, subscribe_table('shape') is not null;
insert into shape (id) values (1);
alter table shape add column late text default 'old rows';
update shape set a = 6;
update shape set late = 'changed';
insert into shape (id, a) values (2, null);
select type, column_name, value, old_value from events();
