"""The process that sequences when no writer comes: one per database, gone when there is nothing to do, started again by whoever needs it."""

import itertools
import threading
import time

import psycopg
import pytest

from patience import until
from stuck import Command, no_waiting, stuck, without_places, workers
from waiters import Waiter, asleep
from wire import Listener, events, new_session


@pytest.fixture
def owner(connect):
    connection = connect()
    connection.execute("create table item (id integer primary key, v text)")
    no_waiting(connection)
    return connection


@pytest.fixture
def session(owner):
    return new_session(owner, "item")


def ids(connection, session) -> list:
    return [event["key"]["id"] for event in events(connection, session)]


def insert(connection, *keys) -> None:
    for key in keys:
        connection.execute("insert into item values (%s)", (key,))


def heard_in_time(listener, count: int) -> list:
    """The keys of so many events, from nothing but LISTEN."""
    heard = []
    until(lambda: heard.extend(listener.events()) or len(heard) >= count, "the notifications")
    return [event["key"]["id"] for event in heard]


def is_waiting_for_the_lock(connection, pid: int) -> bool:
    return bool(connection.execute("select 1 from pg_locks where pid = %s and not granted", (pid,)).fetchone())


def test_terminated_a_moment_after_its_start(connect, owner, session):
    """Again and again: the next writer starts another one, and nobody else has to come."""
    owner.execute("set reldiff.delivery = sequencer")
    listener = Listener(connect()).listen(session)
    for key in range(1, 21):
        insert(owner, -key)
        heard_in_time(listener, 1)
        for pid in workers(owner):
            owner.execute("select pg_terminate_backend(%s)", (pid,))
        until(lambda: workers(owner) == [], "its end")


def test_one_process_for_many_at_once(connect, owner, session):
    """Forty commits without a place need one process, or a few for a moment, and not all that the server has."""
    listener = Listener(connect()).listen(session)
    writers = [connect() for _ in range(40)]
    most, looked = 0, 0
    done = threading.Event()

    def watch(connection):
        nonlocal most, looked
        while not done.is_set():
            most = max(most, len(workers(connection)))
            looked += 1

    with stuck(connect, "insert into item values (0)"):
        watcher = threading.Thread(target=watch, args=(connect(),))
        watcher.start()
        threads = [threading.Thread(target=insert, args=(writer, n)) for n, writer in enumerate(writers, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: len(workers(owner)) == 1, "one process")
        done.set()
        watcher.join()
        assert without_places(owner) == 40
        # One more starts none.
        insert(owner, 41)
        assert len(workers(owner)) == 1
    heard = heard_in_time(listener, 42)
    assert heard[0] == 0 and heard[-1] == 41 and sorted(heard) == list(range(42)) and ids(owner, session) == heard
    print(f"{most} processes at most in {looked} looks")
    assert most <= 4


def test_the_process_that_waits_is_used_again(connect, owner, session):
    """Who comes while it idles wakes it, and starts no other one."""
    listener = Listener(connect()).listen(session)
    for key in range(0, 40, 4):
        with stuck(connect, f"insert into item values ({key})"):
            insert(owner, key + 1)
        assert heard_in_time(listener, 2) == [key, key + 1]
        began, idling = time.monotonic(), workers(owner)
        with stuck(connect, f"insert into item values ({key + 2})"):
            insert(owner, key + 3)
            used = workers(owner)
        assert heard_in_time(listener, 2) == [key + 2, key + 3]
        # Otherwise it may have ended meanwhile.
        if time.monotonic() - began < 1.5:
            assert len(idling) == 1 and used == idling
            return
    pytest.fail("too slow a machine to tell")


def test_it_does_not_keep_a_database_from_being_dropped_or_copied(connect, owner, session, dsn):
    """DROP DATABASE and CREATE DATABASE … TEMPLATE wait for five seconds; after the extension's work that is enough."""
    name = dsn.removeprefix("dbname=")
    listener = Listener(connect()).listen(session)
    with psycopg.connect("dbname=postgres", autocommit=True) as admin:
        for n, command in enumerate([f"create database {name}_copy template {name}", f"drop database {name}", f"create database {name}"]):
            if n < 2:
                writer = connect()
                with stuck(connect, f"insert into item values ({10 * n + 1})") as holder:
                    insert(writer, 10 * n + 2)
                heard_in_time(listener, 2)
                holder.command.connection.close()
                writer.close()
                assert len(workers(admin, name)) <= 1
            if n == 1:
                listener.connection.close()
                owner.close()
            else:
                # Only the process is left.
                for connection in (owner, listener.connection):
                    connection.close()
            admin.execute(command)
            if n == 0:
                owner = connect()
                listener = Listener(connect()).listen(session)
        admin.execute(f"drop database {name}_copy")


def test_terminated_while_it_waits(connect, owner, session):
    """Nothing is lost: the next one without a place starts another one, and so does the next reader."""
    listener = Listener(connect()).listen(session)
    writer = connect()
    with stuck(connect, "insert into item values (1)"):
        seen = set()
        for key in (2, 3):
            insert(writer, key)
            process, = until(lambda: workers(owner))
            until(lambda: is_waiting_for_the_lock(owner, process))
            seen.add(process)
            assert owner.execute("select pg_terminate_backend(%s, 10000)", (process,)).fetchone() == (True,)
            until(lambda: workers(owner) == [])
            # Who is started within a moment of another one trusts in that.
            time.sleep(0.2)
        assert len(seen) == 2
    assert ids(listener.connection, session)[0] == 1
    assert sorted(heard_in_time(listener, 3)) == [1, 2, 3]
    assert ids(owner, session) == [1, 2, 3]


def test_terminated_while_it_idles(connect, owner, session):
    """It ends outside of a transaction, and nothing of it stays that would keep others from being started."""
    with stuck(connect, "insert into item values (1)"):
        insert(owner, 2)
    until(lambda: ids(owner, session) == [1, 2])
    for process in workers(owner):
        owner.execute("select pg_terminate_backend(%s, 10000)", (process,))
    time.sleep(0.2)
    listener = Listener(connect()).listen(session)
    with stuck(connect, "insert into item values (3)"):
        insert(owner, 4)
    assert heard_in_time(listener, 2) == [3, 4]


def test_no_free_process_at_first(connect, owner, session, taken_processes):
    """Readers return what has a place, wait for nothing, and start the process when that is possible."""
    free = taken_processes()
    listener = Listener(connect()).listen(session)
    with stuck(connect, "insert into item values (1)"):
        insert(owner, 2, 3)
    for _ in range(3):
        assert ids(owner, session) == [1]
        assert owner.execute("select count(*) from event.wait_events(%s, timeout => '0')", (session,)).fetchone() == (1,)
        feed, = owner.execute("select event.feed(%s)", (session,)).fetchone()
        assert len(feed["events"]) == 1
    assert [event["key"]["id"] for event in listener.events()] == [1]
    free()
    assert listener.events() == []
    until(lambda: owner.execute("select count(*) from event.wait_events(%s, timeout => '1s')", (session,)).fetchone() == (3,), "a process")
    assert ids(owner, session) == [1, 2, 3] and [event["key"]["id"] for event in listener.events()] == [2, 3]


def test_who_waits_for_events_is_told(connect, owner, session):
    """wait_events() with nothing behind its cursor starts the process, and returns what that sequences."""
    with stuck(connect, "insert into item values (1)"):
        insert(owner, 2)
        process, = until(lambda: workers(owner))
        owner.execute("select pg_terminate_backend(%s, 10000)", (process,))
        time.sleep(0.2)
    row = owner.execute("select key ->> 'id' from event.wait_events(%s, (select max(cursor) from event.events(%s)), timeout => '60s')",
                        (session, session)).fetchall()
    assert row == [("2",)]


def test_who_sleeps_is_woken_by_it(connect, owner, session, dsn):
    """A wait that has begun before the commit ends when the process has given it its place."""
    owner.execute("create table elsewhere (id integer primary key)")
    new_session(owner, "elsewhere")
    waiter = Waiter(dsn, session).send()
    asleep(owner, [waiter])
    with stuck(connect, "insert into elsewhere values (1)"):
        insert(owner, 2)
        asleep(owner, [waiter])
    assert waiter.ids() == ["2"]
    waiter.connection.close()


def test_the_extension_goes_while_it_idles(connect, owner, session):
    """The process neither hinders DROP EXTENSION nor stays, and one of the new extension does its work."""
    with stuck(connect, "insert into item values (1)"):
        insert(owner, 2)
    until(lambda: ids(owner, session) == [1, 2])
    assert len(workers(owner)) <= 1
    owner.execute("drop extension pg_reldiff")
    owner.execute("create extension pg_reldiff")
    session = new_session(owner, "item")
    listener = Listener(connect()).listen(session)
    with stuck(connect, "insert into item values (3)"):
        insert(owner, 4)
    assert heard_in_time(listener, 2) == [3, 4]
    owner.execute("drop extension pg_reldiff")
    until(lambda: workers(owner) == [], "the process's end")


def test_several_databases_at_once(connect, owner, session, dsn):
    """Each has its own process, and a holder that is stuck in one of them is none in the others."""
    names = [f"{dsn.removeprefix('dbname=')}_{n}" for n in range(3)]
    with psycopg.connect("dbname=postgres", autocommit=True) as admin:
        for name in names:
            admin.execute(f"create database {name} template template0")
        others = []
        for name in names:
            other = connect(f"dbname={name}")
            other.execute("create extension pg_reldiff")
            other.execute("create table item (id integer primary key, v text)")
            no_waiting(other)
            others.append((other, new_session(other, "item"), lambda name=name, **options: connect(f"dbname={name}", **options)))
        with stuck(connect, "insert into item values (1)"):
            insert(connect(), 2)
            for other, other_session, connect_there in others:
                listener = Listener(connect_there()).listen(other_session)
                with stuck(connect_there, "insert into item values (10)"):
                    insert(connect_there(), 20)
                assert heard_in_time(listener, 2) == [10, 20]
                insert(connect_there(), 30)
                assert ids(other, other_session) == [10, 20, 30]
            assert ids(owner, session) == [] and len(workers(owner)) == 1
        until(lambda: ids(owner, session) == [1, 2])
        for name in names:
            admin.execute(f"drop database {name} with (force)")


def test_p09_a_segment_is_kept_until_all_in_it_have_their_places(connect, owner, session):
    """What waits in an old segment keeps it from being closed, and so from being removed, and is sequenced from there."""
    name = owner.info.dbname
    owner.execute(f"alter database {name} set reldiff.retention = '1s'")
    admin, writer = connect(), connect(autocommit=False)
    insert(admin, 1)
    # It writes to the first segment, before its end.
    writer.execute("set reldiff.outbox_memory = '64kB'")
    writer.execute("insert into item select n, repeat('x', 400) from generate_series(1001, 1300) n")
    assert writer.execute("select count(*) > 0 from event.log").fetchone() == (True,)
    time.sleep(0.6)
    admin.execute("select event.maintain()")
    assert admin.execute("select count(*) from event.segment").fetchone() == (2,)
    # The next one is not due while the lock is held.
    owner.execute(f"alter database {name} set reldiff.retention = '1h'")
    closed = "select count(*) from event.closed_segment"
    with stuck(connect, "insert into item values (2)"):
        writer.commit()
        admin.execute("select event.maintain()")
        assert without_places(admin) == 1 and admin.execute(closed).fetchone() == (0,)
    until(lambda: len(ids(admin, session)) == 302)
    assert ids(admin, session) == [1, 2, *range(1001, 1301)]
    admin.execute("select event.maintain()")
    assert admin.execute(closed).fetchone() == (1,)
    insert(admin, 3)
    assert ids(admin, session) == [1, 2, *range(1001, 1301), 3]
    owner.execute(f"alter database {name} set reldiff.retention = '1s'")
    time.sleep(1.1)
    admin.execute("select event.maintain()")
    assert [event["type"] for event in events(admin, session)] == ["overflow"]


def test_p19_a_writer_leaves_it_a_backlog(connect, owner, session):
    """Whoever gets the lock next would keep all others waiting: it commits without a place itself, and the process does it all."""
    next_one, many = connect(), connect()
    next_one.execute("set reldiff.commit_lock_timeout = '1min'")
    many.execute("set reldiff.commit_lock_timeout = 0")
    with stuck(connect, "insert into item values (1)"):
        # It stands in the queue before the process does.
        command = Command(next_one, "insert into item values (1000)")
        until(lambda: is_waiting_for_the_lock(owner, next_one.info.backend_pid))
        insert(many, *range(2, 152))
    command.end()
    assert without_places(owner) == 151
    until(lambda: len(ids(owner, session)) == 152, "the events")
    # It had come to its commit before them.
    assert ids(owner, session) == [1, 1000, *range(2, 152)]


def test_a_busy_database_keeps_none_of_another_one(connect, owner, session, dsn):
    """Databases share places in the shared memory, by their oids. One whose process has nothing to do can be dropped."""
    with psycopg.connect("dbname=postgres", autocommit=True) as admin:
        oid, = admin.execute("select oid::bigint + 16000 from pg_database where datname = %s", (owner.info.dbname,)).fetchone()
        admin.execute(f"create database neighbour oid = {oid} template template0")
        stopped = threading.Event()

        def write(first):
            connection = connect()
            connection.execute("set reldiff.delivery = sequencer")
            for key in itertools.count(first, 6):
                if stopped.is_set():
                    return
                insert(connection, key)

        # So many that one of them is always on its way to its commit.
        writers = [threading.Thread(target=write, args=(first,)) for first in range(6)]
        try:
            with psycopg.connect("dbname=neighbour", autocommit=True) as other:
                other.execute("create extension pg_reldiff")
                other.execute("create table item (id integer primary key)")
                new_session(other, "item")
                other.execute("set reldiff.delivery = sequencer")
                for writer in writers:
                    writer.start()
                other.execute("insert into item values (1)")
                other.execute("select event.await_sequenced()")
                assert workers(owner, "neighbour") != []
        finally:
            admin.execute("drop database neighbour")
            stopped.set()
            for writer in writers:
                writer.join()
