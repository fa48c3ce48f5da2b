"""event.await_ready(): the seam between what a subscriber finds and what it is told."""

import json
import random
import threading
import time

import psycopg
import pytest
from psycopg import errors

from wire import new_session

READY = "select event.await_ready(%s, %s)"
SUBSCRIBE = "select event.subscribe_table(%s, session_id => %s)"
ON_RELATIONS = "select relation::regclass::text from pg_locks where locktype = 'relation' and pid = %s"
LEVELS = ("read committed", "repeatable read", "serializable")


class Call:
    """await_ready() on a connection and in a thread of its own."""

    def __init__(self, connect, session, timeout="1 minute"):
        self.connection = connect()
        self.pid = self.connection.info.backend_pid
        self.session, self.timeout = session, timeout
        self.result = self.error = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        # It has looked: it waits for its next look.
        with connect() as other:
            while self._thread.is_alive() and not other.execute(
                    "select 1 from pg_stat_activity where pid = %s and state = 'active' and wait_event_type = 'Extension'",
                    (self.pid,)).fetchone():
                time.sleep(0.005)

    def _run(self) -> None:
        try:
            self.result, = self.connection.execute(READY, (self.session, self.timeout)).fetchone()
        except psycopg.Error as error:
            self.error = error

    def waits(self) -> bool:
        # Several looks later.
        self._thread.join(0.3)
        return self._thread.is_alive()

    def returned(self):
        self._thread.join(20)
        assert not self._thread.is_alive(), "still waiting"
        if self.error:
            raise self.error
        return self.result


@pytest.fixture
def owner(connect):
    connection = connect()
    connection.execute("create table t (id integer primary key, v text)")
    connection.execute("create table other (id integer primary key)")
    connection.execute("create table root (id integer primary key) partition by range (id)")
    connection.execute("create table leaf partition of root for values from (0) to (100)")
    connection.execute("select event.track('t'), event.track('root')")
    return connection


@pytest.mark.parametrize("level", LEVELS)
def test_p11_writer_that_is_older_than_the_subscription(connect, owner, level):
    """What it wrote before is not told, what it writes later is; when it has ended, all is in a snapshot or told."""
    writer = connect(autocommit=False)
    writer.execute(f"set transaction isolation level {level}")
    writer.execute("insert into t values (1, 'before')")
    session = new_session(owner, "t")
    call = Call(connect, session)
    assert call.waits()
    writer.execute("insert into t values (2, 'after')")
    writer.commit()
    assert call.returned() is True
    assert owner.execute("select id from t order by id").fetchall() == [(1,), (2,)]
    told = owner.execute("select key::text from event.events(%s)", (session,)).fetchall()
    assert told == [('{"id":2}',)]


def test_long_writer(connect, owner):
    """False when the time is over; a timeout of 0 looks once."""
    writer = connect(autocommit=False)
    writer.execute("insert into t values (1, 'long')")
    session = new_session(owner, "t")
    for timeout in ("0", "150 milliseconds"):
        assert owner.execute(READY, (session, timeout)).fetchone() == (False,)
    writer.rollback()
    for timeout in ("0", "150 milliseconds", "1 year"):
        assert owner.execute(READY, (session, timeout)).fetchone() == (True,)


def test_nobody_waits_behind_it(connect, owner):
    """It has no lock on the tables, and none on ours: commands that need them for themselves are not kept waiting."""
    writer = connect(autocommit=False)
    writer.execute("insert into leaf values (1)")
    session = new_session(owner, "root")
    call = Call(connect, session)
    held = {name for name, in owner.execute(ON_RELATIONS, (call.pid,))}
    assert all(name.startswith("pg_") for name in held), held
    third = connect()
    third.execute("set lock_timeout = '5s'")
    third.execute("insert into leaf values (2)")
    third.execute("select event.subscribe_row('t', 1, session_id => %s)", (new_session(owner),))
    with third.transaction():
        third.execute("lock table t in access exclusive mode")
    third.execute("alter table only root alter column id set statistics 10")
    assert call.waits()
    writer.commit()
    assert call.returned() is True


def test_who_comes_later_is_not_waited_for(connect, owner):
    first, second = connect(autocommit=False), connect(autocommit=False)
    first.execute("insert into t values (1, 'older')")
    session = new_session(owner, "t")
    call = Call(connect, session)
    second.execute("insert into t values (2, 'younger')")
    assert call.waits()
    first.commit()
    assert call.returned() is True
    # Asked again, the younger one is there already.
    assert owner.execute(READY, (session, "0")).fetchone() == (False,)


def test_prepared_transactions_are_waited_for(connect, owner):
    """One that is prepared already, and one that is prepared while it is waited for."""
    one, two = connect(), connect()
    for writer, id in ((one, 1), (two, 2)):
        writer.execute("begin")
        writer.execute("insert into t values (%s, 'in two phases')", (id,))
    one.execute("prepare transaction 'one'")
    session = new_session(owner, "t")
    call = Call(connect, session)
    assert call.waits()
    two.execute("prepare transaction 'two'")
    assert call.waits()
    # The connection does other things meanwhile.
    two.execute("insert into other values (1)")
    owner.execute("commit prepared 'one'")
    assert call.waits()
    owner.execute("commit prepared 'two'")
    assert call.returned() is True


@pytest.mark.parametrize("statement, is_awaited", [
    ("select * from t", False),
    ("select * from t for update", False),
    ("insert into other values (1)", False),
    ("lock table t in share update exclusive mode", False),
    ("analyze t", False),
    ("lock table t in row exclusive mode", True),
    ("lock table t in share mode", True),
    ("lock table t in share row exclusive mode", True),
    ("lock table t in exclusive mode", True),
    ("truncate t", True),
    ("delete from t where false", True),
])
def test_who_is_waited_for(connect, owner, statement, is_awaited):
    """Whoever may write. VACUUM and ANALYZE have SHARE UPDATE EXCLUSIVE, and may take hours."""
    session = new_session(owner, "t")
    holder = connect(autocommit=False)
    holder.execute(statement)
    assert owner.execute(READY, (session, "0")).fetchone() == (not is_awaited,)


def test_what_is_waited_for(connect, owner):
    """Tables of all subscriptions of the session, whatever they are for, and what these contain; no others."""
    owner.execute("insert into root values (1)")
    calls = {"t": "select event.subscribe_field('t', 1, 'v', session_id => %s)",
             "leaf": "select event.subscribe_row('root', 1, session_id => %s)",
             "root": "select event.subscribe_column('root', 'id', session_id => %s)"}
    for table, call in calls.items():
        session = new_session(owner)
        assert owner.execute(READY, (session, "0")).fetchone() == (True,)
        owner.execute(call, (session,))
        for written in ("t", "leaf", "root", "other"):
            writer = connect(autocommit=False)
            writer.execute(f"lock table only {written} in row exclusive mode")
            is_awaited = written == table or table in ("leaf", "root") and written in ("leaf", "root")
            assert owner.execute(READY, (session, "0")).fetchone() == (not is_awaited,), (table, written)
            writer.rollback()


def test_whose_session(connect, owner):
    session = new_session(owner, "t")
    owner.execute("create role reldiff_ready")
    stranger = connect()
    stranger.execute("set role reldiff_ready")
    with pytest.raises(errors.InsufficientPrivilege):
        stranger.execute(READY, (session, "0"))
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        stranger.execute("select event.await_ready()")
    stranger.execute("reset role")
    stranger.execute("drop role reldiff_ready")
    # A read-only transaction will do.
    with owner.transaction():
        owner.execute("set transaction read only")
        assert owner.execute(READY, (session, "0")).fetchone() == (True,)


def test_own_transaction_that_was_rolled_back_to_a_savepoint(connect, owner):
    session = new_session(owner, "t")
    with owner.transaction():
        with owner.transaction(force_rollback=True):
            owner.execute("insert into t values (1, 'x')")
            owner.execute("select event.subscribe_row('t', 1, session_id => %s)", (session,))
        assert owner.execute(READY, (session, "0")).fetchone() == (True,)


def test_call_that_is_cancelled(connect, owner):
    writer = connect(autocommit=False)
    writer.execute("insert into t values (1, 'long')")
    call = Call(connect, new_session(owner, "t"), "1 day")
    call.connection.cancel()
    with pytest.raises(errors.QueryCanceled):
        call.returned()
    assert call.connection.execute("select 1").fetchone() == (1,)


class RandomWriter:
    """Transactions of every isolation level, each some statements long; the next one begins when one has ended."""

    def __init__(self, connect, seed, ends):
        self.random, self.ends = random.Random(seed), ends
        self.connection = connect(autocommit=False)
        self.transactions = 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.ends.is_set():
            try:
                self.connection.execute(f"set transaction isolation level {self.random.choice(LEVELS)}")
                for _ in range(self.random.randint(2, 5)):
                    self._change()
                    time.sleep(self.random.random() * 0.01)
                self.connection.commit()
                self.transactions += 1
            except (errors.SerializationFailure, errors.DeadlockDetected):
                self.connection.rollback()

    def _change(self) -> None:
        id, value = self.random.randrange(40), str(self.random.random())
        if self.random.random() < 0.3:
            self.connection.execute("delete from t where id = %s", (id,))
        else:
            self.connection.execute("insert into t values (%s, %s) on conflict (id) do update set v = excluded.v", (id, value))


def copy_and_follow(connection, session, until) -> dict:
    """Subscribe, then load: what an application does."""
    connection.execute(SUBSCRIBE, ("t", session))
    assert connection.execute(READY, (session, "1 minute")).fetchone() == (True,)
    cursor, = connection.execute("select event.cursor()").fetchone()
    copy = dict(connection.execute("select id, v from t").fetchall())
    until()
    for kind, key, value in connection.execute(
            "select type, key::text, value::text from event.events(%s, %s, 1000000)", (session, cursor)):
        id, value = json.loads(key)["id"], json.loads(value) if value else None
        # Changes that the copy has already come again: the last one counts.
        if kind == "row_delete":
            copy.pop(id, None)
        else:
            copy[id] = value["v"] if kind == "row_insert" else value
    return copy


def test_p11_copies_equal_the_table(connect, owner):
    """Subscribers come while writers of every isolation level are in the middle of their transactions."""
    stop, is_written, copies, told = threading.Event(), threading.Event(), [], []
    writers = [RandomWriter(connect, seed, stop) for seed in range(3)]

    def written() -> int:
        return sum(writer.transactions for writer in writers)

    def subscriber():
        connection = connect()
        session = new_session(connection)
        copies.append(copy_and_follow(connection, session, is_written.wait))
        told.append(len(connection.execute("select from event.events(%s, null, 1000000)", (session,)).fetchall()))

    subscribers = []
    for _ in range(12):
        subscribers.append(threading.Thread(target=subscriber))
        subscribers[-1].start()
        time.sleep(0.15)
    enough, deadline = max(100, written() + 50), time.monotonic() + 60
    while written() < enough and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.set()
    for writer in writers:
        writer.thread.join()
    is_written.set()
    for thread in subscribers:
        thread.join()
    print(f"{written()} transactions, {len(copies)} copies, {min(told)} to {max(told)} events each")
    table = dict(owner.execute("select id, v from t").fetchall())
    assert len(copies) == 12 and all(copy == table for copy in copies)
    assert written() >= enough and min(told) > 20
