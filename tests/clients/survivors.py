"""Writers and readers that go on when their server has been killed, and remember what they were told."""

import json
import random
import sys
import threading
from contextlib import contextmanager
from decimal import Decimal

import psycopg
from psycopg import errors

from client import Client

TABLES = """
create table item (id integer primary key, a integer, v text);
create table ledger (writer text, n integer, primary key (writer, n));
insert into item select n, 0, '' from generate_series(1, 100) n;
"""

# What several writers of the same rows do to each other, and what a test does to them. The transaction is undone then.
REFUSED = (errors.UniqueViolation, errors.DeadlockDetected, errors.QueryCanceled)


class Event(dict):
    """An event, and the text that it was."""

    text = None


def parsed(text: str) -> Event:
    """Not validated: readers have to keep up with the writers."""
    event = Event(json.loads(text, parse_float=Decimal))
    event.text = text
    return event


class Gate:
    """Lets work through while it is open; `close` returns when none is under way any more."""

    def __init__(self):
        self._changed = threading.Condition()
        self._is_open, self._inside = False, 0

    @contextmanager
    def through(self):
        with self._changed:
            self._changed.wait_for(lambda: self._is_open)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def close(self, seconds: float = 60) -> None:
        with self._changed:
            self._is_open = False
            assert self._changed.wait_for(lambda: self._inside == 0, seconds), "somebody does not come to an end"


class Survivor:
    """A thread's work, a piece at a time, each with the gate open; a lost connection is replaced."""

    def __init__(self, dsn: str, gate: Gate, seed: str):
        self.dsn, self.gate, self.random = dsn, gate, random.Random(seed)
        self.connection, self.stopped = None, False

    def run(self) -> None:
        while not self.stopped:
            with self.gate.through():
                try:
                    if not self.stopped:
                        self.step()
                except psycopg.OperationalError:
                    self.leave()
        self.leave()

    def step(self) -> None:
        if self.connection is None or self.connection.closed:
            self.connection = self.connect()
        self.piece()

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.close()


class Writer(Survivor):
    """Random transactions, each of which enters its number into the table `ledger`.

    `committed` are the numbers of those that the server has called committed, `refused` of those that it has not done; of others it
    has died. `commit` says how they end: synchronous_commit. `time`: how long they wait for a place in the feed.
    """

    def __init__(self, dsn: str, gate: Gate, seed: str, name: str, commit: str, time: str, delivery: str):
        super().__init__(dsn, gate, f"{seed} {name}")
        self.name, self.commit, self.time, self.delivery = name, commit, time, delivery
        self.n, self.committed, self.refused = 0, set(), set()

    def connect(self) -> psycopg.Connection:
        connection = psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None, application_name=self.name,
                                     options=f"-c synchronous_commit={self.commit} -c deadlock_timeout=5ms")
        connection.execute("load 'pg_reldiff'")
        # The larger ones are written to the log early.
        connection.execute("set reldiff.outbox_memory = '64kB'")
        connection.execute(f"set reldiff.commit_lock_timeout = '{self.time}'")
        connection.execute(f"set reldiff.delivery = {self.delivery}")
        return connection

    def piece(self) -> None:
        self.n += 1
        statements = "; ".join(self._change() for _ in range(self.random.randint(1, 3)))
        enter = f"insert into ledger values ('{self.name}', {self.n})"
        try:
            # One round trip: more commits are in the memory of the server only when it dies.
            self.connection.execute(f"begin; {statements}; {enter}; commit")
        except REFUSED:
            self.connection.execute("rollback")
            self.refused.add(self.n)
        else:
            self.committed.add(self.n)

    def _change(self) -> str:
        id, n = self.random.randint(1, 200), self.random.randint(1, 1_000_000)
        kind = self.random.random()
        if kind < 0.02:
            return f"update item set v = md5(v || id || {n})"
        if kind < 0.15:
            return f"savepoint s; delete from item where id < {id}; rollback to s; update item set a = a + 1 where id = {id}"
        if kind < 0.3:
            return f"delete from item where id = {id}"
        if kind < 0.45:
            return f"update item set id = {n % 200 + 1}, a = {n} where id = {id} and not exists (select from item where id = {n % 200 + 1})"
        return f"insert into item values ({id}, {n}, '{n}') on conflict (id) do update set a = excluded.a, v = excluded.v"


class Reader(Survivor):
    """Follows a session from `start` on. `seen` are the texts of the events; when its cursor is refused it begins anew."""

    def __init__(self, dsn: str, gate: Gate, seed: str, session: str, start: str):
        super().__init__(dsn, gate, f"{seed} {type(self).__name__}")
        self.session, self.start = session, start
        self.refusals, self.answers = 0, 0
        self._begin()

    def _begin(self) -> None:
        self.cursor, self.seen = self.start, []

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def step(self) -> None:
        try:
            super().step()
        except errors.InvalidCursorState:
            self.refusals += 1
            self._begin()
        self.answers += 1

    def _take(self, texts: list) -> None:
        # All readers have the same ones, and there are many.
        self.seen += map(sys.intern, texts)


class Pages(Reader):
    """events(), page by page."""

    CALL = "select cursor, event::text from event.events(%s, %s, %s)"

    def piece(self) -> None:
        size = self.random.choice([1, 10, 100, 1000])
        rows = self.connection.execute(self.CALL, (self.session, self.cursor, size)).fetchall()
        self._take([text for _, text in rows])
        if rows:
            self.cursor = rows[-1][0]


class Waits(Pages):
    """wait_events()."""

    CALL = "select cursor, event::text from event.wait_events(%s, %s, %s, '0.2 s')"


class Feeds(Reader):
    """feed(), whose cursor is fresh even if there is no event."""

    CALL = "select (page -> 'cursor') #>> '{}', array(select e::text from json_array_elements(page -> 'events') e) from event.feed(%s, %s, %s) page"

    def piece(self) -> None:
        size = self.random.choice([1, 10, 100, 1000])
        cursor, texts = self.connection.execute(self.CALL, (self.session, self.cursor, size)).fetchone()
        self._take(texts)
        self.cursor = cursor


class Hears(Reader):
    """The recipe of the README: LISTEN, read, and then what is notified. It acknowledges, too."""

    client = None

    def _begin(self) -> None:
        super()._begin()
        self.leave()
        if self.client is not None and self.client.connection is not None:
            self.client.connection.close()
        self.client = Client(self.dsn, self.session, self._handle, parsed)
        self.client.cursor = self.start

    def _handle(self, event: dict) -> None:
        self._take([event.text])
        self.cursor = event["cursor"]

    def connect(self) -> psycopg.Connection:
        self.client.connect()
        # An acknowledgement must not make the commits before it durable.
        self.client.connection.execute("set synchronous_commit = off")
        return self.client.connection

    def piece(self) -> None:
        once = iter((False, True))
        self.client.follow(lambda: next(once))
        self.connection.execute("select event.ack(%s, %s)", (self.cursor, self.session))
