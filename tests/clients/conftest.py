"""Fixtures: real connections to the private cluster that the runner started (PGHOST, PGPORT, PGUSER say where)."""

import itertools
import os
import signal
import threading
import time

import psycopg
import pytest

from patience import until
from pooler import Pooler

_numbers = itertools.count(1)


def pytest_configure(config):
    # The runner ends us so; without it a test's own clusters and programs would stay.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line("markers", "long: takes minutes; run by make test-long only")


def _fresh_database(delivery="inline"):
    name = f"clients_{next(_numbers)}"
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"create database {name} template template0")
        admin.execute(f"alter database {name} set reldiff.delivery = {delivery}")
        with psycopg.connect(dbname=name, autocommit=True) as connection:
            connection.execute("create extension pg_reldiff")
        yield f"dbname={name}"
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture
def delivery(request) -> str:
    """reldiff.delivery of the test's database; see `both_modes` of modes.py."""
    return getattr(request, "param", "inline")


@pytest.fixture
def dsn(delivery):
    """A database of the test's own, with the extension in it."""
    yield from _fresh_database(delivery)


@pytest.fixture(scope="module")
def shared_dsn():
    """One database for all tests of a file."""
    yield from _fresh_database()


@pytest.fixture
def connect(dsn):
    """connect(**options) opens one more connection to the test's database; all are closed with the test."""
    opened = []

    def open_one(conninfo=dsn, **options):
        connection = psycopg.connect(conninfo, **{"autocommit": True, **options})
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def pooler(dsn):
    """pooler(size, roles) starts a PgBouncer in front of the test's database; it is gone with the test."""
    if "PGBOUNCER" not in os.environ:
        pytest.skip("there is no PgBouncer")
    started = []

    def start(size=1, roles=()):
        started.append(Pooler(dsn, size, [os.environ["PGUSER"], *roles]))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def taken_processes(connect):
    """taken_processes() leaves the server without a free background process: subscribers wait for a table that is never free.

    It returns a function that gives them back.
    """
    waiting = []

    def take():
        writer = connect(autocommit=False)
        writer.execute("create table taken (id integer primary key)")
        writer.commit()
        writer.execute("insert into taken values (1)")
        most = int(writer.execute("show max_worker_processes").fetchone()[0])
        for _ in range(most):
            connection = connect()
            connection.execute("set reldiff.track_timeout = '1h'")
            connection.execute("select event.session_create(attach => false)")
            thread = threading.Thread(target=_cancelled, args=(connection, "select event.subscribe_table('taken')"))
            thread.start()
            waiting.append((connection, thread))
        # The server itself may need some; none is left when no more come.
        workers = "select count(*) from pg_stat_activity where backend_type = 'pg_reldiff'"
        until(lambda: writer.execute(workers).fetchone()[0] >= most - 2)
        time.sleep(0.5)
        return free

    def free():
        for connection, _ in waiting:
            connection.cancel()
        for _, thread in waiting:
            thread.join()
        waiting.clear()

    yield take
    free()


def _cancelled(connection, command: str) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(command)


@pytest.fixture
def role(dsn):
    """role(name, options) creates a role, which the whole server knows; it is gone with the test."""
    created = []

    def create(name, options="login"):
        unique = f"{dsn.removeprefix('dbname=')}_{name}"
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"create role {unique} {options}")
        created.append(unique)
        return unique

    yield create
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in reversed(created):
            connection.execute(f"drop owned by {name}")
            connection.execute(f"drop role {name}")
