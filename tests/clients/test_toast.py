"""Values that are stored out of line: read when they have changed, and only then."""

import random

import pytest

from wire import Listener, events, new_session, parse

BYTES = 1_000_000


def incompressible(seed: int) -> str:
    return random.Random(seed).randbytes(BYTES // 2).hex()


class Toast:
    """How many of its blocks the server has touched, read or found in memory."""

    def __init__(self, connection):
        self.connection = connection
        self.last = self._count()

    def _count(self) -> int:
        # The counts of a backend become visible at the end of its transaction, if it is told so.
        self.connection.execute("select pg_stat_force_next_flush()")
        count, = self.connection.execute("select toast_blks_read + toast_blks_hit + tidx_blks_read + tidx_blks_hit "
                                         "from pg_statio_user_tables where relname = 'item'").fetchone()
        return count

    def touched(self) -> int:
        before, self.last = self.last, self._count()
        return self.last - before


@pytest.fixture
def writer(connect):
    connection = connect()
    connection.execute("create table item (id integer primary key, v text, n integer, w text)")
    connection.execute("insert into item values (1, %s, 0, %s)", (incompressible(1), incompressible(2)))
    size, = connection.execute("select pg_relation_size(reltoastrelid) from pg_class where oid = 'item'::regclass").fetchone()
    assert size >= 2 * BYTES, "the values are not stored out of line: this test proves nothing"
    return connection


@pytest.mark.parametrize("subscribe", [
    "subscribe_table('item', session_id => %s)", "subscribe_column('item', 'v', session_id => %s)",
    "subscribe_row('item', 1, session_id => %s)", "subscribe_field('item', 1, 'v', session_id => %s)"])
def test_p03_unchanged_toasted_value_is_not_fetched(connect, writer, subscribe):
    owner = connect()
    session = new_session(owner)
    owner.execute(f"select event.{subscribe}", (session,))
    toast = Toast(writer)
    for statement in ("update item set n = n + 1", "update item set n = n + 1, v = v", "update item set v = v, w = w",
                      "insert into item values (1) on conflict (id) do update set n = item.n + 1"):
        writer.execute(statement)
    assert toast.touched() == 0
    told = [event["column"] for event in events(owner, session)]
    assert told == (["n"] * 3 if "'v'" not in subscribe else [])
    # The counter does move when somebody reads the value.
    writer.execute("select md5(v) from item")
    read = toast.touched()
    assert read >= BYTES // 8192


def test_p03_changed_toasted_value_is_fetched_once_for_each_image(connect, writer):
    """The counter shows it: a change that somebody hears of touches more blocks than one that nobody hears of."""
    owner = connect()
    toast = Toast(writer)
    writer.execute("update item set v = %s", (incompressible(3),))
    unheard = toast.touched()
    session = new_session(owner, "item")
    writer.execute("update item set v = %s", (incompressible(4),))
    heard = toast.touched()
    writer.execute("select md5(v) from item")
    read = toast.touched()
    assert 0 < unheard < heard
    # The old and the new image, each twice: to compare, and to render.
    print(f"{unheard} blocks touched unheard, {heard} heard, {read} to read it once")
    assert heard - unheard <= 4 * read + 100
    # The other one has been left alone.
    assert [event["column"] for event in events(owner, session)] == ["v"]


def test_p04_toasted_value_is_whole_in_the_inbox(connect, writer):
    """Old and new; the notification, which cannot hold it, is marked as truncated."""
    owner = connect()
    session = new_session(owner, "item")
    listener = Listener(connect()).listen(session)
    writer.execute("update item set v = %s, n = 1", (incompressible(5),))
    writer.execute("update item set v = v || 'x'")
    rows = owner.execute("select column_name, old_value #>> '{}', value #>> '{}', event::text from event.events(%s)",
                         (session,)).fetchall()
    assert [row[0] for row in rows] == ["v", "n", "v"]
    assert rows[0][1:3] == (incompressible(1), incompressible(5))
    assert rows[2][1:3] == (incompressible(5), incompressible(5) + "x")
    whole = [parse(row[3]) for row in rows]
    assert [event["payload"] for event in whole] == [{"v": incompressible(5)}, {"n": 1}, {"v": incompressible(5) + "x"}]
    heard = listener.events()
    assert [event.get("truncated") for event in heard] == [True, None, True]
    for event, notified in zip(whole, heard):
        assert ("payload" in notified) != notified.get("truncated", False)
        assert {key: value for key, value in event.items() if key != "payload"} == {
            key: value for key, value in notified.items() if key not in ("payload", "truncated")}


def test_p04_composites_and_arrays_with_long_parts(connect):
    """Whole, although they are stored out of line, and no change when they are not."""
    owner = connect()
    owner.execute("create type pair as (a text, b integer)")
    owner.execute("create table item (id integer primary key, p pair, l text[], n integer)")
    long = incompressible(6)[:100_000]
    session = new_session(owner, "item")
    owner.execute("insert into item values (1, row(%s, 1), array[%s, null])", (long, long))
    toast = Toast(owner)
    owner.execute("update item set n = 1")
    assert toast.touched() == 0
    owner.execute("update item set p.b = 2, l[2] = 'x'")
    assert [event["payload"] for event in events(owner, session)] == [
        {"id": 1, "p": {"a": long, "b": 1}, "l": [long, None], "n": None}, {"n": 1},
        {"p": {"a": long, "b": 2}}, {"l": [long, "x"]}]
