"""What is notified and what is not; whatever is not notified is in the inbox."""

import pytest

from client import Client
from wire import Listener, events, inbox, new_session, parse, without_stamps

# What NOTIFY takes, in bytes.
LIMIT = 7_999


@pytest.fixture
def item(connect):
    connection = connect()
    connection.execute("create table item (id text primary key, v text)")
    return connection


def followed(connect, owner, **options):
    session = new_session(owner, "item", **options)
    return session, Listener(connect()).listen(session)


def test_p03_equal_values_are_not_merged(connect, item):
    """A value that goes a, b, a, b in one transaction arrives as a, b, a, b."""
    item.execute("insert into item values ('k', 'start')")
    session, listener = followed(connect, item)
    writer = connect()
    with writer.transaction():
        for value in "abab":
            writer.execute("update item set v = %s where id = 'k'", (value,))
    heard = listener.events()
    assert [event["payload"] for event in heard] == [{"v": value} for value in "abab"]
    assert [event.get("last") for event in heard] == [None, None, None, True]


def test_p01_rolled_back_changes_leave_nothing(connect, item):
    """Transactions, savepoints and exception blocks that are rolled back."""
    session, listener = followed(connect, item)
    writer = connect()
    with writer.transaction(force_rollback=True):
        writer.execute("insert into item values ('transaction', '')")
    assert listener.payloads() == [] and inbox(item, session) == []

    with writer.transaction():
        writer.execute("insert into item values ('first', '')")
        with writer.transaction(force_rollback=True):
            writer.execute("insert into item values ('savepoint', '')")
            with writer.transaction():
                writer.execute("insert into item values ('released, but inside', '')")
        writer.execute("do $$ begin insert into item values ('block', ''); raise exception 'x'; exception when others then end $$")
        with writer.transaction():
            writer.execute("insert into item values ('released', '')")
        writer.execute("do $$ begin insert into item values ('kept block', ''); exception when others then end $$")
    heard = listener.events()
    assert [event["key"]["id"] for event in heard] == ["first", "released", "kept block"]
    assert events(item, session) == heard

    with writer.transaction():
        with writer.transaction(force_rollback=True):
            writer.execute("insert into item values ('all of it', '')")
    assert listener.payloads() == [] and len(inbox(item, session)) == 3


def test_p07_last_is_on_the_last_that_remains(connect, item):
    """`last` is on the last event of the transaction even if later changes were rolled back."""
    session, listener = followed(connect, item)
    writer = connect()
    with writer.transaction():
        writer.execute("insert into item values ('a', '')")
        writer.execute("insert into item values ('b', '')")
        with writer.transaction(force_rollback=True):
            writer.execute("insert into item values ('c', '')")
    assert [(event["key"]["id"], event.get("last")) for event in listener.events()] == [("a", None), ("b", True)]


CHARACTERS = {"ascii": "x", "two_bytes": "é", "three_bytes": "€", "emoji": "😀", "escaped": '"'}


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
@pytest.mark.parametrize("format", ["full", "compact"])
def test_p17_truncation_counts_bytes(connect, item, character, format):
    """An event of at most 7,999 bytes is notified whole; a longer one without payload, and the inbox has it whole."""
    session, listener = followed(connect, item, format=format)
    writer = connect()
    writer.execute("insert into item values ('k', '')")
    empty = len(listener.payloads()[0][1].encode())
    width = len(character.encode()) + (character == '"')
    room = (LIMIT - empty) // width
    values = ["x" * pad + character * count for count in range(room - 2, room + 3) for pad in range(width + 1)]
    for n, value in enumerate(values):
        writer.execute("insert into item values (%s, %s)", (chr(ord("A") + n), value))

    heard, whole = [text for _, text in listener.payloads()], inbox(item, session)[1:]
    assert len(heard) == len(whole) == len(values)
    lengths = {len(text.encode()) for text in whole}
    assert {LIMIT, LIMIT + 1} <= lengths
    for notified, text, value in zip(heard, whole, values):
        event = parse(text)
        assert event["payload"]["v"] == value
        if len(text.encode()) <= LIMIT:
            assert notified == text
        else:
            del event["payload"]
            assert parse(notified) == {**event, "truncated": True}
            assert len(notified.encode()) <= LIMIT


def test_p17_long_update_is_truncated_by_field(connect, item):
    """Only the field that is too long is truncated."""
    item.execute("alter table item add w text")
    item.execute("insert into item values ('k', '', '')")
    session, listener = followed(connect, item)
    connect().execute("update item set v = repeat('😀', 3000), w = 'short'")
    long, short = listener.events()
    assert (long["column"], long.get("truncated"), "payload" in long, "last" in long) == ("v", True, False, False)
    assert (short["column"], short["payload"], short["last"]) == ("w", {"w": "short"}, True)
    assert events(item, session)[0]["payload"] == {"v": "😀" * 3000}


@pytest.mark.parametrize("operation", ["insert", "update", "delete"])
def test_p17_key_too_long_for_a_notification(connect, item, operation):
    """A key that no notification can hold: the writer commits, a nudge comes, the inbox has the event."""
    key = "k" * 10_000
    if operation != "insert":
        item.execute("insert into item values (%s, 'a')", (key,))
    session, listener = followed(connect, item)
    connect().execute({"insert": "insert into item values (%s, 'a')", "update": "update item set v = 'b' where id = %s",
                       "delete": "delete from item where id = %s"}[operation], (key,))
    nudge, = listener.events()
    event, = events(item, session)
    assert event["key"] == {"id": key}
    assert nudge == {"type": "nudge", "cursor": event["cursor"], "count": 1}


def test_p12_long_key_between_others(connect, item):
    """Events before and after one that cannot be notified: a client that follows the recipe has each once, in order."""
    session = new_session(item, "item")
    seen = []
    client = Client(item.info.dsn, session, seen.append)
    client.connect()
    writer = connect()
    with writer.transaction():
        for key in ("a", "b" * 10_000, "c"):
            writer.execute("insert into item values (%s, '')", (key,))
    writer.execute("insert into item values ('z', '')")
    client.follow(lambda: (seen and seen[-1]["key"]["id"] == "z") or client.idle > 3)
    client.connection.close()
    assert [event["key"]["id"][:1] for event in seen] == ["a", "b", "c", "z"]


def transactions(connect) -> None:
    writer = connect()
    writer.execute("insert into item values ('a', '1')")
    with writer.transaction():
        writer.execute("insert into item values ('b', '1')")
        writer.execute("update item set v = '2'")
        writer.execute("delete from item where id = 'a'")


def test_p13_modes_of_notification(connect, item):
    """payload: one per event; nudge: one per transaction, without data; off: none. The inboxes are equal."""
    sessions = {notify: new_session(item, "item", notify=notify) for notify in ("payload", "nudge", "off")}
    listener = Listener(connect())
    for session in sessions.values():
        listener.listen(session)
    transactions(connect)
    heard = {notify: [] for notify in sessions}
    for channel, text in listener.payloads():
        heard[next(notify for notify, session in sessions.items() if session == channel)].append(parse(text))

    inboxes = {notify: events(item, session) for notify, session in sessions.items()}
    assert inboxes["payload"] == inboxes["nudge"] == inboxes["off"]
    assert [event["type"] for event in inboxes["off"]] == [
        "row_insert", "row_insert", "field_update", "field_update", "row_delete"]
    assert heard["payload"] == inboxes["payload"]
    assert heard["off"] == []
    # P13: a nudge carries no row data.
    assert heard["nudge"] == [{"type": "nudge", "cursor": inboxes["nudge"][0]["cursor"], "count": 1},
                              {"type": "nudge", "cursor": inboxes["nudge"][4]["cursor"], "count": 4}]


def insert(writer, count: int) -> None:
    writer.execute("insert into item select 'key ' || n, 'x' from generate_series(1, %s) n", (count,))


@pytest.mark.parametrize("limit, count, nudged", [(None, 1000, False), (None, 1001, True), (3, 3, False), (3, 4, True), (0, 1500, False)])
def test_notify_limit(connect, item, limit, count, nudged):
    """More than reldiff.notify_limit events for a session in a transaction: one nudge instead. 0 is unlimited."""
    session, listener = followed(connect, item)
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    if limit is not None:
        writer.execute(f"set reldiff.notify_limit = {limit}")
    insert(writer, count)
    heard, whole = listener.events(), events(item, session)
    assert len(whole) == count
    assert heard == ([{"type": "nudge", "cursor": whole[-1]["cursor"], "count": count}] if nudged else whole)


def test_notify_limit_is_per_session(connect, item):
    """A session with few events of a big transaction still gets them one by one."""
    many, listener = followed(connect, item)
    few = new_session(item)
    item.execute("select event.subscribe_row('item', 'key 2', session_id => %s)", (few,))
    listener.listen(few)
    insert(connect(), 1)
    listener.payloads()
    writer = connect()
    insert_more = "insert into item select 'key ' || n, 'x' from generate_series(2, 2000) n"
    with writer.transaction():
        writer.execute(insert_more)
        writer.execute("update item set v = 'y' where id = 'key 2'")
    heard = {channel: parse(text) for channel, text in listener.payloads()}
    assert (heard[many]["type"], heard[many]["count"]) == ("nudge", 2000)
    assert (heard[few]["type"], heard[few]["payload"]) == ("field_update", {"v": "y"})


def test_notify_bytes(connect, item):
    """Notifications of a transaction up to reldiff.notify_bytes; a nudge stands for the rest."""
    session, listener = followed(connect, item)
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    writer.execute("set reldiff.notify_bytes = '2kB'")
    insert(writer, 20)
    texts = [text for _, text in listener.payloads()]
    *heard, nudge = map(parse, texts)
    whole = events(item, session)
    assert len(whole) == 20
    assert heard == whole[:len(heard)] and 0 < len(heard) < 20
    assert sum(len(text.encode()) for text in texts[:-1]) <= 2048
    assert (nudge["type"], nudge["cursor"], nudge["count"]) == ("nudge", whole[-1]["cursor"], 20 - len(heard))

    writer.execute("set reldiff.notify_bytes = 0")
    writer.execute("delete from item where id = 'key 1'")
    assert [event["type"] for event in listener.events()] == ["nudge"]


@pytest.fixture
def busy_queue(connect):
    """The server's notification queue in use: a listener that sits in a transaction does not read it."""
    connection = connect()
    connection.execute("listen other")
    connection.execute("begin")
    connection.execute("select 1")
    sender = connect()
    for n in range(4):
        sender.execute("select pg_notify('other', %s)", (f"{n}" * 7000,))
    assert sender.execute("select pg_notification_queue_usage() > 0").fetchone() == (True,)
    yield
    connection.execute("rollback")


def test_p17_notify_queue_limit(connect, item, busy_queue):
    """Above reldiff.notify_queue_limit nothing is notified; the writer commits, the inbox has all."""
    session, listener = followed(connect, item)
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    writer.execute("set reldiff.notify_queue_limit = 0")
    insert(writer, 3)
    assert listener.payloads() == []
    assert len(events(item, session)) == 3
    assert item.execute("select count(*) from item").fetchone() == (3,)


def test_p17_writer_is_the_same_with_and_without(connect, item):
    """The command tag, lastval() and what RETURNING gives are those of an untracked table."""
    item.execute("create table serial_item (id serial primary key, v text)")
    session = new_session(item, "serial_item")
    writer = connect()
    with writer.transaction():
        cursor = writer.execute("insert into serial_item (v) values ('a'), ('b') returning id")
        assert (cursor.statusmessage, cursor.fetchall()) == ("INSERT 0 2", [(1,), (2,)])
        assert writer.execute("select lastval()").fetchone() == (2,)
        assert writer.execute("update serial_item set v = 'c'").statusmessage == "UPDATE 2"
        assert writer.execute("delete from serial_item where id = 1").statusmessage == "DELETE 1"
    assert writer.execute("select lastval()").fetchone() == (2,)
    assert len(events(item, session)) == 5


def test_p04_values_do_not_depend_on_the_writers_settings(connect, item):
    """The same stored value is the same JSON, whatever the writer has set."""
    item.execute("create table value (id integer primary key, t timestamptz, d date, f float8, b bytea, i interval, j json)")
    session = new_session(item, "value")
    row = "(%s, '2026-01-02 03:04:05.5+00', '2026-01-02', 0.1::float8 + 0.2::float8, '\\x00ff', '1 day 2 hours', '{\"a\":1, \"a\": 1.0}')"
    writer = connect()
    writer.execute(f"insert into value values {row}" % 1)
    for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'German'", "extra_float_digits = -10", "bytea_output = 'escape'",
                    "intervalstyle = 'iso_8601'"):
        writer.execute(f"set {setting}")
    writer.execute(f"insert into value values {row}" % 2)
    texts = [text for text, in item.execute("select value::text from event.events(%s)", (session,))]
    assert texts[1] == texts[0].replace('"id":1,', '"id":2,')
    assert texts[0] == ('{"id":1,"t":"2026-01-02T03:04:05.5+00:00","d":"2026-01-02","f":0.30000000000000004,"b":"\\\\x00ff",'
                        '"i":"1 day 02:00:00","j":{"a":1, "a": 1.0}}')


def test_max_value(connect, item):
    """A value above reldiff.max_value is left out and named; the writer commits."""
    session, listener = followed(connect, item)
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    writer.execute("set reldiff.max_value = '1kB'")
    writer.execute("insert into item values ('k', repeat('x', 1100))")
    writer.execute("update item set v = repeat('y', 1000)")
    writer.execute("update item set v = repeat('z', 1100)")
    heard = listener.events()
    assert [(event["payload"], event.get("unrenderable")) for event in heard] == [
        ({"id": "k"}, ["v"]), ({"v": "y" * 1000}, None), ({}, ["v"])]
    assert heard == events(item, session)
