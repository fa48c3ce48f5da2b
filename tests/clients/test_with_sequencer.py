"""reldiff.delivery = sequencer: everybody is told as inline, a moment later, and no writer waits for anything of ours."""

import threading
from contextlib import contextmanager

import psycopg
import pytest

from modes import settle
from patience import until
from waiters import Waiter, asleep
from wire import Listener, events, inbox, new_session, parse

WORKERS = "select count(*) from pg_stat_activity where backend_type = 'pg_reldiff' and datname = current_database()"


@pytest.fixture
def owner(connect):
    connection = connect()
    connection.execute(f"alter database {connection.info.dbname} set reldiff.delivery = sequencer")
    connection.execute(f"alter database {connection.info.dbname} set reldiff.maintenance_interval = 0")
    connection.execute("create table item (id integer primary key, v text)")
    return connect()


@contextmanager
def stuck(connect):
    """Whoever gives places waits until this is left."""
    with connect(autocommit=False) as holder:
        holder.execute("lock table event.transaction in share mode")
        yield
        holder.rollback()


def insert(connection, *keys, v: str = "") -> None:
    """Each in a transaction of its own."""
    for key in keys:
        connection.execute("insert into item values (%s, %s)", (key, v))


def ids(told: list) -> list:
    return [event["key"]["id"] for event in told if event["type"] != "nudge"]


def is_waiting(connection) -> bool:
    """Whether the process has the commit lock, and waits for what the holder has."""
    locks = "select from pg_locks join pg_stat_activity using (pid) where backend_type = 'pg_reldiff' and not granted and datname = current_database()"
    return bool(connection.execute(locks).fetchall())


def test_p12_sessions_of_all_kinds_are_told(connect, owner):
    """Payloads as in the inbox, nudges, nothing; one text for those that share a channel; what is too long, or too much."""
    owner.execute(f"alter database {owner.info.dbname} set reldiff.notify_limit = 5")
    payload, silent = new_session(owner, "item"), new_session(owner, "item", notify="off")
    nudged = new_session(owner, "item", notify="nudge")
    shared = {new_session(owner, "item", channel="news", format="compact") for _ in range(2)}
    listener = Listener(connect())
    for channel in (payload, silent, nudged, "news"):
        listener.listen(channel)
    insert(owner, 1)
    insert(owner, 2, v="x" * 9000)
    owner.execute("insert into item select n, '' from generate_series(3, 8) n")
    owner.execute("delete from item where id > 6")
    settle(owner)
    heard = {}
    for channel, text in listener.payloads():
        heard.setdefault(channel, []).append((text, parse(text)))
    assert set(heard) == {payload, nudged, "news"}
    whole = inbox(owner, payload)
    own = [event for _, event in heard[payload]]
    assert heard[payload][0][0] == whole[0]
    assert [(event["type"], event.get("count"), event.get("truncated")) for event in own] == [
        ("row_insert", None, None), ("row_insert", None, True), ("nudge", 6, None), ("row_delete", None, None), ("row_delete", None, None)]
    assert [heard[payload][n][0] for n in (3, 4)] == whole[-2:] and len(whole) == 10
    assert [(event["type"], event["count"]) for _, event in heard[nudged]] == [("nudge", n) for n in (1, 1, 6, 2)]
    news = [event for _, event in heard["news"]]
    assert set(news[0]["sessions"]) == shared and len(news) == 5
    assert len(inbox(owner, silent)) == 10
    cursors = [event["cursor"] for event in own]
    assert cursors == sorted(cursors)


def test_p19_writers_do_not_wait_for_the_commit_lock(connect, owner):
    """Somebody has it and is stuck: writers commit, readers read what has a place, and afterwards all is told in order."""
    session = new_session(owner, "item")
    with stuck(connect):
        insert(owner, 1)
        until(lambda: is_waiting(owner), "the process that waits")
        insert(connect(), *range(2, 20))
        assert events(owner, session) == []
        assert owner.execute("select event.await_sequenced('100ms')").fetchone() == (False,)
    settle(owner)
    assert ids(events(owner, session)) == list(range(1, 20))


def test_p12_replay_comes_before_what_waits(connect, owner):
    """A transaction attaches, with changes of its own, and gives others their places: on the connection each cursor is greater
    than the last, and its own changes, which have no place yet, are told when they have."""
    session = new_session(owner, "item")
    insert(owner, 1, 2)
    settle(owner)
    attached = connect()
    attached.execute("set reldiff.commit_lock_timeout = '1min'")
    listener = Listener(attached)
    commit = threading.Thread(target=attached.execute, args=("commit",))
    with stuck(connect):
        insert(owner, 3)
        until(lambda: is_waiting(owner), "the process that waits")
        attached.execute("begin")
        assert attached.execute("select event.session_attach(%s)", (session,)).fetchone() == (2,)
        attached.execute("insert into item values (5, 'own')")
        insert(owner, 4)
        commit.start()
        # The next one who gets the lock, when the process has ended its transaction.
        waits = "select from pg_locks where pid = %s and locktype = 'object' and not granted"
        until(lambda: owner.execute(waits, (attached.info.backend_pid,)).fetchall(), "the wait for the lock")
    commit.join()
    insert(owner, 6)
    settle(owner)
    heard = listener.events()
    assert ids(heard) == [1, 2, 3, 4, 5, 6]
    assert [event["cursor"] for event in heard] == [event["cursor"] for event in events(owner, session)]


def test_who_waits_is_woken(dsn, connect, owner):
    """wait_events() returns when the event has its place."""
    session = new_session(owner, "item")
    waiter = Waiter(dsn, session).send()
    asleep(owner, [waiter])
    insert(owner, 1)
    assert waiter.ids() == ["1"]
    waiter.connection.close()


def test_p16_maintenance_goes_on(connect, owner):
    """Quotas empty an inbox as they do inline, and what comes later is told."""
    owner.execute(f"alter database {owner.info.dbname} set reldiff.events_per_session = 10")
    session = new_session(owner, "item")
    insert(owner, *range(1, 12))
    settle(owner)
    connect().execute("select event.maintain()")
    insert(owner, 12)
    settle(owner)
    assert [event["type"] for event in events(owner, session)] == ["overflow", "row_insert"]


@pytest.mark.parametrize("batch", [1, 3])
def test_p09_batches(connect, owner, batch):
    """Hundreds wait: all get their places, in order, some at a time, while more are coming."""
    owner.execute(f"alter database {owner.info.dbname} set reldiff.sequencer_batch = {batch}")
    owner.execute(f"alter database {owner.info.dbname} set reldiff.sequencer_nap = 1")
    session = new_session(owner, "item")
    listener = Listener(connect()).listen(session)
    late = connect()
    with stuck(connect):
        late.execute("begin")
        late.execute("insert into item values (0, 'in flight')")
        insert(owner, *range(1, 201))
    insert(owner, *range(201, 251))
    late.execute("commit")
    insert(owner, 251)
    settle(owner)
    told = events(owner, session)
    assert ids(told) == [*range(1, 251), 0, 251]
    assert [event["cursor"] for event in listener.events()] == [event["cursor"] for event in told]
    # So many in a transaction of the process.
    at_once, = owner.execute("select max(n) from (select count(*) n from event.transaction_0 group by xmin) batch").fetchone()
    assert at_once == batch


def test_p08_order_of_batches(connect, owner):
    """Some at a time come in the order in which all at once would: of the commits, whoever has begun first."""
    owner.execute(f"alter database {owner.info.dbname} set reldiff.sequencer_batch = 3")
    session = new_session(owner, "item")
    early = [connect(autocommit=False) for _ in range(4)]
    with stuck(connect):
        for number, connection in enumerate(early):
            insert(connection, 1001 + number)
        for number, connection in enumerate(reversed(early)):
            insert(owner, *range(10 * number + 1, 10 * number + 11))
            connection.commit()
    insert(owner, *range(41, 51))
    settle(owner)
    expected = [id for number in range(4) for id in (*range(10 * number + 1, 10 * number + 11), 1004 - number)]
    assert ids(events(owner, session)) == [*expected, *range(41, 51)]


def test_nap(connect, owner):
    """After it has given places the process waits for so long before it looks again."""
    owner.execute(f"alter database {owner.info.dbname} set reldiff.sequencer_nap = 1000")
    session = new_session(owner, "item")

    def is_napping(ids=iter(range(1, 1000))):
        insert(owner, next(ids))
        settle(owner)
        insert(owner, next(ids))
        return not owner.execute("select event.await_sequenced('100 ms')").fetchone()[0]

    # A test that is kept waiting itself for so long tries again.
    until(lambda: is_napping(), "a nap")
    settle(owner)
    told = ids(events(owner, session))
    assert told == list(range(1, len(told) + 1))


def test_p19_long_transactions_delay_nobody(connect, owner):
    """One here and one in another database stay open; its own events come when it commits, behind all that it could not be before."""
    session = new_session(owner, "item")
    elsewhere = psycopg.connect("dbname=postgres")
    elsewhere.execute("select pg_current_xact_id()")
    long = connect(autocommit=False)
    long.execute("insert into item values (0, 'long')")
    xid, = long.execute("select pg_current_xact_id()").fetchone()
    for id in range(1, 11):
        insert(owner, id)
        settle(owner)
        assert ids(events(owner, session)) == list(range(1, id + 1))
    running = "select %s::xid8 in (select pg_snapshot_xip(snapshot)) from event.sequenced order by epoch desc, position desc limit 1"
    assert owner.execute(running, (xid,)).fetchone() == (True,)
    long.commit()
    settle(owner)
    assert ids(events(owner, session)) == [*range(1, 11), 0]
    elsewhere.rollback()
    elsewhere.close()


def test_p10_copy_of_a_database_in_which_something_waits(dsn, connect, owner):
    """What waited when the copy was made is told in the copy, too, by a process of its own."""
    session = new_session(owner, "item")
    insert(owner, 1)
    settle(owner)
    with stuck(connect):
        insert(owner, 2, 3)
        until(lambda: is_waiting(owner), "the process that waits")
        owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'pg_reldiff' and datname = current_database()")
        until(lambda: owner.execute(WORKERS).fetchone() == (0,), "the end of the process")
    name = owner.info.dbname
    with psycopg.connect("dbname=postgres", autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()", (name,))
        admin.execute(f"create database {name}_copy template {name}")
        # What it waits for is of an earlier epoch, and told whole before anything of its own.
        admin.execute(f"alter database {name}_copy set reldiff.sequencer_batch = 1")
        try:
            for database in (f"{name}_copy", name):
                with psycopg.connect(f"dbname={database}", autocommit=True) as reader:
                    until(lambda: ids(events(reader, session)) == [1, 2, 3], f"the events in {database}")
        finally:
            admin.execute(f"drop database {name}_copy with (force)")


def test_database_is_copied_and_dropped_after_the_last_write(connect, owner):
    """Both commands wait for five seconds until all connections are gone: the process is by then."""
    name = f"{owner.info.dbname}_own"
    with psycopg.connect("dbname=postgres", autocommit=True) as admin:
        admin.execute(f"create database {name} template template0")
        for command in ("create database {0}_copy template {0}", "drop database {0}", "drop database {0}_copy"):
            database = f"{name}_copy" if command.endswith("_copy") else name
            with psycopg.connect(f"dbname={database}", autocommit=True) as writer:
                writer.execute("set reldiff.delivery = sequencer")
                writer.execute("create extension if not exists pg_reldiff")
                writer.execute("create table if not exists item (id serial primary key, v text)")
                session = new_session(writer, "item")
                writer.execute("insert into item (v) values ('')")
                settle(writer)
                assert len(events(writer, session)) == 1
                assert writer.execute(WORKERS).fetchone() == (1,)
            admin.execute(command.format(name))


def test_no_free_process(connect, owner, taken_processes):
    """Nothing is lost: who reads when there is one again starts it."""
    session = new_session(owner, "item")
    until(lambda: owner.execute(WORKERS).fetchone() == (0,), "the end of the processes")
    taken_processes()
    insert(owner, 1, 2)
    assert events(owner, session) == []
    owner.execute("select pg_cancel_backend(pid) from pg_stat_activity where query like '%subscribe_table(''taken'')' and pid <> pg_backend_pid()")
    until(lambda: ids(events(owner, session)) == [1, 2], "the events")
