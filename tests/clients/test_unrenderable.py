"""Values without JSON, because their output function raises or they are too long: neither a write nor a read raises."""

import pytest

from wire import Listener, events, inbox, new_session

# An output function cannot be written in SQL, but it can be one of the server's own that raises for values of another type:
# `moment` is stored as a bigint and printed as a timestamp, which the least bigints are not.
MOMENT = """
create type moment;
create function moment_in(cstring) returns moment language internal immutable strict as 'int8in';
create function moment_out(moment) returns cstring language internal immutable strict as 'timestamp_out';
create type moment (input = moment_in, output = moment_out, like = int8);
create cast (moment as int8) without function as implicit;
create domain instant as moment;
create type pair as (a integer, m moment);
"""
GOOD, BAD, WORSE = "0", "-9223372036854775806", "-9223372036854775805"
RENDERED = "2000-01-01 00:00:00"


@pytest.fixture
def owner(connect):
    connection = connect()
    connection.execute("set client_min_messages = warning")
    connection.execute(MOMENT)
    # It raises for one and not for the other.
    assert connection.execute(f"select '{GOOD}'::moment::text").fetchone() == (RENDERED,)
    with pytest.raises(Exception, match="timestamp out of range"):
        connection.execute(f"select '{BAD}'::moment::text")
    return connection


def told(connection, session) -> list:
    return [(event["type"], event.get("column"), event.get("payload"), event.get("unrenderable"))
            for event in events(connection, session)]


def every_reader_reads(connection, session) -> None:
    count = len(inbox(connection, session))
    assert count > 0
    page, = connection.execute("select json_array_length(event.feed(%s, page_size => 1000)->'events')", (session,)).fetchone()
    assert page == count
    assert len(connection.execute("select * from event.diff(%s)", (session,)).fetchall()) == count
    assert connection.execute("select event.session_attach(%s)", (session,)).fetchone() == (count,)
    connection.execute("select event.session_detach(%s)", (session,))


def test_p17_output_function_that_raises(connect, owner):
    """As a column, in arrays, in a composite and behind a domain; the writer's commands succeed."""
    owner.execute("create table item (id integer primary key, m moment, l moment[], p pair, ps pair[], d instant, n integer)")
    session = new_session(owner, "item", format="compact")
    listener = Listener(connect()).listen(session)
    writer = connect()
    row = "(%s, '{0}', array['{0}']::moment[], row(1, '{0}')::pair, array[row(1, '{0}')]::pair[], '{0}', 0)"
    assert writer.execute(f"insert into item values {row.format(GOOD)}", (1,)).statusmessage == "INSERT 0 1"
    assert writer.execute(f"insert into item values {row.format(BAD)}", (2,)).statusmessage == "INSERT 0 1"
    # From a value without JSON to another one, to one with JSON, to null, and a column beside it.
    assert writer.execute(f"update item set m = '{WORSE}', n = 1 where id = 2").statusmessage == "UPDATE 1"
    writer.execute(f"update item set l = array[['{GOOD}'], ['{BAD}']]::moment[] where id = 2")
    writer.execute(f"update item set m = '{GOOD}' where id = 2")
    writer.execute(f"update item set m = '{BAD}' where id = 2")
    writer.execute("update item set m = null, l = '{}', p = row(1, null), ps = null, d = null where id = 2")
    assert writer.execute("delete from item").statusmessage == "DELETE 2"

    pair = {"a": 1, "m": RENDERED}
    whole = {"id": 1, "m": RENDERED, "l": [RENDERED], "p": pair, "ps": [pair], "d": RENDERED, "n": 0}
    assert told(owner, session) == [
        ("row_insert", None, whole, None),
        ("row_insert", None, {"id": 2, "n": 0}, ["m", "l", "p", "ps", "d"]),
        ("field_update", "m", {}, ["m"]), ("field_update", "n", {"n": 1}, None),
        ("field_update", "l", {}, ["l"]),
        ("field_update", "m", {"m": RENDERED}, None),
        ("field_update", "m", {}, ["m"]),
        ("field_update", "m", {"m": None}, None), ("field_update", "l", {"l": []}, None),
        ("field_update", "p", {"p": {"a": 1, "m": None}}, None), ("field_update", "ps", {"ps": None}, None),
        ("field_update", "d", {"d": None}, None),
        ("row_delete", None, None, None), ("row_delete", None, None, None)]
    assert listener.events() == events(owner, session)
    # What has no JSON is NULL in SQL, which JSON's null is not.
    values = owner.execute("select value::text, old_value::text from event.events(%s) where column_name = 'm'", (session,)).fetchall()
    assert values == [(None, None), (f'"{RENDERED}"', None), (None, f'"{RENDERED}"'), ("null", None)]
    every_reader_reads(owner, session)


def test_p17_enum_that_lost_its_label(connect, owner):
    """Somebody has deleted a row of pg_enum: the output function of enums raises."""
    owner.execute("create type mood as enum ('sad', 'gone')")
    owner.execute("create table item (id integer primary key, m mood, l mood[], n integer)")
    owner.execute("create table other (m mood primary key, n integer)")
    for table in ("item", "other"):
        owner.execute(f"insert into {table} (m{', id, l' if table == 'item' else ''}) values ('gone'"
                      f"{', 1, array[null, %s]::mood[]' % repr('gone') if table == 'item' else ''})")
    owner.execute("delete from pg_enum where enumlabel = 'gone'")
    session = new_session(owner, "item", "other", format="compact")
    writer = connect()
    assert writer.execute("update item set id = 2").statusmessage == "UPDATE 1"
    assert writer.execute("update item set m = 'sad', n = 1").statusmessage == "UPDATE 1"
    assert writer.execute("update other set n = 1").statusmessage == "UPDATE 1"
    assert writer.execute("delete from other").statusmessage == "DELETE 1"
    assert told(owner, session) == [
        ("row_delete", None, None, None), ("row_insert", None, {"id": 2, "n": None}, ["m", "l"]),
        ("field_update", "m", {"m": "sad"}, None), ("field_update", "n", {"n": 1}, None),
        ("field_update", "n", {"n": 1}, None), ("row_delete", None, None, None)]
    every_reader_reads(owner, session)


def test_p17_output_function_of_the_server_that_raises(connect, owner):
    """A deep jsonpath is printed recursively: with less stack than it was made with, that raises."""
    owner.execute("create table deep (q jsonpath)")
    owner.execute("set max_stack_depth = '6MB'")
    depth = 3000
    owner.execute("insert into deep values (%s)", ("-(" * depth + "$" + ")" * depth,))
    owner.execute("create table item (id integer primary key, q jsonpath)")
    session = new_session(owner, "item", format="compact")
    writer = connect()
    writer.execute("set max_stack_depth = '100kB'")
    with pytest.raises(Exception, match="stack depth"):
        writer.execute("select q::text from deep")
    assert writer.execute("insert into item select 1, q from deep").statusmessage == "INSERT 0 1"
    assert writer.execute("update item set q = '$.a'").statusmessage == "UPDATE 1"
    assert told(owner, session) == [("row_insert", None, {"id": 1}, ["q"]), ("field_update", "q", {"q": "$.\"a\""}, None)]


@pytest.mark.parametrize("compound", [False, True])
def test_p17_key_whose_output_function_raises(connect, owner, compound):
    """Such a key is an empty string, as JSON and as text, and still no write fails. Rows with such keys cannot be told apart."""
    key = "(id, m)" if compound else "(m)"
    owner.execute(f"create table item (m moment, id integer, n integer, primary key {key})")
    session = new_session(owner, "item")
    listener = Listener(connect()).listen(session)
    writer = connect()
    writer.execute(f"insert into item values ('{BAD}', 1, 1), ('{GOOD}', 2, 1)")
    assert writer.execute("update item set n = 2").statusmessage == "UPDATE 2"
    # The images of two keys that have no text are compared all the same.
    assert writer.execute(f"update item set m = '{WORSE}' where id = 1").statusmessage == "UPDATE 1"
    assert writer.execute("delete from item").statusmessage == "DELETE 2"
    name = lambda text, id: {"id": id, "m": text} if compound else {"m": text}
    bad, good = name("", 1), name(RENDERED, 2)
    got = events(owner, session)
    assert [(event["type"], event["key"], event.get("payload"), event.get("unrenderable")) for event in got] == [
        ("row_insert", bad, {"id": 1, "n": 1}, ["m"]), ("row_insert", good, {"m": RENDERED, "id": 2, "n": 1}, None),
        ("field_update", bad, {"n": 2}, None), ("field_update", good, {"n": 2}, None),
        ("row_delete", bad, None, None), ("row_insert", bad, {"id": 1, "n": 2}, ["m"]),
        ("row_delete", good, None, None), ("row_delete", bad, None, None)]
    for event in got:
        texts = event["row_id"]["pk_values"][1:] if compound else [event["row_id"]["pk_value"]]
        assert texts == [event["key"]["m"]]
    assert listener.events() == got
    every_reader_reads(owner, session)
    # By its key, such a row cannot be subscribed to.
    literal = f"""jsonb_build_object('id', 1, 'm', '{BAD}')""" if compound else f"'{BAD}'::text"
    with pytest.raises(Exception, match="not of its type"):
        owner.execute(f"select event.subscribe_row('item', {literal}, session_id => %s)", (session,))


def test_max_value_counts_bytes(connect, owner):
    """Exactly reldiff.max_value is told; so is a key, however long it is."""
    owner.execute("create table item (id text primary key, v text, b bytea, l text[])")
    session = new_session(owner, "item", format="compact")
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    writer.execute("set reldiff.max_value = '1kB'")
    long_key = "k" * 2000
    writer.execute("insert into item values (%s, %s, null, null)", (long_key, "x" * 1024))
    writer.execute("update item set v = %s", ("x" * 1025,))
    writer.execute("update item set v = %s", ("é" * 512,))
    writer.execute("update item set v = %s", ("é" * 512 + "x",))
    writer.execute("update item set v = null, b = %s, l = %s", (b"x" * 1024, ["x" * 1100]))
    writer.execute("delete from item")
    assert told(owner, session) == [
        ("row_insert", None, {"id": long_key, "v": "x" * 1024, "b": None, "l": None}, None),
        ("field_update", "v", {}, ["v"]), ("field_update", "v", {"v": "é" * 512}, None), ("field_update", "v", {}, ["v"]),
        ("field_update", "v", {"v": None}, None), ("field_update", "b", {"b": "\\x" + "78" * 1024}, None),
        ("field_update", "l", {}, ["l"]),
        ("row_delete", None, None, None)]
    assert {json_key["id"] for json_key in (event["key"] for event in events(owner, session))} == {long_key}
    every_reader_reads(owner, session)
