"""Random changes by several clients at once, and a reader that pages along: its copy equals the table."""

import random
import threading
from collections import Counter

import psycopg

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


def test_p07_keys_that_change_places(connect):
    """Rows that move into each other's keys in one statement: the events apply one by one without a clash."""
    owner = connect()
    owner.execute("create table place (id integer primary key deferrable, v text)")
    owner.execute("insert into place select n, 'row ' || n from generate_series(1, 5) n")
    session = new_session(owner, "place")
    rows = {id: {"id": id, "v": f"row {id}"} for id in range(1, 6)}
    writer = connect()
    with writer.transaction():
        writer.execute("update place set id = id + 1")
        writer.execute("update place set id = case id when 2 then 3 else 2 end where id in (2, 3)")
        writer.execute("update place set id = id - 1, v = v || '!'")
    for _, text, _, _ in page(owner, session, None, 1000):
        event = parse(text)
        id = event["key"]["id"]
        if event["type"] == "row_delete":
            del rows[id]
        else:
            assert event["type"] == "row_insert" and id not in rows
            rows[id] = event["payload"]
    assert rows == {id: row for id, row in owner.execute("select id, to_json(place) from place")}
    assert rows[1]["v"] == "row 2!"


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
