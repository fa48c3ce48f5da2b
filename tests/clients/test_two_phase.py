"""PREPARE TRANSACTION: whoever commits it, and whenever, its events are told, once, and nobody waits for it."""

import psycopg
import pytest

from clusters import PrivateCluster
from patience import until
from wire import Listener, events, new_session

TABLE = "create table item (id integer primary key, v text)"
SEQUENCERS = "select count(*) from pg_stat_activity where backend_type = 'pg_reldiff'"


@pytest.fixture
def cluster():
    with PrivateCluster({"max_prepared_transactions": "10"}) as cluster:
        cluster.sql("create database prepared")
        cluster.sql("create extension pg_reldiff", "prepared")
        yield cluster


def connect(cluster) -> psycopg.Connection:
    return psycopg.connect(cluster.dsn("prepared"), autocommit=True)


def prepare(connection, name: str, *statements: str) -> None:
    connection.execute("begin")
    for statement in statements:
        connection.execute(statement)
    connection.execute(f"prepare transaction '{name}'")


def keys(told: list) -> list:
    return [(event["type"], event["key"]["id"]) for event in told]


def test_p01_prepared_transaction_is_told_when_it_is_committed(cluster):
    """By a connection that has never used the extension; the notification comes without another writer."""
    owner = connect(cluster)
    owner.execute(TABLE)
    session = new_session(owner, "item")
    listener = Listener(connect(cluster)).listen(session)
    prepare(owner, "one", "insert into item values (1, 'a'), (2, 'b')", "update item set v = 'c' where id = 2")
    prepare(owner, "two", "insert into item values (3, 'never')")
    assert events(owner, session) == [] and listener.payloads() == []
    stranger = connect(cluster)
    stranger.execute("rollback prepared 'two'")
    stranger.execute("commit prepared 'one'")
    expected = [("row_insert", 1), ("row_insert", 2), ("field_update", 2)]
    heard = []
    until(lambda: heard.extend(listener.events()) or len(heard) >= len(expected), "the notifications")
    assert keys(heard) == keys(events(owner, session)) == expected
    assert [event.get("last", False) for event in heard] == [False, False, True]


def test_p15_prepared_transaction_survives_a_restart(cluster):
    """It is committed by a connection that has never used the extension, and told behind what was committed before it."""
    owner = connect(cluster)
    owner.execute(TABLE)
    session = new_session(owner, "item")
    prepare(owner, "one", "insert into item values (1, 'a')")
    owner.execute("insert into item values (2, 'before')")
    owner.close()
    cluster.kill()
    cluster.start()
    writer = connect(cluster)
    writer.execute("insert into item values (3, 'also before')")
    assert keys(events(writer, session)) == [("row_insert", 2), ("row_insert", 3)]
    connect(cluster).execute("commit prepared 'one'")
    writer.execute("insert into item values (4, 'afterwards')")
    assert keys(events(writer, session)) == [("row_insert", id) for id in (2, 3, 1, 4)]


def test_p08_reader_starts_the_process_after_a_restart(cluster):
    """Nobody writes any more: whoever reads sees to it that what has been committed is told."""
    owner = connect(cluster)
    owner.execute(TABLE)
    session = new_session(owner, "item")
    prepare(owner, "one", "insert into item values (1, 'a')")
    owner.close()
    cluster.kill()
    cluster.start()
    connect(cluster).execute("commit prepared 'one'")
    reader = connect(cluster)
    until(lambda: keys(events(reader, session)) == [("row_insert", 1)], "its event")


def test_p19_prepared_transaction_delays_nobody(cluster):
    """It may stay for days: writers commit, are told at once and are read; maintenance goes on."""
    owner = connect(cluster)
    owner.execute(TABLE)
    session = new_session(owner, "item")
    prepare(owner, "one", "insert into item values (1, 'a')")
    for id in range(2, 12):
        owner.execute("insert into item values (%s, 'meanwhile')", (id,))
        assert keys(events(owner, session)) == [("row_insert", done) for done in range(2, id + 1)]
    assert owner.execute("select from pg_locks where locktype = 'object' and classid = 'pg_extension'::regclass").fetchall() == []
    owner.execute("select event.maintain()")
    owner.execute("commit prepared 'one'")
    owner.execute("insert into item values (12, 'afterwards')")
    assert keys(events(owner, session))[-2:] == [("row_insert", 1), ("row_insert", 12)]


def test_process_ends_when_nothing_is_prepared(cluster):
    """While something is, it looks for it; then the database can be dropped, which waits for five seconds at most."""
    owner = connect(cluster)
    owner.execute(TABLE)
    new_session(owner, "item")
    prepare(owner, "one", "insert into item values (1, 'a')")
    until(lambda: owner.execute(SEQUENCERS).fetchone() == (1,), "the process")
    owner.execute("commit prepared 'one'")
    owner.close()
    cluster.sql("drop database prepared")
