"""P3: a field_update is sent if and only if the stored image differs, whatever the type's `=` says."""

import psycopg
import pytest

from wire import events, inbox, new_session

SETUP = """
create extension citext;
create extension hstore;
create extension cube;
create type amount as (n numeric, "of what" text);
create domain level as numeric;
"""

# Type, value before and after, and the JSON of both. Where the server has a `=` for the type, it says that they are equal.
ANOTHER_IMAGE = [
    ("numeric", "1.0", "1.00", "1.0", "1.00"),
    ("numeric", "0", "0.0", "0", "0.0"),
    ("level", "1.0", "1.00", "1.0", "1.00"),
    ("real", "0", "-0", "0", "-0"),
    ("double precision", "-0", "0", "-0", "0"),
    ("citext", "A", "a", '"A"', '"a"'),
    ("interval", "1 month", "30 days", '"1 mon"', '"30 days"'),
    ("interval", "1 day", "24 hours", '"1 day"', '"24:00:00"'),
    ("json", '{"a": 1}', '{"a":1}', '{"a": 1}', '{"a":1}'),
    ("json", '{"a":1,"b":2}', '{"b":2,"a":1}', '{"a":1,"b":2}', '{"b":2,"a":1}'),
    ("json", '"\\u0041"', '"A"', '"\\u0041"', '"A"'),
    ("jsonb", '{"a":1.0}', '{"a":1.00}', '{"a": 1.0}', '{"a": 1.00}'),
    ("point", "(1,0)", "(1,0.0000001)", '"(1,0)"', '"(1,1e-07)"'),
    ("point", "(1,0)", "(1,-0)", '"(1,0)"', '"(1,-0)"'),
    ("circle", "<(0,0),1>", "<(0,0),1.00000001>", '"<(0,0),1>"', '"<(0,0),1.00000001>"'),
    ("bpchar", "x", "x ", '"x"', '"x "'),
    ("integer[]", "{1,2}", "[0:1]={1,2}", "[1,2]", "[1,2]"),
    ("integer[]", "{1,2}", "{{1,2}}", "[1,2]", "[[1,2]]"),
    ("numeric[]", "{1.0}", "{1.00}", "[1.0]", "[1.00]"),
    ("double precision[]", "{0}", "{-0}", "[0]", "[-0]"),
    ("citext[]", "{A}", "{a}", '["A"]', '["a"]'),
    ("amount", "(1.0,x)", "(1.00,x)", '{"n":1.0,"of what":"x"}', '{"n":1.00,"of what":"x"}'),
    ("amount[]", '{"(1.0,)"}', '{"(1.00,)"}', '[{"n":1.0,"of what":null}]', '[{"n":1.00,"of what":null}]'),
    ("numrange", "[1.0,2]", "[1.00,2]", '"[1.0,2]"', '"[1.00,2]"'),
    ("nummultirange", "{[1.0,2]}", "{[1.00,2]}", '"{[1.0,2]}"', '"{[1.00,2]}"'),
    ("cube", "(0)", "(-0)", '"(0)"', '"(-0)"'),
    # NULL is an image of its own, and not that of the empty, nor of a row or an array of nulls.
    ("text", None, "", "null", '""'),
    ("text", "", None, '""', "null"),
    ("json", None, "null", "null", "null"),
    ("json", "null", None, "null", "null"),
    ("integer[]", None, "{}", "null", "[]"),
    ("integer[]", "{NULL}", "{}", "[null]", "[]"),
    ("amount", None, "(,)", "null", '{"n":null,"of what":null}'),
    ("int4range", "empty", None, '"empty"', "null"),
]

# Type and two ways to write what is stored in one way.
SAME_IMAGE = [
    ("numeric", "1.0", "1.0"),
    ("numeric(5,2)", "1.0", "1.00"),
    ("double precision", "0.1", "0.1000000000000000055"),
    ("real", "NaN", "nan"),
    ("timestamptz", "2026-01-01 00:00:00+00", "2026-01-01 01:00:00+01"),
    ("interval", "1 year", "12 months"),
    ("interval", "1 day", "P1D"),
    ("jsonb", '{"a":1,"b":2}', '{"b": 2, "a": 0, "a": 1}'),
    ("json", '{"a": 1}', '{"a": 1}'),
    ("character(4)", "ab", "ab  "),
    ("bytea", "\\x61", "a"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}"),
    ("box", "(0,0),(1,1)", "(1,0),(0,1)"),
    ("int4range", "[1,5)", "[1,4]"),
    ("int4multirange", "{[1,2),[2,3)}", "{[1,3)}"),
    ("integer[]", "{1,2}", "[1:2]={1,2}"),
    ("tsvector", "b a", "a b a"),
    ("inet", "10.0.0.1", "10.0.0.1/32"),
    ("regclass", "pg_class", "1259"),
    ("hstore", "a=>1,b=>2", "b=>2,a=>1"),
    ("amount", "(1.0,x)", '("1.0","x")'),
    ("text", None, None),
    ("amount", "(,)", "(,)"),
]


@pytest.fixture(scope="module")
def connection(shared_dsn):
    # The same statements meet tables of other types.
    with psycopg.connect(shared_dsn, autocommit=True, prepare_threshold=None) as connection:
        connection.execute(SETUP)
        yield connection


def followed(connection, kind: str, before) -> str:
    connection.execute("drop table if exists item")
    connection.execute(f"create table item (id integer primary key, v {kind}, other integer)")
    connection.execute("insert into item values (1, %s)", (before,))
    return new_session(connection, "item", notify="off")


def changes(connection, session: str) -> list:
    return connection.execute("select column_name, old_value::text, value::text from event.events(%s)", (session,)).fetchall()


@pytest.mark.parametrize("kind, before, after, old_json, new_json", ANOTHER_IMAGE, ids=lambda value: str(value))
def test_p03_another_image_is_a_change(connection, kind, before, after, old_json, new_json):
    session = followed(connection, kind, before)
    connection.execute("update item set v = %s", (after,))
    assert changes(connection, session) == [("v", old_json, new_json)]
    connection.execute("update item set v = %s, other = 1", (after,))
    assert changes(connection, session)[1:] == [("other", "null", "1")]


@pytest.mark.parametrize("kind, before, after", SAME_IMAGE, ids=lambda value: str(value))
def test_p03_the_same_image_is_no_change(connection, kind, before, after):
    session = followed(connection, kind, before)
    connection.execute("update item set v = %s", (after,))
    connection.execute("update item set v = v")
    assert changes(connection, session) == []


def test_p03_how_a_value_is_stored_is_no_part_of_its_image(connection):
    """Compressed or not, inline or out of line."""
    session = followed(connection, "text", "ab" * 5000)
    write = "update item set v = %s, other = coalesce(other, 0) + 1"
    storages = ["external", "main", "extended", "plain"]
    for storage in storages:
        connection.execute(f"alter table item alter v set storage {storage}")
        # Plain takes no more than a page.
        value = "ab" * 5000 if storage != "plain" else "ab" * 3000
        if storage == "plain":
            connection.execute("update item set v = %s", (value,))
        connection.execute(write, (value,))
    columns = [column for column, _, _ in changes(connection, session)]
    assert columns == ["other", "other", "other", "v", "other"]


def test_p03_arrays_with_and_without_a_place_for_nulls(connection):
    """Two arrays of the same JSON: one has kept the bitmap of a null that it lost."""
    session = followed(connection, "integer[]", "{1,2}")
    connection.execute("update item set v = (array[null, 1, 2])[2:3]")
    stored, = connection.execute("select record_image_ne(row(v), row('{1,2}'::integer[])) from item").fetchone()
    assert stored, "the server makes one image of both: this test proves nothing"
    assert changes(connection, session) == [("v", "[1,2]", "[1,2]")]


def test_p03_the_key_is_compared_by_its_image(connection):
    """Another image of an equal key is another row's name: the old one goes, the new one comes."""
    connection.execute("create table place (id citext primary key, n integer)")
    connection.execute("insert into place values ('a', 1)")
    session = new_session(connection, "place", format="compact", notify="off")
    connection.execute("update place set id = 'a', n = 2")
    connection.execute("update place set id = 'A'")
    assert [(event["type"], event["key"], event.get("payload")) for event in events(connection, session)] == [
        ("field_update", {"id": "a"}, {"n": 2}), ("row_delete", {"id": "a"}, None), ("row_insert", {"id": "A"}, {"id": "A", "n": 2})]
    assert len(inbox(connection, session)) == 3
