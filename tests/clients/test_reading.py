"""Reading while others write: pages, two readers at once, and cursors as the plain text that they are to every language."""

import json
import os
import random
import shutil
import subprocess
import threading

import psycopg

from test_attach import in_threads
from wire import new_session

NODE = """
const cursors = JSON.parse(require("fs").readFileSync(0, "utf8"));
const rising = cursors.every((cursor, at) => at === 0 || cursors[at - 1] < cursor);
const sorted = cursors.map((_, at) => cursors[at * 7919 % cursors.length]).sort();
console.log(JSON.stringify({count: cursors.length, rising, same: sorted.every((cursor, at) => cursor === cursors[at])}));
"""


def in_javascript(cursors: list) -> dict:
    """What JavaScript says of them by its own comparison of strings."""
    node = os.environ.get("NODE") or shutil.which("node")
    assert node, "there is no Node.js"
    done = subprocess.run([node, "-e", NODE], input=json.dumps(cursors), text=True, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_p10_cursors_are_plain_text(connect):
    """Thousands of events, of many transactions, commands, rows and fields: their order is that of the texts, everywhere."""
    owner = connect()
    columns = [f"c{n}" for n in range(12)]
    owner.execute(f"create table wide (id integer primary key, {', '.join(f'{name} integer' for name in columns)})")
    session = new_session(owner, "wide", notify="off")
    for n in range(300):
        owner.execute("insert into wide (id) values (%s)", (n,))
    with owner.transaction():
        for n in range(120):
            owner.execute("delete from wide where id = %s", (n,))
            owner.execute("insert into wide (id) values (%s)", (n,))
        owner.execute(f"update wide set {', '.join(f'{name} = id' for name in columns)} where id < 200")
    owner.execute("set reldiff.outbox_memory = '64kB'")
    owner.execute("update wide set c0 = -1, c11 = -1")
    owner.execute("delete from wide")
    cursors = [cursor for cursor, in owner.execute("select cursor from event.events(%s, null, 1000000)", (session,))]
    assert len(cursors) == 300 + 240 + 200 * 12 + 600 + 300
    assert {len(cursor) for cursor in cursors} == {50} and all(cursor.isascii() for cursor in cursors)
    assert all(one < other for one, other in zip(cursors, cursors[1:]))
    assert sorted(random.sample(cursors, len(cursors))) == cursors
    # A number without a common divisor, so that every cursor is in the mix.
    assert len(cursors) % 7919
    assert in_javascript(cursors) == {"count": len(cursors), "rising": True, "same": True}
    # As other languages do it: by bytes.
    assert owner.execute('select array_agg(cursor order by cursor collate "C") from unnest(%s::text[]) cursor', (cursors,)).fetchone() == (cursors,)


def test_p09_two_readers_of_one_session(dsn, connect):
    """Each with its own cursor, in pages of any size, while others write and one of the two acknowledges."""
    owner, seed = connect(), random.randrange(1_000_000)
    print(f"seed {seed}")
    owner.execute("create table item (id text primary key, a integer, b integer)")
    session = new_session(owner, "item", notify="off")
    start, = owner.execute("select event.cursor()").fetchone()
    transactions, done = 150, threading.Event()

    def writing(name):
        choose = random.Random(f"{seed} {name}")

        def write():
            with psycopg.connect(dsn, autocommit=True) as connection:
                for n in range(transactions):
                    with connection.transaction(force_rollback=choose.random() < 0.1):
                        connection.execute("insert into item select %s || n, 0, 0 from generate_series(1, %s) n",
                                           (f"{name} {n} ", choose.choice([1, 1, 3, 40])))
                        connection.execute("update item set a = 1, b = 1 where id like %s", (f"{name} {n} %",))
        return write

    def writers():
        try:
            in_threads(*[writing(name) for name in "abc"])
        finally:
            done.set()

    def reading(name, page, pages):
        def read():
            choose, cursor = random.Random(f"{seed} {name}"), start
            with psycopg.connect(dsn, autocommit=True) as connection:
                while True:
                    finished = done.is_set()
                    events, cursor, has_next = page(connection, cursor, choose.choice([1, 2, 3, 7, 50, 1000]))
                    pages.append(events)
                    if finished and not has_next:
                        return
        return read

    def by_events(connection, cursor, size):
        rows = connection.execute("select cursor, event::text from event.events(%s, %s, %s)", (session, cursor, size)).fetchall()
        assert len(rows) <= size
        return [text for _, text in rows], rows[-1][0] if rows else cursor, len(rows) == size

    def by_feed(connection, cursor, size):
        page, = connection.execute("select event.feed(%s, %s, %s)::text", (session, cursor, size)).fetchone()
        page = json.loads(page)
        texts = [json.dumps(event) for event in page["events"]]
        assert len(texts) <= size and (len(texts) == size or not page["has_next"])
        # The other reader must not notice.
        connection.execute("select event.ack(%s, %s)", (page["cursor"], session))
        return texts, page["cursor"], page["has_next"]

    first, second = [], []
    in_threads(writers, reading("first", by_events, first), reading("second", by_feed, second))

    whole = [text for text, in owner.execute("select event::text from event.events(%s, %s, 1000000)", (session, start))]
    print(f"{len(whole)} events in {len(first)} and {len(second)} pages")
    assert len(whole) > 3 * transactions
    assert [text for page in first for text in page] == whole
    assert [json.loads(text) for page in second for text in page] == [json.loads(text) for text in whole]
    for pages in (first, second):
        assert sum(bool(page) for page in pages) > 20
    assert owner.execute("select count(*) from event.events(%s)", (session,)).fetchone() == (0,)
