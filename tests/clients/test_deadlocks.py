"""Deadlocks: writers of watched tables that also lock, alter and notify, while subscribers come and go.

When all take their locks in one order there is no deadlock at all; when they do not, each one is of their own locks: the
commit lock is in none.
"""

import random
import re
import threading
from collections import Counter

import psycopg
import pytest
from psycopg import errors

from load import in_threads
from replay import Copy, Feed, enough, seed
from wire import new_session, parse

TABLES, ROWS = ("a", "b", "c"), 6
WRITERS, SUBSCRIBERS = 4, 2

# What takes a table for itself, or from other writers. Each takes the strongest lock first that it needs.
FOR_ITSELF = ["lock table {0} in share row exclusive mode", "lock table {0} in access exclusive mode",
              "alter table {0} alter column v set statistics 7", "alter table {0} add column if not exists extra integer",
              "alter table {0} drop column if exists extra", "lock table {0} in access exclusive mode; create index on {0} (v)",
              "lock table {0} in access exclusive mode; drop index if exists {0}_v_idx; create index on {0} (v)"]
NOTIFY = ["notify chatter, 'a word'", "select pg_notify('chatter', clock_timestamp()::text)"]

# One line of the DETAIL of 40P01.
EDGE = re.compile(r"Process \d+ waits for \w+ on (.*); blocked by process \d+\.")
OWN_LOCKS = re.compile(r"transaction \d+|tuple \(\d+,\d+\) of relation \d+ of database \d+|relation \d+ of database \d+|advisory lock \[.*\]")


class Load:
    def __init__(self, dsn: str, in_order: bool):
        self.dsn, self.in_order, self.number = dsn, in_order, seed()
        self.counts, self.deadlocks, self.done = Counter(), [], threading.Event()

    def _connection(self, name: str):
        return psycopg.connect(self.dsn, autocommit=True, options="-c deadlock_timeout=20ms", application_name=name)

    def writer(self, name: str, transactions: int):
        def write() -> None:
            choose = random.Random(f"{self.number} {name}")
            with self._connection("writer") as connection:
                while self.counts["transactions"] < transactions:
                    self._transaction(connection, choose)
        return write

    def _transaction(self, connection, choose) -> None:
        connection.execute("begin")
        try:
            for statement in self._statements(choose):
                connection.execute(statement)
            connection.execute("commit")
            self.counts["transactions"] += 1
        except errors.DeadlockDetected as deadlock:
            connection.execute("rollback")
            self.deadlocks.append(deadlock.diag)

    def _statements(self, choose) -> list:
        """Parts in the order of advisory locks, tables and rows, or in none."""
        parts = [[f"select pg_advisory_xact_lock({n})"] for n in range(3) if choose.random() < 0.2]
        for table in TABLES:
            if choose.random() < 0.7:
                statements = [choose.choice(FOR_ITSELF).format(table)] if choose.random() < 0.15 else []
                rows = sorted(choose.sample(range(ROWS), choose.randint(1, 3)))
                if not self.in_order:
                    choose.shuffle(rows)
                statements += [f"update {table} set v = v + 1 where id = {row}" for row in rows]
                if choose.random() < 0.3:
                    statements.append(f"insert into {table} values ({choose.randrange(10**9)}, 0) on conflict do nothing")
                parts.append(statements)
                self.counts["for itself"] += "update" not in statements[0]
        if not self.in_order:
            choose.shuffle(parts)
        statements = [statement for part in parts for statement in part]
        for _ in range(choose.choice([0, 0, 1, 2])):
            statements.insert(choose.randint(0, len(statements)), choose.choice(NOTIFY))
            self.counts["notify"] += 1
        return statements

    def subscriber(self, name: str):
        def subscribe() -> None:
            choose, n = random.Random(f"{self.number} {name}"), 0
            with self._connection("subscriber") as connection:
                while not self.done.is_set():
                    n += 1
                    self._life(connection, choose, f"{name}_{n}")
        return subscribe

    def _life(self, connection, choose, name: str) -> None:
        """A session, from its creation to its end."""
        session = new_session(connection, attach=choose.random() < 0.5, notify=choose.choice(["payload", "nudge", "off"]))
        for _ in range(choose.randint(2, 6)):
            calls = choose.choice([
                [f"select event.subscribe_table('{table}', session_id => %(s)s)" for table in TABLES if choose.random() < 0.6],
                [f"select event.subscribe_row('{table}', {choose.randrange(ROWS)}, session_id => %(s)s)" for table in TABLES],
                ["select count(*) from event.events(%(s)s)", "select event.ack(event.cursor(), %(s)s)"],
                ["select event.ack(event.cursor(), %(s)s)", "select event.feed(%(s)s)"],
                ["select event.session_attach(%(s)s)", "select event.session_detach(%(s)s)"],
                ["select event.session_alter(%(s)s, notify => 'payload')"], ["select event.unsubscribe_all(%(s)s)"],
                ["select event.await_ready(%(s)s, '20 ms')"],
                # A table that is tracked for the first time, in nobody else's way.
                [f"create table {name} (id integer primary key)", f"select event.subscribe_table('{name}', session_id => %(s)s)",
                 f"insert into {name} values (1)", f"drop table {name}"],
                [f"select event.track('{choose.choice(TABLES)}')"]])
            try:
                with connection.transaction(force_rollback=choose.random() < 0.2):
                    for call in calls:
                        connection.execute(call, {"s": session})
                self.counts["calls"] += len(calls)
            except errors.DeadlockDetected as deadlock:
                self.deadlocks.append(deadlock.diag)
        connection.execute("select event.session_delete(%s)", (session,))
        self.counts["sessions"] += 1

    def run(self, transactions: int) -> None:
        def writers() -> None:
            try:
                in_threads(*[self.writer(f"w{n}", transactions) for n in range(WRITERS)])
            finally:
                self.done.set()

        in_threads(writers, *[self.subscriber(f"s{n}") for n in range(SUBSCRIBERS)])


@pytest.fixture
def feed(connect):
    """A session that hears of a column of all tables: others come and go."""
    owner = connect()
    for table in TABLES:
        owner.execute(f"create table {table} (id integer primary key, v integer)")
        owner.execute(f"insert into {table} select n, 0 from generate_series(0, {ROWS - 1}) n")
    session = new_session(owner, notify="off")
    for table in TABLES:
        owner.execute("select event.subscribe_column(%s, 'v', session_id => %s)", (table, session))
    return Feed(session, *(Copy(f"public.{table}", ["id"], ["v"]).start(owner) for table in TABLES), parse=parse)


@pytest.mark.parametrize("in_order", [True, False], ids=["in_one_order", "in_any_order"])
def test_p19_deadlocks_are_the_writers_own(dsn, connect, feed, in_order):
    load = Load(dsn, in_order)
    load.run(600)
    edges = [edge for diag in load.deadlocks for edge in EDGE.findall(diag.message_detail)]
    assert len(edges) >= 2 * len(load.deadlocks)
    foreign = [(diag.message_detail, diag.context) for diag in load.deadlocks
               if not all(map(OWN_LOCKS.fullmatch, EDGE.findall(diag.message_detail))) or "event." in (diag.context or "")]
    assert not foreign, foreign[0]
    print(f"{len(load.deadlocks)} deadlocks:", dict(Counter(re.sub(r"\d+", "n", edge) for edge in edges)))
    enough(load.counts, {"transactions": 600, "calls": 100, "sessions": 20, "notify": 100, "for itself": 50})
    if in_order:
        assert not load.deadlocks, load.deadlocks[0].message_detail
    else:
        assert len(load.deadlocks) >= 10
    owner = connect()
    while feed.read(owner, 1000):
        pass
    feed.compare(owner)
