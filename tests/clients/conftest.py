"""Fixtures: real connections to the private cluster that the runner started (PGHOST, PGPORT, PGUSER say where)."""

import itertools

import psycopg
import pytest

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
