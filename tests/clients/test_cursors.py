"""Cursors: exclusive, exact and ordered; wrong ones are errors; acknowledging by many connections at once."""

import random
import threading
from contextlib import nullcontext

import psycopg
import pytest
from psycopg import errors

from load import in_threads
from modes import both_modes, settle
from replay import seed
from unplaced import without_places
from wire import events, new_session

pytestmark = both_modes

AFTER = "select cursor from event.events(%s, %s, %s)"


@pytest.fixture
def item(connect):
    connection = connect()
    connection.execute("create table item (id integer primary key, a integer, b integer)")
    return connection


@pytest.fixture(params=["with places", "without places"])
def writing(request, dsn, item):
    """While somebody writes; also where all is committed without a place."""
    return nullcontext() if request.param == "with places" else without_places(dsn, item)


def cursors_of(connection, session, after=None, most=1_000_000) -> list:
    settle(connection)
    return [cursor for cursor, in connection.execute(AFTER, (session, after, most))]


def test_p14_exclusive_exact_and_ordered(item, writing):
    """Commands, rows, fields and transactions past 9, 10 and 100: after each cursor comes exactly what is behind it."""
    session = new_session(item, "item", notify="off")
    with writing:
        with item.transaction():
            for n in range(120):
                item.execute("insert into item values (%s, 0, 0)", (n,))
        item.execute("update item set a = 1, b = 1")
        with item.transaction():
            item.execute("delete from item where id < 105")
        for n in range(120, 230):
            item.execute("insert into item values (%s, 0, 0)", (n,))
    whole = cursors_of(item, session)
    assert len(whole) == 120 + 240 + 105 + 110
    assert sorted(set(whole)) == whole
    for at, cursor in enumerate(whole):
        assert cursors_of(item, session, cursor, 3) == whole[at + 1:at + 4]
    for size in (1, 9, 10, 11, 99, 100, 101):
        got, after = [], item.execute("select rpad('0001', 50, '0')").fetchone()[0]
        while page := cursors_of(item, session, after, size):
            assert len(page) <= size
            got, after = got + page, page[-1]
        assert got == whole


def test_p09_pages_of_several_tables(item, writing):
    """A session hears of one table more often than of another, and more than is looked up at a time."""
    item.execute("create table rare (id integer primary key)")
    session = new_session(item, "item", "rare", notify="off")
    # Other recipients make it another set.
    new_session(item, "rare", notify="off")
    with writing:
        item.execute("""
            do $$
            begin
                for n in 1..1500 loop
                    insert into item values (n, 0, 0);
                    commit;
                    if n % 3 = 0 then
                        insert into rare values (n);
                        commit;
                    end if;
                end loop;
            end
            $$""")
    settle(item)
    expected = [(table, str(n)) for n in range(1, 1501) for table in ("item", "rare") if table == "item" or n % 3 == 0]
    for size in (7, 700, 1000, 1999, 5000):
        got, after = [], item.execute("select rpad('0001', 50, '0')").fetchone()[0]
        while page := item.execute("select cursor, relation, key->>'id' from event.events(%s, %s, %s)", (session, after, size)).fetchall():
            got += [(relation.removeprefix("public."), id) for _, relation, id in page]
            after = page[-1][0]
        assert got == expected, size


CALLS = ["select count(*) from event.events(%(session)s, %(cursor)s)", "select event.feed(%(session)s, %(cursor)s)",
         "select count(*) from event.diff(%(session)s, %(cursor)s)", "select event.ack(%(cursor)s, %(session)s)",
         "select count(*) from event.wait_events(%(session)s, %(cursor)s, timeout => '0')",
         "select count(*) from event.events_of(array[%(session)s]::uuid[], %(cursor)s)"]


def refused(connection, session, cursor, error) -> None:
    for call in CALLS:
        with pytest.raises(error) as raised:
            connection.execute(call, {"session": session, "cursor": cursor})
        if error is errors.InvalidCursorState:
            assert raised.value.diag.message_hint == "SELECT event.cursor()"


def test_p14_garbage_is_malformed(connect, item):
    """22P02 for whatever no cursor looks like; no byte of a cursor can be left out, doubled or made another letter."""
    choose = random.Random(seed())
    session = new_session(item, "item")
    item.execute("insert into item values (1, 0, 0)")
    cursor, = cursors_of(item, session)
    garbage = ["", " ", "0", "null", "-1", "0/16B3748", "é" * 50, "é" * 25, "0x" + cursor[2:], cursor + " ", " " + cursor[1:], cursor + cursor,
               "0" * 49, "0" * 51, "0" * 100_000, cursor[:-1] + "\n", cursor[:-1] + "+", cursor[:-1] + "\u0661"]
    for _ in range(30):
        at = choose.randrange(50)
        garbage += [cursor[:at] + cursor[at + 1:], cursor[:at] + cursor[at] + cursor[at:], cursor[:at] + choose.choice("gGAF.zZ'\"\\") + cursor[at + 1:]]
    for text in garbage:
        refused(item, session, text, errors.InvalidTextRepresentation)


def test_p14_foreign_cursors_are_unknown(connect, item):
    """24000 for cursors of another database, and for positions and nonces that nobody gave out."""
    session = new_session(item, "item")
    for n in range(3):
        item.execute("insert into item values (%s, 0, 0)", (n,))
    whole = cursors_of(item, session)
    name = f"{item.info.dbname}_foreign"
    item.execute(f"create database {name} template template0")
    with connect(f"dbname={name}") as other:
        other.execute("create extension pg_reldiff")
        other.execute("create table item (id integer primary key, a integer, b integer)")
        theirs = new_session(other, "item")
        other.execute("insert into item values (1, 0, 0)")
        foreign = cursors_of(other, theirs)
        for cursor in whole:
            refused(other, theirs, cursor, errors.InvalidCursorState)
        # The end of a transaction, which is an end for every reader, is as foreign.
        foreign += other.execute("select event.cursor()").fetchone()
    item.execute(f"drop database {name} with (force)")
    position, nonce = whole[1][:20], whole[1][-8:]
    made_up = [f"{whole[1][:4]}{int(whole[1][4:20], 16) + step:016x}{whole[1][20:]}" for step in (-1, 1)]
    made_up += [f"{whole[1][:-8]}{int(nonce, 16) ^ bit:08x}" for bit in (1, 1 << 31)]
    # Another transaction's nonce, another epoch, the end of the world, and what is nobody's beginning.
    made_up += [whole[1][:-8] + whole[0][-8:], "0002" + whole[1][4:], "0000" + whole[1][4:], "f" * 50, "0" * 50, "0002" + "0" * 46,
                f"{position}{'0' * 22}{'0' * 8}"]
    for cursor in [*foreign, *made_up]:
        refused(item, session, cursor, errors.InvalidCursorState)
    # The other way round nothing has been lost.
    assert cursors_of(item, session) == whole


def test_p14_made_up_place_in_a_real_transaction(item):
    """A position with its nonce is known, so it is a place in that transaction: what is behind it comes, and nothing before it.

    Whoever makes up a place between two events loses none of the events behind it; nobody gets such a cursor from us.
    """
    session = new_session(item, "item")
    with item.transaction():
        item.execute("insert into item values (1, 0, 0), (2, 0, 0), (3, 0, 0)")
        item.execute("update item set a = 1, b = 1")
    item.execute("insert into item values (4, 0, 0)")
    whole = cursors_of(item, session)
    assert len(whole) == 3 + 6 + 1
    position, nonce = whole[0][:20], whole[0][-8:]
    ordinals = {"0" * 22, "f" * 22, *(cursor[20:42] for cursor in whole[:-1])}
    ordinals |= {f"{max(0, int(ordinal, 16) + step):022x}" for ordinal in list(ordinals) for step in (-1, 1) if len(f"{int(ordinal, 16) + step:x}") <= 22}
    assert len(ordinals) > 20
    for ordinal in ordinals:
        cursor = position + ordinal + nonce
        assert cursors_of(item, session, cursor) == [one for one in whole if one > cursor]
    # Acknowledged, it is the place it names.
    between = f"{position}{int(whole[4][20:42], 16) + 1:022x}{nonce}"
    assert whole[4] < between < whole[5]
    assert item.execute("select event.ack(%s, %s)", (between, session)).fetchone() == (5,)
    assert cursors_of(item, session) == whole[5:]


def test_p10_cursor_of_each_kind_of_call_is_the_same(item):
    """A cursor of one reading function is good for each of the others, of another session, and of a time."""
    session, other = new_session(item, "item"), new_session(item, "item")
    for n in range(5):
        item.execute("insert into item values (%s, 0, 0)", (n,))
    whole = cursors_of(item, session)
    assert cursors_of(item, other) == whole
    page, = item.execute("select event.feed(%s, null, 3)->>'cursor'", (session,)).fetchone()
    assert page == whole[2]
    waited = [cursor for cursor, in item.execute("select cursor from event.wait_events(%s, %s)", (other, page))]
    assert waited == whole[3:]
    end, = item.execute("select event.cursor()").fetchone()
    assert whole[-1] < end and cursors_of(item, session, end) == []
    item.execute("insert into item values (9, 0, 0)")
    settle(item)
    assert [event["key"] for event in events(item, session, end)] == [{"id": 9}]


def test_p10_ack_by_many_connections(dsn, connect, item):
    """Each acknowledges at random, many at once: the position never moves back, and ends at the greatest."""
    number = seed()
    session = new_session(item, "item", notify="off")
    for n in range(200):
        item.execute("insert into item values (%s, 0, 0)", (n,))
    whole = cursors_of(item, session)
    greatest, positions, done = [], [], threading.Event()

    def acknowledging(name):
        def work():
            choose = random.Random(f"{number} {name}")
            with psycopg.connect(dsn, autocommit=True) as connection:
                for n in range(60):
                    # All of them come along, so that each moves the position every now and then.
                    cursor = whole[max(0, 3 * n + choose.randint(-10, 10))]
                    roll_back = choose.random() < 0.3
                    with connection.transaction(force_rollback=roll_back):
                        if choose.random() < 0.3:
                            connection.execute("set transaction isolation level repeatable read")
                        pending, = connection.execute("select event.ack(%s, %s)", (cursor, session)).fetchone()
                    # It counts what is behind the position, which another one may have moved further.
                    assert pending <= len(whole) - 1 - whole.index(cursor)
                    if not roll_back:
                        greatest.append(cursor)
        return work

    def watching():
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not done.is_set():
                positions.append(connection.execute("select acknowledged from event.session where id = %s", (session,)).fetchone()[0])

    def all_of_them():
        try:
            in_threads(*[acknowledging(name) for name in "abcd"])
        finally:
            done.set()

    in_threads(all_of_them, watching)
    seen = [position for position in positions if position is not None]
    assert seen == sorted(seen) and len(set(seen)) > 2
    assert item.execute("select acknowledged from event.session where id = %s", (session,)).fetchone() == (max(greatest),)
    assert cursors_of(item, session) == whole[whole.index(max(greatest)) + 1:]
    print(f"{len(greatest)} committed, {len(set(seen))} positions seen")
    assert len(greatest) > 100
