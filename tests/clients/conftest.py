"""Fixtures: real connections to the private cluster that the runner started (PGHOST, PGPORT, PGUSER say where)."""

import itertools
import os

import psycopg
import pytest

from pooler import Pooler

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; run by make test-long only")


def _fresh_database():
    name = f"clients_{next(_numbers)}"
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"create database {name} template template0")
        with psycopg.connect(dbname=name, autocommit=True) as connection:
            connection.execute("create extension pg_reldiff")
        yield f"dbname={name}"
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture
def dsn():
    """A database of the test's own, with the extension in it."""
    yield from _fresh_database()


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
