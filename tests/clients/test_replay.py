"""Random changes by several clients at once, and a reader that pages along: its copy equals the table."""

import random
import threading
from collections import Counter

import psycopg
import pytest

from replay import Copy, Feed, enough, page, seed
from shape_tables import ITEM
from test_attach import in_threads
from wire import new_session, parse
from writer import FUNCTIONS, OUTBOX, Writer

CLIENTS = 3
MINIMUM = {"transactions": 1000, "key moves": 100, "rolled-back savepoints": 100, "undone blocks": 100, "re-inserts": 100,
           "upserts": 100, "deletes": 100, "truncates": 5}


def test_p09_copy_equals_table(dsn, connect):
    number = seed()
    owner = connect()
    owner.execute(FUNCTIONS)
    owner.execute(ITEM.setup)
    feed = Feed(new_session(owner, ITEM.name, notify="off"), Copy(ITEM.name, ITEM.key))
    writers = [Writer(dsn, [ITEM], f"{number} {name}", OUTBOX) for name in range(CLIENTS)]
    pages, done = Counter(), threading.Event()

    def reading():
        choose = random.Random(f"{number} reader")
        with psycopg.connect(dsn, autocommit=True) as connection:
            while True:
                finished = done.is_set()
                rows = feed.read(connection, choose.choice([1, 7, 50, 1000]))
                pages["while they write" if not finished else "afterwards"] += bool(rows)
                if finished and not rows:
                    return

    def writing():
        try:
            in_threads(*[lambda writer=writer: writer.run(MINIMUM["transactions"] // CLIENTS + 100) for writer in writers])
        finally:
            done.set()

    in_threads(reading, writing)

    feed.compare(owner)
    # P8: the order is the same for a reader that comes later and reads it all at once.
    rows = page(owner, feed.session, None, 10_000_000)
    assert [text for _, text, _, _ in rows] == feed.texts
    # Plain comparison of cursors as text is the order of the feed.
    cursors = [cursor for cursor, _, _, _ in rows]
    assert sorted(cursors) == cursors and len(set(cursors)) == len(cursors)
    print(dict(feed.counts), f"of {feed.transactions} transactions, pages {dict(pages)}")
    enough(sum((writer.counts for writer in writers), Counter()), MINIMUM)
    assert pages["while they write"] >= 20


def places(connection, options: str) -> Feed:
    """Rows 1 to 5 and a session that hears of them."""
    connection.execute(f"create table place (id integer primary key {options}, v text)")
    connection.execute("insert into place select n, 'row ' || n from generate_series(1, 5) n")
    return Feed(new_session(connection, "place"), Copy("public.place", ["id"]).start(connection))


def test_p07_keys_that_change_places(connect):
    """Rows that move into each other's keys in one statement: the events apply one by one without a clash."""
    owner = connect()
    feed = places(owner, "deferrable")
    writer = connect()
    with writer.transaction():
        writer.execute("update place set id = id + 1")
        writer.execute("update place set id = case id when 2 then 3 else 2 end where id in (2, 3)")
        writer.execute("update place set id = id - 1, v = v || '!'")
    feed.read(owner, 1000)
    feed.compare(owner)
    assert feed.copies["public.place"].rows["1",]["v"] == '"row 2!"'


@pytest.mark.parametrize("memory", ["64kB", "8MB"])
def test_p07_trigger_that_makes_room_for_thousands(connect, memory):
    """Each row's BEFORE trigger deletes the row that has its key: an insert comes after its delete, however many there are."""
    owner = connect()
    feed = places(owner, "")
    owner.execute("insert into place select n, 'row ' || n from generate_series(6, 3000) n")
    owner.execute("create function make_room() returns trigger language plpgsql as "
                  "$$ begin delete from place where id = new.id; return new; end $$")
    owner.execute("create trigger make_room before insert on place for each row execute function make_room()")
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    with writer.transaction():
        writer.execute(f"set local reldiff.outbox_memory = '{memory}'")
        # Each key twice: it makes room for itself, too.
        writer.execute("insert into place select n % 3000 + 1, 'new ' || n from generate_series(1, 6000) n")
    while feed.read(owner, 10_000):
        pass
    feed.compare(owner)


def test_p07_changes_of_a_trigger_come_after_what_caused_them(connect):
    """A user's trigger that changes rows of the statement that fired it."""
    owner = connect()
    owner.execute("create table item (id integer primary key, v text)")
    owner.execute("create function touch() returns trigger language plpgsql as "
                  "$$ begin update item set v = v || '!' where id = new.id; return null; end $$")
    # Its name comes before ours: it fires first.
    owner.execute("create trigger a_touch after insert on item for each row execute function touch()")
    session = new_session(owner, "item")
    connect().execute("insert into item values (1, 'a'), (2, 'b')")
    got = [parse(text) for _, text, _, _ in page(owner, session, None, 100)]
    assert [(event["type"], event["key"]["id"]) for event in got] == [
        ("row_insert", 1), ("row_insert", 2), ("field_update", 1), ("field_update", 2)]
    assert [event["payload"]["v"] for event in got] == ["a", "b", "a!", "b!"]
