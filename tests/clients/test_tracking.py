"""The first subscription to a table: its trigger is created beside the writers, and they hardly notice."""

import os
import threading
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from patience import until
from wire import events, new_session

SUBSCRIBE = "select event.subscribe_table(%s, session_id => %s)"

# 100 ms are promised. The rest is for a machine that has other things to do, and far from what a queue would cost.
LONGEST_WAIT = 0.6

# What a transaction locks of a table of the test, but for its indexes.
LOCKS = "select mode from pg_locks where relation = %s::regclass and pid = %s"

WORKERS = "select count(*) from pg_stat_activity where backend_type = 'pg_reldiff'"


def log_of_workers() -> list:
    """What the background processes wrote to the server's log."""
    log = Path(os.environ["PGHOST"]) / "log"
    return [line for line in log.read_text(errors="replace").splitlines() if "] pg_reldiff " in line]


class Load:
    """Writers in threads, each in transactions of its own until the block ends."""

    def __init__(self, connect, number, write):
        self.connections = [connect(autocommit=True) for _ in range(number)]
        self.write = write
        self.transactions = 0
        self.longest = 0.0
        self.failures = []
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=at) for at in enumerate(self.connections)]

    def _run(self, number, connection) -> None:
        n = 0
        while not self._ends.is_set():
            n += 1
            try:
                with connection.transaction():
                    self.write(lambda *statement: self._timed(connection, *statement), number * 1_000_000 + n)
            except psycopg.Error as error:
                self.failures.append(error)
                return
            self.transactions += 1

    def _timed(self, connection, *statement) -> None:
        began = time.monotonic()
        connection.execute(*statement)
        self.longest = max(self.longest, time.monotonic() - began)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        until(lambda: self.transactions >= 20)
        return self

    def __exit__(self, *_error):
        self._ends.set()
        for thread in self._threads:
            thread.join()


def busy(execute, n) -> None:
    """Short, but so that some writer always holds the table."""
    execute("insert into busy values (%s, 'x')", (n,))
    time.sleep(0.02)


@pytest.fixture
def table(connect):
    connection = connect()
    connection.execute("create table busy (id integer primary key, v text)")
    return connection


def test_p19_first_subscription_to_a_table_that_is_never_free(connect, table):
    """Nobody ever finds it free, and still the trigger is created, while no writer waits for long."""
    session = new_session(table)
    holding, changes = set(), threading.Lock()

    def hand_over(execute, n) -> None:
        """Ends when another writer holds the table, unless all others are kept waiting."""
        execute("insert into busy values (%s, 'x')", (n,))
        holding.add(n)
        deadline = time.monotonic() + 0.04
        while time.monotonic() < deadline:
            time.sleep(0.003)
            with changes:
                if len(holding) > 1:
                    holding.remove(n)
                    return
        with changes:
            holding.remove(n)

    with Load(connect, 4, hand_over) as load:
        table.execute(SUBSCRIBE, ("busy", session))
        subscribed = load.transactions
        until(lambda: load.transactions > subscribed + 50)
    print(f"{load.transactions} transactions, longest statement {load.longest * 1000:.0f} ms")
    assert load.failures == []
    assert load.longest < LONGEST_WAIT
    assert len(events(table, session)) > 40


def test_p19_first_subscription_beside_a_long_writer(connect, table):
    """A writer that idles in its transaction keeps the subscriber out until its time is over; nobody waits behind it."""
    session = new_session(table)
    long = connect(autocommit=False)
    long.execute("insert into busy values (-1, 'long')")
    table.execute("set reldiff.track_timeout = '3s'")
    with Load(connect, 4, busy) as load:
        before = load.transactions
        with pytest.raises(errors.LockNotAvailable, match="in time") as raised:
            table.execute(SUBSCRIBE, ("busy", session))
        during = load.transactions - before
    print(f"{during} transactions meanwhile, longest statement {load.longest * 1000:.0f} ms")
    assert raised.value.diag.message_hint == "SELECT event.track('public.busy')"
    assert load.failures == []
    # Four writers do five hundred in three seconds when nobody is in their way; a queue would leave room for a few.
    assert during > 50
    assert load.longest < LONGEST_WAIT
    assert table.execute("select count(*) from event.tracked").fetchone() == (0,)
    assert [line for line in log_of_workers() if "busy" in line] == []
    long.rollback()
    table.execute(SUBSCRIBE, ("busy", session))


def test_p19_subscriber_that_idles_in_its_transaction(connect, table):
    """It holds no more of the table than a reader does, and its trigger stays when it is rolled back."""
    session = new_session(table)
    subscriber = connect(autocommit=False)
    subscriber.execute(SUBSCRIBE, ("busy", session))
    held = table.execute(LOCKS, ("busy", subscriber.info.backend_pid)).fetchall()
    assert held == [("AccessShareLock",)]
    writer = connect()
    writer.execute("set lock_timeout = '5s'")
    writer.execute("insert into busy values (1, 'not told')")
    other = new_session(table, "busy")
    writer.execute("insert into busy values (2, 'told to one')")
    subscriber.rollback()
    writer.execute("insert into busy values (3, 'told to one')")
    assert events(table, session) == []
    assert [event["key"]["id"] for event in events(table, other)] == [2, 3]
    assert table.execute("select triggers, enabled from event.tracked").fetchall() == [(["reldiff_row", "reldiff_truncate"], True)]


@pytest.mark.parametrize("statement", [
    "insert into leaf values (1)", "update root set id = id", "lock table root in share update exclusive mode",
    "alter table leaf set (fillfactor = 90)", "lock table leaf in share mode"])
def test_subscriber_that_is_in_its_own_way(connect, statement):
    """An error at once: the background process could wait for ever for what the subscriber itself has locked."""
    subscriber = connect(autocommit=False)
    subscriber.execute("create table root (id integer primary key) partition by range (id)")
    subscriber.execute("create table leaf partition of root for values from (0) to (9)")
    session = new_session(subscriber)
    subscriber.commit()
    subscriber.execute("set reldiff.track_timeout = '1h'")
    subscriber.execute("savepoint before")
    subscriber.execute(statement)
    for call in ("select event.subscribe_row('root', 1, session_id => %s)", "select event.track('root'), %s"):
        subscriber.execute("savepoint here")
        with pytest.raises(errors.ActiveSqlTransaction) as raised:
            subscriber.execute(call, (session,))
        assert raised.value.diag.message_hint == "COMMIT"
        subscriber.execute("rollback to here")
    # What is rolled back is not in the way any more, nor are locked rows.
    subscriber.execute("rollback to before")
    subscriber.execute("select * from root for update")
    subscriber.execute(SUBSCRIBE, ("root", session))
    # Nor does a tracked table need another trigger.
    subscriber.execute("insert into root values (1)")
    subscriber.execute("select event.subscribe_row('root', 1, session_id => %s)", (session,))
    subscriber.commit()


@pytest.mark.parametrize("statement", [
    "create table busy2 (id integer primary key)", "alter table busy rename to busy2", "lock table busy in share row exclusive mode"])
def test_subscriber_that_has_the_table_for_itself(connect, table, statement):
    """No other transaction could do it: the trigger comes with the subscriber's commit, and goes with its rollback."""
    session = new_session(table)
    name = "busy2" if "busy2" in statement else "busy"
    subscriber = connect(autocommit=False)
    for end in (subscriber.rollback, subscriber.commit):
        subscriber.execute(statement)
        subscriber.execute(SUBSCRIBE, (name, session))
        subscriber.execute(f"insert into {name} values (1)")
        assert table.execute("select count(*) from event.tracked").fetchone() == (0,)
        end()
    assert [event["relation"] for event in events(table, session)] == [f"public.{name}"]


def test_extension_that_is_created_in_the_same_transaction(connect, table):
    """The background process could not see it."""
    table.execute("drop extension pg_reldiff")
    with table.transaction():
        table.execute("create extension pg_reldiff")
        session = new_session(table, "busy")
        table.execute("insert into busy values (1)")
    assert [event["key"] for event in events(table, session)] == [{"id": 1}]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_first_subscription_under_an_older_snapshot(connect, table, level):
    session = new_session(table)
    with connect() as subscriber, subscriber.transaction():
        subscriber.execute(f"set transaction isolation level {level}")
        subscriber.execute("select count(*) from busy")
        subscriber.execute(SUBSCRIBE, ("busy", session))
        subscriber.execute("insert into busy values (1)")
    assert [event["key"] for event in events(table, session)] == [{"id": 1}]


def test_many_first_subscriptions_at_once(connect, table):
    """More than there can be background processes, each for its own table and all for one."""
    for n in range(12):
        table.execute(f"create table busy_{n} (id integer primary key)")
    sessions = [new_session(table) for _ in range(12)]
    subscribers = [connect() for _ in sessions]
    failures = []

    def subscribe(n):
        try:
            subscribers[n].execute(SUBSCRIBE, ("busy", sessions[n]))
            subscribers[n].execute(SUBSCRIBE, (f"busy_{n}", sessions[n]))
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=subscribe, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert table.execute("select count(*), bool_and(cardinality(triggers) = 2 and enabled) from event.tracked").fetchone() == (13, True)
    assert table.execute(WORKERS).fetchone() == (0,)


def test_no_background_process_is_free(table, taken_processes):
    """A subscriber says so; event.track() creates the trigger itself."""
    table.execute("create table free (id integer primary key)")
    session = new_session(table)
    taken_processes()
    table.execute("set reldiff.track_timeout = '200ms'")
    with pytest.raises(errors.LockNotAvailable) as raised:
        table.execute(SUBSCRIBE, ("free", session))
    assert raised.value.diag.message_primary == 'could not start to track table "public.free"'
    assert raised.value.diag.message_detail == "No background process was free: SHOW max_worker_processes."
    assert raised.value.diag.message_hint == "SELECT event.track('public.free')"
    table.execute("select event.track('free')")
    table.execute(SUBSCRIBE, ("free", session))


def test_whoever_is_cancelled_leaves_no_process(connect, table):
    """With nobody waiting for them they end, long before their time is over."""
    writer, waiting = connect(autocommit=False), connect()
    writer.execute("insert into busy values (1)")
    waiting.execute("set reldiff.track_timeout = '1h'")
    thread = threading.Thread(target=lambda: pytest.raises(errors.QueryCanceled, waiting.execute, SUBSCRIBE, ("busy", new_session(table))))
    thread.start()
    until(lambda: table.execute(WORKERS).fetchone() == (1,))
    waiting.cancel()
    thread.join()
    until(lambda: table.execute(WORKERS).fetchone() == (0,))
    assert log_of_workers() == []


def test_settings_of_the_database_do_not_matter(connect, table):
    """The background process is not a client: what is set for those cannot keep it from its work."""
    session = new_session(table)
    database = table.info.dbname
    for name, value in [("default_transaction_read_only", "on"), ("default_transaction_isolation", "serializable"),
                        ("statement_timeout", "1"), ("lock_timeout", "1"), ("search_path", "nowhere")]:
        table.execute(f"alter database {database} set {name} = '{value}'")
    table.execute(SUBSCRIBE, ("busy", session))
    # A trigger that has to be enabled takes another way.
    table.execute("alter table busy disable trigger reldiff_row")
    table.execute(SUBSCRIBE, ("busy", session))
    assert table.execute("select enabled from event.tracked").fetchone() == (True,)


def test_database_that_takes_no_connections(connect, table):
    session = new_session(table)
    database = table.info.dbname
    with connect("dbname=postgres") as admin:
        admin.execute(f"alter database {database} with allow_connections false connection limit 0")
        table.execute(SUBSCRIBE, ("busy", session))
        admin.execute(f"alter database {database} with allow_connections true")


def test_p17_no_writer_is_failed_as_a_deadlock(connect, table):
    """Writers lock a child and then its parent; the background process locks the parent and has to wait for one child after
    the other. The server would take that for a deadlock, and fail the writer, who has waited longest, did it not let go."""
    table.execute("create table parent (id integer primary key)")
    table.execute("create table child_1 (primary key (id)) inherits (parent)")
    table.execute("create table child_2 (primary key (id)) inherits (parent)")
    table.execute(f"alter database {table.info.dbname} set deadlock_timeout = '30ms'")
    session = new_session(table)

    def write(execute, n):
        if n < 1_000_000:
            execute("insert into child_1 values (%s)", (n,))
            time.sleep(0.02)
        else:
            execute("insert into child_2 values (%s)", (n,))
            time.sleep(0.005)
            execute("insert into parent values (%s)", (-n,))

    with Load(connect, 3, write) as load:
        table.execute("set reldiff.track_timeout = '3s'")
        try:
            table.execute(SUBSCRIBE, ("parent", session))
        except errors.LockNotAvailable:
            pass
    print(f"{load.transactions} transactions")
    assert load.failures == []
    assert load.transactions > 30


def test_p19_waiting_subscriber_is_in_nobodys_way(connect):
    """Who wants the table for himself waits for the writer only, not for the subscriber that waits for the same: or
    everybody would stand behind him until reldiff.track_timeout."""
    owner, long_writer, altering, writer = connect(), connect(), connect(), connect()
    owner.execute("create table t (id integer primary key)")
    session = new_session(owner)
    long_writer.execute("begin; insert into t values (1)")
    subscriber = threading.Thread(target=owner.execute, args=(SUBSCRIBE, ("t", session)))
    subscriber.start()
    until(lambda: writer.execute(WORKERS).fetchone()[0] > 0)
    alter = threading.Thread(target=altering.execute, args=("alter table t add column v text",))
    alter.start()
    until(lambda: writer.execute("select count(*) from pg_locks where relation = 't'::regclass and not granted "
                                 "and mode = 'AccessExclusiveLock'").fetchone()[0] > 0)
    # The attempt that was queued before it has been given up.
    time.sleep(0.5)
    long_writer.execute("commit")
    begun = time.monotonic()
    writer.execute("insert into t values (2)")
    assert time.monotonic() - begun < 2
    subscriber.join()
    alter.join()
    writer.execute("insert into t values (3)")
    assert [event["key"] for event in events(owner, session)][-1] == {"id": 3}


def test_subscription_after_a_grant(connect):
    """As a migration does it: nobody else could create the triggers, so it is done there and at once."""
    owner = connect()
    owner.execute("create table t (id integer primary key)")
    session = new_session(owner)
    begun = time.monotonic()
    with owner.transaction():
        owner.execute("grant select on t to public")
        owner.execute(SUBSCRIBE, ("t", session))
    assert time.monotonic() - begun < 3
    owner.execute("insert into t values (1)")
    assert [event["key"] for event in events(owner, session)] == [{"id": 1}]
