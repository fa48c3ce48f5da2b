"""The example that opens the README, heard in the two ways there are to listen."""

import re

import pytest

from wire import Listener, inbox, parse, row_id, without_stamps

FULL = {"subscription_type": "table", "relation": "public.person"}

EXPECTED = [
    {**FULL, "type": "row_insert", "operation": "insert", "row_id": row_id("5"), "key": {"id": 5},
     "payload": {"id": 5, "name": "Don Pablo", "score": 14}, "last": True},
    {**FULL, "type": "field_update", "operation": "update", "row_id": row_id("3"), "key": {"id": 3},
     "column": "name", "payload": {"name": "Sandy Jones"}},
    {**FULL, "type": "field_update", "operation": "update", "row_id": row_id("3"), "key": {"id": 3},
     "column": "score", "payload": {"score": 19}, "last": True},
    {**FULL, "type": "row_delete", "operation": "delete", "row_id": row_id("4"), "key": {"id": 4}, "last": True},
]

# The keys that `compact` leaves out.
FULL_ONLY = ("operation", "subscription_type", "row_id", "xid")

CHANGES = [
    "insert into person (name, score) values ('Don Pablo', 14)",
    "update person set name='Sandy Jones', score=score+3 where id=3",
    "delete from person where id=4",
]


def set_up(connection, options="") -> str:
    connection.execute("set search_path = public, event")
    connection.execute("create table person (id serial primary key, name text, score integer)")
    connection.execute("insert into person (name, score) values "
                       "('Joe Smith',15),('Don Jones',12),('Sandy Hill',16),('Nancy Makowsky',9)")
    session, = connection.execute(f"select session_create({options})").fetchone()
    connection.execute("select subscribe_table(meta.relation_id('public','person'))")
    return str(session)


def change(connection) -> list:
    """Makes the changes and returns the xid of each event's transaction."""
    xids = []
    for statement in CHANGES:
        with connection.transaction():
            connection.execute(statement)
            xid, = connection.execute("select pg_current_xact_id()::text").fetchone()
        xids.append(xid)
    return [xids[0], xids[1], xids[1], xids[2]]


@pytest.mark.parametrize("own_listen", [False, True], ids=["session_create", "driver_listen"])
def test_p01_worked_example(connect, own_listen):
    owner, writer = connect(), connect()
    session = set_up(owner)
    listener = Listener(connect()).listen(session) if own_listen else Listener(owner)

    xids = change(writer)

    heard = listener.payloads()
    assert [channel for channel, _ in heard] == [session] * 4
    events = [parse(text) for _, text in heard]
    assert [without_stamps(event) for event in events] == EXPECTED
    assert [event["xid"] for event in events] == xids
    assert [text for _, text in heard] == inbox(owner, session)
    assert listener.payloads() == []


def test_p08_stamps_of_the_worked_example(connect):
    """cursor, xid and at are those of the columns of events(); cursors rise, at is one per transaction."""
    owner, writer = connect(), connect()
    session = set_up(owner)
    before, = owner.execute("select to_char(clock_timestamp() at time zone 'UTC', %s)", (AT,)).fetchone()
    change(writer)
    after, = owner.execute("select to_char(clock_timestamp() at time zone 'UTC', %s)", (AT,)).fetchone()

    rows = owner.execute(
        "select event, cursor, xid::text, to_char(at at time zone 'UTC', %s), type, relation, key, column_name, subscription_type "
        "from event.events(%s)", (AT, session)).fetchall()
    for event, cursor, xid, at, kind, relation, key, column, subscription in rows:
        assert (event["cursor"], event["xid"], event["at"]) == (cursor, xid, at)
        assert (event["type"], event["relation"], event["key"], event.get("column")) == (kind, relation, key, column)
        assert event["subscription_type"] == subscription
        assert re.fullmatch("[0-9a-f]{50}", cursor)
    cursors, times = [row[1] for row in rows], [row[3] for row in rows]
    assert cursors == sorted(set(cursors))
    assert [before, *times, after] == sorted([before, *times, after])
    assert times[1] == times[2]


AT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


def test_p01_values_of_the_worked_example(connect):
    """The whole row of an insert; the new and the old value of a field."""
    owner = connect()
    session = set_up(owner)
    change(connect())
    rows = owner.execute("select type, column_name, value, old_value from event.events(%s)", (session,)).fetchall()
    assert rows == [
        ("row_insert", None, {"id": 5, "name": "Don Pablo", "score": 14}, None),
        ("field_update", "name", "Sandy Jones", "Sandy Hill"),
        ("field_update", "score", 19, 16),
        ("row_delete", None, None, None),
    ]


def test_p01_compact_format(connect):
    """`compact` has the flat keys only."""
    owner = connect()
    session = set_up(owner, "format => 'compact'")
    listener = Listener(owner)
    change(connect())
    heard = listener.payloads()
    assert [without_stamps(parse(text)) for _, text in heard] == [
        {key: value for key, value in event.items() if key not in FULL_ONLY} for event in EXPECTED]
    assert all("xid" not in parse(text) for _, text in heard)
    assert [text for _, text in heard] == inbox(owner, session)


def test_p10_reading_does_not_consume(connect):
    """Until it is acknowledged the same call gives the same events; ack is idempotent and never moves back."""
    owner = connect()
    session = set_up(owner)
    change(connect())
    first = inbox(owner, session)
    assert len(first) == 4 and inbox(connect(), session) == first
    cursors = [parse(text)["cursor"] for text in first]

    assert owner.execute("select event.ack(%s)", (cursors[1],)).fetchone() == (2,)
    assert inbox(owner, session) == first[2:]
    assert owner.execute("select event.ack(%s)", (cursors[1],)).fetchone() == (2,)
    assert owner.execute("select event.ack(%s)", (cursors[0],)).fetchone() == (2,)
    assert inbox(owner, session) == first[2:]
    assert inbox(owner, session, after=cursors[0]) == first[1:]
    assert owner.execute("select event.ack(%s)", (cursors[3],)).fetchone() == (0,)
    assert inbox(owner, session) == []


def test_p10_feed_pages(connect):
    """feed() has the same events, page by page; an empty page still has a cursor that works."""
    owner, writer = connect(), connect()
    session = set_up(owner)
    change(writer)
    whole = [parse(text) for text in inbox(owner, session)]
    paged, cursor, has_next = [], None, True
    while has_next:
        page, = owner.execute("select event.feed(%s, %s, 3)", (session, cursor)).fetchone()
        paged += page["events"]
        assert len(page["events"]) <= 3
        cursor, has_next = page["cursor"], page["has_next"]
    assert paged == whole

    empty, = owner.execute("select event.feed(%s, %s)", (session, cursor)).fetchone()
    assert (empty["events"], empty["has_next"]) == ([], False)
    writer.execute("delete from person where id = 1")
    page, = owner.execute("select event.feed(%s, %s)", (session, empty["cursor"])).fetchone()
    assert [(event["type"], event["key"]) for event in page["events"]] == [("row_delete", {"id": 1})]


def test_p09_cursor_of_now(connect):
    """Everything that commits after cursor() was called comes after it, and nothing that did before."""
    owner, writer = connect(), connect()
    session = set_up(owner)
    change(writer)
    now, = owner.execute("select event.cursor()").fetchone()
    assert inbox(owner, session, after=now) == []
    writer.execute("delete from person where id = 2")
    assert [event["key"] for event in map(parse, inbox(owner, session, after=now))] == [{"id": 2}]
