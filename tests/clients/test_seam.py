"""The seam: a row is in the copy that a subscriber loads, or told behind its cursor; never both, never neither.

With the sequencer it can be both: what was committed and had no place yet when the copy was loaded.
"""

import json
import random
import threading
import time

import psycopg
import pytest
from psycopg import errors

from load import in_threads
from modes import both_modes, settle
from replay import seed
from test_ready import LEVELS, READY, SUBSCRIBE
from wire import new_session

pytestmark = both_modes

WRITERS, SUBSCRIBERS = 4, 10


@pytest.fixture
def owner(connect):
    connection = connect()
    connection.execute("create table t (id bigint primary key, v text)")
    return connection


def ids_of(connection, session, after) -> list:
    rows = connection.execute("select key::text from event.events(%s, %s, 1000000)", (session, after))
    return [json.loads(key)["id"] for key, in rows]


def load_copy(connection) -> tuple:
    """Cursor and copy of one snapshot."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        cursor, = connection.execute("select event.cursor()").fetchone()
        return cursor, {id for id, in connection.execute("select id from t")}


def exactly_once(connection, session, cursor: str, copy: set, or_twice: bool = False) -> int:
    """How many rows there are."""
    settle(connection)
    told = ids_of(connection, session, cursor)
    rows = {id for id, in connection.execute("select id from t")}
    assert len(told) == len(set(told))
    assert or_twice or not copy & set(told), "a row is in both"
    assert copy | set(told) == rows, "a row is in neither"
    return len(rows)


class Inserting:
    """A writer of every isolation level, whose transactions are some inserts long; a few are rolled back."""

    def __init__(self, dsn: str, seed: str, first: int, done: threading.Event):
        self.dsn, self.random, self.next, self.done, self.transactions = dsn, random.Random(seed), first, done, 0

    def run(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self.done.is_set():
                try:
                    with connection.transaction(force_rollback=self.random.random() < 0.1):
                        connection.execute(f"set transaction isolation level {self.random.choice(LEVELS)}")
                        # Its snapshot is older than whatever it writes.
                        connection.execute("select count(*) from t where id < 0")
                        for _ in range(self.random.randint(1, 4)):
                            time.sleep(self.random.random() * 0.005)
                            connection.execute("insert into t values (%s, '')", (self.next,))
                            self.next += 1
                    self.transactions += 1
                except errors.SerializationFailure:
                    # Readers of t and inserters into it: the server's own business.
                    pass


@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "first_subscription"])
def test_p11_each_row_is_in_exactly_one_place(dsn, connect, owner, tracked, delivery):
    """Subscribers come while writers of every isolation level are in the middle of their transactions.

    Some write in the transaction in which they subscribe, some roll it back first.
    """
    number, done, written, loaded, told = seed(), threading.Event(), threading.Event(), [], {}
    if tracked:
        owner.execute("select event.track('t')")
    writers = [Inserting(dsn, f"{number} {n}", (n + 1) * 10**9, done) for n in range(WRITERS)]

    def transactions() -> int:
        return sum(writer.transactions for writer in writers)

    def writing() -> None:
        try:
            in_threads(*[writer.run for writer in writers])
        finally:
            written.set()

    def subscribe(connection, n: int) -> str:
        session = new_session(connection, notify="off")
        if n % 3 == 0:
            with connection.transaction(force_rollback=True):
                connection.execute(SUBSCRIBE, ("t", session))
                connection.execute("insert into t values (%s, 'rolled back')", (-n,))
        with connection.transaction():
            # Of a table that is not tracked yet, who has written to it is refused.
            if n % 3 == 1 and tracked:
                connection.execute("insert into t values (%s, 'before')", (-100 - n,))
            connection.execute(SUBSCRIBE, ("t", session))
            if n % 3 == 1:
                connection.execute("insert into t values (%s, 'after')", (-200 - n,))
        return session

    def subscriber(n: int):
        def follow() -> None:
            with psycopg.connect(dsn, autocommit=True) as connection:
                try:
                    while transactions() < 10 * n:
                        time.sleep(0.001)
                    session = subscribe(connection, n)
                    assert connection.execute(READY, (session, "1 minute")).fetchone() == (True,)
                    cursor, copy = load_copy(connection)
                    loaded.append(n)
                    if len(loaded) == SUBSCRIBERS:
                        enough = transactions() + 100
                        while transactions() < enough:
                            time.sleep(0.001)
                finally:
                    if len(loaded) == SUBSCRIBERS or n not in loaded:
                        done.set()
                written.wait()
                exactly_once(connection, session, cursor, copy, or_twice=delivery == "sequencer")
                told[n] = (len(copy), len(ids_of(connection, session, cursor)))
        return follow

    in_threads(writing, *map(subscriber, range(SUBSCRIBERS)))
    print(f"{transactions()} transactions; rows in the copy and behind it: {sorted(told.values())}")
    # The first ones come before there is much to copy.
    assert len(told) == SUBSCRIBERS and all(min(told[n]) > 20 for n in range(3, SUBSCRIBERS))


def test_p11_subscription_in_a_transaction_that_writes(connect, owner):
    """What it writes before is not told, what it writes afterwards is; both are in its copy."""
    owner.execute("select event.track('t')")
    session = new_session(owner)
    start, = owner.execute("select event.cursor()").fetchone()
    with owner.transaction():
        owner.execute("insert into t values (1, 'before')")
        owner.execute(SUBSCRIBE, ("t", session))
        owner.execute("insert into t values (2, 'after')")
    assert owner.execute(READY, (session, "0")).fetchone() == (True,)
    settle(owner)
    assert ids_of(owner, session, start) == [2]
    cursor, copy = load_copy(owner)
    connect().execute("insert into t values (3, 'later')")
    assert copy == {1, 2} and exactly_once(owner, session, cursor, copy) == 3


def test_p11_subscription_that_is_rolled_back(connect, owner):
    """It has never been: nothing is told, whoever writes, and nobody is waited for; the next one is told all again."""
    owner.execute("select event.track('t')")
    session, writer, older = new_session(owner), connect(), connect()
    older.execute("begin")
    older.execute("insert into t values (1, 'older')")
    with owner.transaction(force_rollback=True):
        owner.execute(SUBSCRIBE, ("t", session))
        owner.execute("insert into t values (2, 'rolled back')")
        writer.execute("insert into t values (3, 'meanwhile')")
    writer.execute("insert into t values (4, 'afterwards')")
    assert owner.execute("select count(*) from event.subscription").fetchone() == (0,)
    assert owner.execute(READY, (session, "0")).fetchone() == (True,)
    settle(owner)
    assert ids_of(owner, session, None) == []
    owner.execute(SUBSCRIBE, ("t", session))
    assert owner.execute(READY, (session, "0")).fetchone() == (False,)
    older.execute("insert into t values (5, 'told')")
    older.execute("commit")
    assert owner.execute(READY, (session, "0")).fetchone() == (True,)
    settle(owner)
    cursor, copy = load_copy(owner)
    writer.execute("insert into t values (6, 'told')")
    assert copy == {1, 3, 4, 5} and exactly_once(owner, session, cursor, copy) == 5


@pytest.mark.parametrize("call", ["select event.cursor()", "select event.feed(%(session)s)->>'cursor'"])
@pytest.mark.parametrize("level", LEVELS[1:])
def test_p11_cursor_of_an_older_snapshot(connect, owner, call, level):
    """A cursor is of its transaction's snapshot, as the copy is: what has been committed since comes behind it."""
    session = new_session(owner, "t")
    reader, writer = connect(), connect()
    writer.execute("insert into t values (1, 'in the copy')")
    settle(owner)
    owner.execute("select event.ack(event.cursor(), %s)", (session,))
    with reader.transaction():
        reader.execute(f"set transaction isolation level {level}")
        reader.execute("select 1")
        writer.execute("insert into t values (2, 'behind it')")
        cursor, = reader.execute(call, {"session": session}).fetchone()
        copy = {id for id, in reader.execute("select id from t")}
    assert copy == {1} and exactly_once(owner, session, cursor, copy) == 2
