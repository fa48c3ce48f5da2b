"""Who gets what: the four granularities, alone and together."""

import uuid

import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from wire import Listener, events, inbox, new_session, parse, row_id, without_stamps

TABLE = "create table person (id integer primary key, name text, score integer)"
ROWS = "insert into person values (1, 'Joe Smith', 15), (2, 'Don Jones', 12)"


@pytest.fixture
def person(connect):
    connection = connect()
    connection.execute(TABLE)
    connection.execute(ROWS)
    return connection


def change(connection) -> None:
    """Every kind of change, to the row 1 and to others."""
    connection.execute("insert into person values (3, 'Sandy Hill', 16)")
    connection.execute("update person set name = 'Joe Jones', score = 16 where id = 1")
    connection.execute("update person set name = 'Don Smith', score = 13 where id = 2")
    connection.execute("delete from person where id = 2")
    connection.execute("delete from person where id = 1")


def insert(id, /, **values):
    return ("row_insert", id, None, values)


def update(id, /, **values):
    return ("field_update", id, *values, values)


def delete(id):
    return ("row_delete", id, None, None)


GRANULARITIES = {
    "table": (
        "select event.subscribe_table('person', session_id => %s)",
        [insert(3, id=3, name="Sandy Hill", score=16), update(1, name="Joe Jones"), update(1, score=16),
         update(2, name="Don Smith"), update(2, score=13), delete(2), delete(1)]),
    "column": (
        "select event.subscribe_column('person', 'score', session_id => %s)",
        [insert(3, id=3, score=16), update(1, score=16), update(2, score=13), delete(2), delete(1)]),
    "row": (
        "select event.subscribe_row('person', 1, session_id => %s)",
        [update(1, name="Joe Jones"), update(1, score=16), delete(1)]),
    "field": (
        "select event.subscribe_field('person', 1, 'score', session_id => %s)",
        [update(1, score=16), delete(1)]),
}


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_p07_granularity(connect, person, granularity):
    """Each granularity gets its events, in the order in which the changes were made, and no others."""
    call, expected = GRANULARITIES[granularity]
    session = new_session(person)
    listener = Listener(connect()).listen(session)
    person.execute(call, (session,))
    change(connect())
    heard = listener.payloads()
    got = [parse(text) for _, text in heard]
    assert [(event["type"], event["key"]["id"], event.get("column"), event.get("payload")) for event in got] == expected
    assert {event["subscription_type"] for event in got} == {granularity}
    assert [text for _, text in heard] == inbox(person, session)


def test_p07_sessions_are_apart(connect, person):
    """Two sessions at once: each hears its own subscriptions only, on its own channel."""
    by_row, by_field = new_session(person), new_session(person)
    person.execute("select event.subscribe_row('person', 1, session_id => %s)", (by_row,))
    person.execute("select event.subscribe_field('person', 2, 'score', session_id => %s)", (by_field,))
    listener = Listener(connect()).listen(by_row).listen(by_field)
    writer = connect()
    with writer.transaction():
        writer.execute("update person set name = 'x', score = 0")
    heard = [(channel, parse(text)) for channel, text in listener.payloads()]
    assert [(event["key"]["id"], event["column"], event.get("last")) for channel, event in heard if channel == by_row] == [
        (1, "name", None), (1, "score", True)]
    assert [(event["key"]["id"], event["column"], event.get("last")) for channel, event in heard if channel == by_field] == [
        (2, "score", True)]


def test_p07_several_subscriptions_one_event(connect, person):
    """A change that several subscriptions of a session match comes once; the first of table, column, row, field is named."""
    session = new_session(person)
    person.execute("select event.subscribe_field('person', 1, 'score', session_id => %s)", (session,))
    person.execute("select event.subscribe_row('person', 1, session_id => %s)", (session,))
    person.execute("select event.subscribe_column('person', 'score', session_id => %s)", (session,))
    writer = connect()
    writer.execute("update person set name = 'x', score = 0 where id = 1")
    assert [(event["column"], event["subscription_type"]) for event in events(person, session)] == [
        ("name", "row"), ("score", "column")]

    person.execute("select event.subscribe_table('person', session_id => %s)", (session,))
    cursor = events(person, session)[-1]["cursor"]
    writer.execute("insert into person values (4, 'y', 1)")
    writer.execute("update person set score = 2 where id = 1")
    got = events(person, session, cursor)
    assert [(event["type"], event["subscription_type"]) for event in got] == [
        ("row_insert", "table"), ("field_update", "table")]
    assert got[0]["payload"] == {"id": 4, "name": "y", "score": 1}


def test_p07_subscribing_twice(connect, person):
    """The same definition again is the same subscription."""
    session = new_session(person)
    calls = ["event.subscribe_row('person', 1, session_id => %s)", "event.subscribe_row('person', '01', session_id => %s)",
             "event.subscribe_row('public.person'::regclass, '{\"id\":1}'::jsonb, session_id => %s)"]
    ids = {person.execute(f"select {call}", (session,)).fetchone() for call in calls}
    ids.add(person.execute("select event.subscribe_row(%s, meta.row_id('public', 'person', 'id', 1))", (session,)).fetchone())
    assert len(ids) == 1
    connect().execute("delete from person where id = 1")
    assert len(events(person, session)) == 1


def test_p05_table_without_a_key(connect, person):
    """It is refused when subscribing, with the command that helps."""
    session = new_session(person)
    person.execute("create table keyless (n integer)")
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as refused:
        person.execute("select event.subscribe_table('keyless', session_id => %s)", (session,))
    person.execute(refused.value.diag.message_hint)
    person.execute("select event.subscribe_table('keyless', session_id => %s)", (session,))


@pytest.mark.parametrize("first, second", [("row", "field"), ("field", "row")])
def test_p05_other_granularity_comes_later(connect, person, first, second):
    """A writer that knows the one kind of the subscriptions that name a row, and looks only for those, hears of the first of the other kind."""
    calls = {"row": "select event.subscribe_row('person', 1, session_id => %s)",
             "field": "select event.subscribe_field('person', 1, 'score', session_id => %s)"}
    early, late = new_session(person), new_session(person)
    person.execute(calls[first], (early,))
    writer = connect()
    writer.execute("update person set score = 1 where id = 1")
    person.execute(calls[second], (late,))
    writer.execute("update person set score = 2 where id = 1")
    writer.execute("update person set score = 3 where id = 2")
    told = [[(event["payload"], event["subscription_type"]) for event in events(person, session)] for session in (early, late)]
    assert told == [[({"score": 1}, first), ({"score": 2}, first)], [({"score": 2}, second)]]


def test_p05_row_subscription_outlives_the_row(connect, person):
    """The row need not exist; a later insert of the key sends nothing, later updates do."""
    session = new_session(person)
    person.execute("select event.subscribe_row('person', 9, session_id => %s)", (session,))
    writer = connect()
    writer.execute("insert into person values (9, 'a', 1)")
    assert events(person, session) == []
    writer.execute("update person set name = 'b' where id = 9")
    writer.execute("delete from person where id = 9")
    writer.execute("insert into person values (9, 'c', 2)")
    writer.execute("update person set score = 3 where id = 9")
    assert [(event["type"], event.get("payload")) for event in events(person, session)] == [
        ("field_update", {"name": "b"}), ("row_delete", None), ("field_update", {"score": 3})]


def test_p05_changed_key(connect, person):
    """A changed key is the delete of the old one and the insert of the new one."""
    table, row = new_session(person, "person"), new_session(person)
    person.execute("select event.subscribe_row('person', 1, session_id => %s)", (row,))
    connect().execute("update person set id = 7, score = 20 where id = 1")
    deleted, inserted = events(person, table)
    assert without_stamps(deleted)["type"] == "row_delete" and deleted["key"] == {"id": 1}
    assert deleted["row_id"] == row_id("1")
    assert inserted["type"] == "row_insert" and inserted["key"] == {"id": 7}
    assert inserted["payload"] == {"id": 7, "name": "Joe Smith", "score": 20}
    assert [(event["type"], event["key"]) for event in events(person, row)] == [("row_delete", {"id": 1})]


def test_p05_compound_key(connect):
    connection = connect()
    connection.execute('create schema "Shop"')
    connection.execute('create table "Shop"."Order Line" ("order" integer, line text, qty integer, primary key (line, "order"))')
    session = new_session(connection)
    connection.execute("select event.subscribe_table(%s, meta.relation_id('Shop', 'Order Line'))", (session,))
    connect().execute('insert into "Shop"."Order Line" values (7, $$a"b$$, 2)')
    event, = events(connection, session)
    assert event["relation"] == '"Shop"."Order Line"'
    assert event["key"] == {"line": 'a"b', "order": 7}
    # The key's columns are in key order.
    assert event["row_id"] == {"schema_name": "Shop", "relation_name": "Order Line",
                               "pk_column_names": ["line", "order"], "pk_values": ['a"b', "7"]}


def test_p03_unchanged_fields_send_nothing(connect, person):
    """A field_update is sent iff what is stored differs: 1.0 and 1.00 do, an update to the same value does not."""
    person.execute("create table price (id integer primary key, amount numeric, note text)")
    person.execute("insert into price values (1, 1.0, 'x')")
    session = new_session(person, "price")
    writer = connect()
    writer.execute("update price set amount = amount, note = 'x'")
    assert events(person, session) == []
    writer.execute("update price set amount = 1.00")
    rows = person.execute("select value::text, old_value::text from event.events(%s)", (session,)).fetchall()
    assert rows == [("1.00", "1.0")]


def test_p02_every_way_to_write(connect, person):
    """COPY, upsert, MERGE, foreign-key actions, updatable views, and a replica's apply."""
    person.execute("create table pet (id integer primary key, owner integer references person on delete cascade on update cascade)")
    person.execute("create view adult as select id, name from person where score >= 12")
    session = new_session(person, "person", "pet")
    writer = connect()
    steps = [
        ("copy", None, [("row_insert", {"id": 10}), ("row_insert", {"id": 11})]),
        ("upsert", "insert into person values (10, 'u', 20), (12, 'v', 20) on conflict (id) do update set score = excluded.score",
         [("field_update", {"id": 10}), ("row_insert", {"id": 12})]),
        ("merge", "merge into person using (values (12, 'm'), (13, 'n')) s(id, name) on person.id = s.id "
                  "when matched then delete when not matched then insert values (s.id, s.name, 30)",
         [("row_delete", {"id": 12}), ("row_insert", {"id": 13})]),
        ("view", "update adult set name = 'w' where id = 13", [("field_update", {"id": 13})]),
        ("pets", "insert into pet values (1, 1), (2, 1)", [("row_insert", {"id": 1}), ("row_insert", {"id": 2})]),
        ("cascaded update", "update person set id = 20 where id = 1",
         [("row_delete", {"id": 1}), ("row_insert", {"id": 20}), ("field_update", {"id": 1}), ("field_update", {"id": 2})]),
        ("cascaded delete", "delete from person where id = 20",
         [("row_delete", {"id": 20}), ("row_delete", {"id": 1}), ("row_delete", {"id": 2})]),
        ("replica", "set session_replication_role = replica; delete from person where id = 13", [("row_delete", {"id": 13})]),
    ]
    cursor = None
    for name, statement, expected in steps:
        if name == "copy":
            with writer.cursor().copy("copy person from stdin") as copy:
                copy.write_row((10, "c", 1))
                copy.write_row((11, "d", 2))
        else:
            writer.execute(statement)
        got = events(person, session, cursor)
        assert [(event["type"], event["key"]) for event in got] == expected, name
        cursor = got[-1]["cursor"]


def test_ten_thousand_row_subscriptions(connect):
    """In one session, made by the driver with bound parameters of every kind of key: only those rows' events come."""
    connection = connect()
    connection.execute("create table by_int (id integer primary key, n integer)")
    connection.execute("create table by_text (id text primary key, n integer)")
    connection.execute("create table by_uuid (id uuid primary key, n integer)")
    connection.execute("create table by_two (a integer, b text, n integer, primary key (a, b))")
    connection.execute("create table by_array (a integer, b integer, n integer, primary key (b, a))")
    uuids = [uuid.UUID(int=n) for n in range(4000)]
    connection.execute("insert into by_int select n, 0 from generate_series(0, 7999) n")
    connection.execute("insert into by_text select 'key ' || n, 0 from generate_series(0, 3999) n")
    connection.cursor().executemany("insert into by_uuid values (%s, 0)", [(u,) for u in uuids])
    connection.execute("insert into by_two select n, 'b' || n, 0 from generate_series(0, 1999) n")
    connection.execute("insert into by_array select n, -n, 0 from generate_series(0, 1999) n")
    session = new_session(connection)
    # Every other row.
    keys = {
        "by_int": list(range(0, 8000, 2)),
        "by_text": [f"key {n}" for n in range(0, 4000, 2)],
        "by_uuid": uuids[::2],
        "by_two": [Jsonb({"b": f"b{n}", "a": n}) for n in range(0, 2000, 2)],
        "by_array": [[-n, n] for n in range(0, 2000, 2)],
    }
    assert sum(map(len, keys.values())) == 10_000
    with connection.transaction():
        for table, of_table in keys.items():
            connection.cursor().executemany("select event.subscribe_row(%s, %s, session_id => %s)",
                                            [(table, key, session) for key in of_table])
    assert connection.execute("select count(*) from event.subscription where session_id = %s", (session,)).fetchone() == (10_000,)

    writer = connect()
    for table in keys:
        writer.execute(f"update {table} set n = n + 1")
    writer.execute("delete from by_int where id in (6, 7)")

    got = events(connection, session)
    assert {event["type"] for event in got[:-1]} == {"field_update"}
    assert (got[-1]["type"], got[-1]["key"]) == ("row_delete", {"id": 6})
    by_table = {table: sorted(tuple(event["key"].items()) for event in got[:-1] if event["relation"] == f"public.{table}")
                for table in keys}
    assert by_table == {
        "by_int": [(("id", n),) for n in range(0, 8000, 2)],
        "by_text": sorted((("id", f"key {n}"),) for n in range(0, 4000, 2)),
        "by_uuid": [(("id", str(u)),) for u in uuids[::2]],
        "by_two": [(("a", n), ("b", f"b{n}")) for n in range(0, 2000, 2)],
        "by_array": sorted((("b", -n), ("a", n)) for n in range(0, 2000, 2)),
    }


@pytest.mark.parametrize("change", [None, "analyze event.session_definition"])
def test_p11_a_writer_that_looks_for_our_tables_anew(connect, change):
    """What it hears meanwhile of a subscription is not forgotten."""
    owner, writer = connect(), connect(autocommit=False)
    owner.execute("create table item (id integer primary key, v text); create table fresh (id integer)")
    owner.execute("insert into item select n from generate_series(1, 3) n")
    new_session(owner, "item")
    writer.prepare_threshold = 0
    update = "update item set v = 'x' where id = %s"
    writer.execute(update, (1,))
    writer.commit()
    writer.execute(update, (1,))
    if change:
        owner.execute(change)
    writer.execute("select count(*) from fresh")
    session = new_session(owner)
    owner.execute("select event.subscribe_column('item', 'v', session_id => %s)", (session,))
    writer.execute(update, (2,))
    writer.commit()
    writer.execute("update item set v = 'y' where id = 3")
    writer.commit()
    assert [event["key"]["id"] for event in events(owner, session)][-1] == 3
