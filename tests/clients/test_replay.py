"""Random changes by several clients at once, and a reader that pages along: its copy equals the table."""

import json
import os
import random
import threading
from collections import Counter
from decimal import Decimal

import psycopg
from psycopg import errors

from test_attach import in_threads
from wire import new_session, parse

CLIENTS = 3
MINIMUM = {"transactions": 1000, "key moves": 100, "rolled-back savepoints": 100, "re-inserts": 100, "upserts": 100,
           "deletes": 100, "big values": 100}


class Writer:
    """A client that changes the table at random and counts what was committed."""

    def __init__(self, dsn: str, name: int, seed: int):
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.random = random.Random(f"{seed} {name}")
        self.counts = Counter()
        self.deleted = []

    def run(self, transactions: int) -> None:
        while self.counts["transactions"] < transactions:
            done = Counter()
            try:
                with self.connection.transaction(force_rollback=self.random.random() < 0.05) as transaction:
                    for _ in range(self.random.randint(1, 5)):
                        self._step(done)
                if not transaction.force_rollback:
                    self.counts += done
                    self.counts["transactions"] += 1
            except errors.DeadlockDetected:
                self.counts["deadlocks"] += 1
        self.connection.close()

    def _step(self, done: Counter) -> None:
        if self.random.random() < 0.2:
            with self.connection.transaction(force_rollback=True):
                for _ in range(self.random.randint(1, 2)):
                    self._change(Counter())
            done["rolled-back savepoints"] += 1
        else:
            self._change(done)

    def _change(self, done: Counter) -> None:
        """One statement; one that hits a key that is taken is undone by its savepoint."""
        change = self.random.choice([self._insert, self._reinsert, self._upsert, self._update, self._update, self._move,
                                     self._delete, self._delete, self._shift])
        try:
            with self.connection.transaction():
                change(done)
        except errors.UniqueViolation:
            done["taken keys"] += 1

    def _id(self) -> int:
        return self.random.randint(1, 200)

    def _text(self, done: Counter) -> str:
        if self.random.random() < 0.2:
            done["big values"] += 1
            # Not compressible, so that it is stored out of line.
            return self.random.randbytes(self.random.randint(3000, 12000)).hex()
        return self.random.choice(["", "é", "😀", 'a"b\\c\n', "NULL"]) * self.random.randint(0, 3)

    def _insert(self, done: Counter, id: int = None) -> bool:
        cursor = self.connection.execute(
            "insert into item values (%s, %s, %s, %s, %s) on conflict do nothing",
            (id or self._id(), self.random.choice(["a", "b", None]), self._text(done), self.random.randint(-5, 5),
             f'{{"n": {self.random.random()}}}'))
        done["inserts"] += cursor.rowcount
        return cursor.rowcount == 1

    def _reinsert(self, done: Counter) -> None:
        """A row that this client has deleted before, often in the same transaction."""
        if self.deleted and self._insert(done, self.deleted.pop()):
            done["re-inserts"] += 1

    def _upsert(self, done: Counter) -> None:
        self.connection.execute(
            "insert into item values (%s, 'u', %s, 0, null) on conflict (id) do update set amount = item.amount + 1, body = excluded.body",
            (self._id(), self._text(done)))
        done["upserts"] += 1

    def _update(self, done: Counter) -> None:
        low = self._id()
        assignment, arguments = self.random.choice([
            ("amount = amount + 1.0", ()), ("grp = nullif(grp, 'a')", ()), ("body = body", ()),
            ("body = %s, grp = 'c'", (self._text(done),)), ("doc = null, amount = amount * 1.10", ())])
        done["updates"] += self.connection.execute(f"update item set {assignment} where id between %s and %s",
                                                   (*arguments, low, low + 2)).rowcount

    def _move(self, done: Counter) -> None:
        done["key moves"] += self.connection.execute("update item set id = %s, amount = amount + 1 where id = %s",
                                                     (self._id(), self._id())).rowcount

    def _shift(self, done: Counter) -> None:
        """Several keys in one statement."""
        low, by = self.random.choice([(0, 100), (100, -100)])
        low += self.random.randint(1, 100)
        done["key moves"] += self.connection.execute("update item set id = id + %s where id between %s and %s",
                                                     (by, low, low + 2)).rowcount

    def _delete(self, done: Counter) -> None:
        rows = self.connection.execute("delete from item where id = any(%s) returning id",
                                       ([self._id() for _ in range(3)],)).fetchall()
        self.deleted += [id for id, in rows]
        done["deletes"] += len(rows)


class Copy:
    """A table as its events tell it."""

    def __init__(self):
        self.rows, self.events, self.transactions, self._xids = {}, [], 0, set()

    def apply(self, cursor: str, event: dict, old_value: str) -> None:
        previous = self.events[-1] if self.events else None
        self._in_order(previous, event)
        assert cursor == event["cursor"]
        id = event["key"]["id"]
        if event["type"] == "row_insert":
            assert id not in self.rows, f"row {id} is there already"
            self.rows[id] = dict(event["payload"])
        elif event["type"] == "row_delete":
            assert id in self.rows, f"there is no row {id} to delete"
            del self.rows[id]
        else:
            column, = event["payload"]
            assert column == event["column"]
            # The old value is what this reader has.
            before = None if old_value is None else parse_value(old_value)
            assert before == self.rows[id][column], f"row {id} has another old {column}"
            self.rows[id].update(event["payload"])
        self.events.append(event)

    def _in_order(self, previous: dict, event: dict) -> None:
        """Transactions are contiguous, `last` closes each, cursors rise, and `at` never falls."""
        if previous is None or previous.get("last"):
            assert event["xid"] not in self._xids, f"transaction {event['xid']} comes in pieces"
            self._xids.add(event["xid"])
            self.transactions += 1
        else:
            assert (event["xid"], event["at"]) == (previous["xid"], previous["at"])
        if previous is not None:
            assert previous["cursor"] < event["cursor"] and previous["at"] <= event["at"]


def parse_value(text: str):
    return json.loads(text, parse_float=Decimal)


def page(connection, session, cursor, size) -> list:
    return connection.execute("select cursor, event::text, old_value::text from event.events(%s, %s, %s)",
                              (session, cursor, size)).fetchall()


def test_p09_copy_equals_table(dsn, connect):
    seed = int(os.environ.get("RELDIFF_SEED", random.randrange(1_000_000)))
    print(f"RELDIFF_SEED={seed}")
    owner = connect()
    owner.execute("create table item (id integer primary key, grp text, body text, amount numeric, doc jsonb)")
    session = new_session(owner, "item", notify="off")
    writers = [Writer(dsn, name, seed) for name in range(CLIENTS)]
    copy, pages, done = Copy(), Counter(), threading.Event()

    def reading():
        choose = random.Random(f"{seed} reader")
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = None
            while True:
                finished = done.is_set()
                rows = page(connection, session, cursor, choose.choice([1, 7, 50, 1000]))
                for cursor, text, old_value in rows:
                    copy.apply(cursor, parse(text), old_value)
                pages["while they write" if not finished else "afterwards"] += bool(rows)
                if finished and not rows:
                    return

    def writing():
        try:
            in_threads(*[lambda writer=writer: writer.run(MINIMUM["transactions"] // CLIENTS + 100) for writer in writers])
        finally:
            done.set()

    in_threads(reading, writing)

    counts = sum((writer.counts for writer in writers), Counter())
    print(dict(counts), f"{len(copy.events)} events of {copy.transactions} transactions, pages {dict(pages)}")
    table = {id: parse_value(row) for id, row in owner.execute("select id, to_json(item)::text from item")}
    assert copy.rows == table
    # P8: the order is the same for a reader that comes later and reads it all at once.
    assert [parse(text) for _, text, _ in page(owner, session, None, 10_000_000)] == copy.events
    # Plain comparison of cursors as text is the order of the feed.
    cursors = [event["cursor"] for event in copy.events]
    assert sorted(cursors) == cursors and len(set(cursors)) == len(cursors)
    for name, least in MINIMUM.items():
        assert counts[name] >= least, f"{counts[name]} {name} are too few to prove anything"
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
    for _, text, _ in page(owner, session, None, 1000):
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
    got = [parse(text) for _, text, _ in page(owner, session, None, 100)]
    assert [(event["type"], event["key"]["id"]) for event in got] == [
        ("row_insert", 1), ("row_insert", 2), ("field_update", 1), ("field_update", 2)]
    assert [event["payload"]["v"] for event in got] == ["a", "b", "a!", "b!"]
