"""Logical replication: what a subscription's workers write is told in the database into which they write."""

import itertools
import time

import psycopg
import pytest

from patience import DEADLINE, until
from wire import events, new_session, parse

_numbers = itertools.count(1)


TABLE = "create table item (id integer primary key, v text, n integer)"


class Publisher:
    """A second database of the cluster, whose table `item` is published."""

    def __init__(self, connect):
        self.name = f"publisher_{next(_numbers)}"
        self.admin = connect("dbname=postgres")
        self.admin.execute(f"create database {self.name} template template0")
        self.connection = connect(f"dbname={self.name}")
        self.connection.execute(TABLE)
        self.connection.execute("create publication everything for table item")
        # A slot that CREATE SUBSCRIPTION made would wait for that very transaction.
        self.connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (self.name,))

    def subscribe(self, subscriber, **options) -> None:
        """Returns when the rows that were there have been copied: what is written later is applied."""
        info = self.connection.info
        given = ", ".join(["create_slot = false", f"slot_name = '{self.name}'", *(f"{name} = {value}" for name, value in options.items())])
        subscriber.execute(f"create subscription {self.name} connection 'host={info.host} port={info.port} user={info.user} "
                           f"dbname={self.name}' publication everything with ({given})")
        until(lambda: subscriber.execute("select bool_and(srsubstate = 'r') from pg_subscription_rel").fetchone()[0], "the initial copy")

    def end(self, subscriber) -> None:
        """A database with a subscription or a slot in use cannot be dropped."""
        if subscriber.execute("select 1 from pg_subscription where subname = %s", (self.name,)).fetchone():
            subscriber.execute(f"alter subscription {self.name} disable")
            subscriber.execute(f"alter subscription {self.name} set (slot_name = none)")
            subscriber.execute(f"drop subscription {self.name}")
        until(lambda: not self.admin.execute("select 1 from pg_replication_slots where database = %s and active",
                                             (self.name,)).fetchone(), "the end of the workers")
        self.admin.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s", (self.name,))
        self.connection.close()
        self.admin.execute(f"drop database {self.name} with (force)")


@pytest.fixture
def subscriber(connect):
    """The test's own database, where the extension is."""
    connection = connect()
    connection.execute(TABLE)
    return connection


@pytest.fixture
def publisher(connect, subscriber):
    publisher = Publisher(connect)
    yield publisher
    publisher.end(subscriber)


def told(event: dict) -> tuple:
    return event["type"], event["relation"], event.get("key", {}).get("id"), event.get("payload")


def heard_until(listener, cursor: str) -> list:
    """The payloads that come to a listening connection, up to the event with this cursor."""
    deadline = time.monotonic() + DEADLINE
    heard = []
    while not heard or heard[-1]["cursor"] != cursor:
        assert time.monotonic() < deadline, f"only {heard} were notified"
        heard += [parse(notification.payload) for notification in listener.notifies(timeout=1, stop_after=1)]
    return heard


def listening(connect, session: str) -> psycopg.Connection:
    connection = connect()
    connection.execute(f'listen "{session}"')
    return connection


def test_p02_initial_copy(connect, publisher, subscriber):
    """The rows that the publisher has already are copied by a worker: each is an insert."""
    publisher.connection.execute("insert into item values (1, 'a', null), (2, 'é', 2)")
    session = new_session(subscriber, "item")
    listener = listening(connect, session)
    publisher.subscribe(subscriber)
    got = events(subscriber, session)
    assert sorted(map(told, got), key=lambda event: event[2]) == [
        ("row_insert", "public.item", 1, {"id": 1, "v": "a", "n": None}),
        ("row_insert", "public.item", 2, {"id": 2, "v": "é", "n": 2})]
    assert heard_until(listener, got[-1]["cursor"]) == got
    # A transaction of its own.
    assert [event.get("last") for event in got] == [None, True]
    assert len({event["xid"] for event in got}) == 1


def test_p02_apply_worker(connect, publisher, subscriber):
    """Transactions come as they were, in order, to the inbox and to a listener."""
    session = new_session(subscriber, "item")
    row = new_session(subscriber)
    subscriber.execute("select event.subscribe_row('item', 2, session_id => %s)", (row,))
    listener = listening(connect, session)
    publisher.subscribe(subscriber)
    writer = publisher.connection

    writer.execute("insert into item values (1, 'a', 1)")
    with writer.transaction():
        writer.execute("insert into item values (2, 'b', 2), (3, 'c', 3)")
        with writer.transaction(force_rollback=True):
            writer.execute("insert into item values (4, 'rolled back', 0)")
        writer.execute("update item set v = 'B', n = 20 where id = 2")
        writer.execute("update item set n = n where id = 3")
        writer.execute("update item set id = 5 where id = 3")
        writer.execute("delete from item where id = 1")
    writer.execute("update item set n = null where id = 2")
    writer.execute("delete from item where id = 2")

    expected = [
        ("row_insert", 1, {"id": 1, "v": "a", "n": 1}, True),
        ("row_insert", 2, {"id": 2, "v": "b", "n": 2}, None),
        ("row_insert", 3, {"id": 3, "v": "c", "n": 3}, None),
        ("field_update", 2, {"v": "B"}, None),
        ("field_update", 2, {"n": 20}, None),
        # The key of a row changes.
        ("row_delete", 3, None, None),
        ("row_insert", 5, {"id": 5, "v": "c", "n": 3}, None),
        ("row_delete", 1, None, True),
        ("field_update", 2, {"n": None}, True),
        ("row_delete", 2, None, True)]
    got = until(lambda: (lambda got: len(got) >= len(expected) and got)(events(subscriber, session)), "the last delete")
    assert [(event["type"], event["key"]["id"], event.get("payload"), event.get("last")) for event in got] == expected
    assert len({event["xid"] for event in got}) == 4
    assert heard_until(listener, got[-1]["cursor"]) == got
    assert [told(event)[0] for event in events(subscriber, row)] == ["field_update", "field_update", "field_update", "row_delete"]


def test_p02_replicated_truncate(connect, publisher, subscriber):
    """TRUNCATE on the publisher is one `truncate`, in its place."""
    session = new_session(subscriber, "item")
    listener = listening(connect, session)
    publisher.subscribe(subscriber)
    writer = publisher.connection
    with writer.transaction():
        writer.execute("insert into item values (1, 'before', 1)")
        writer.execute("truncate item")
        writer.execute("insert into item values (1, 'after', 2)")
    got = until(lambda: events(subscriber, session), "the transaction")
    assert [told(event) for event in got] == [
        ("row_insert", "public.item", 1, {"id": 1, "v": "before", "n": 1}),
        ("truncate", "public.item", None, None),
        ("row_insert", "public.item", 1, {"id": 1, "v": "after", "n": 2})]
    assert [event.get("last") for event in got] == [None, None, True]
    assert heard_until(listener, got[-1]["cursor"]) == got


def test_p17_worker_goes_on(connect, publisher, subscriber):
    """More than a notification can hold, and more than are notified: the worker applies all of it, without an error."""
    session = new_session(subscriber, "item")
    publisher.subscribe(subscriber, binary="true")
    writer = publisher.connection
    writer.execute("insert into item select n, repeat('x', 9000), n from generate_series(1, 1500) n")
    writer.execute("update item set n = 0")
    got = until(lambda: (lambda got: len(got) >= 3000 and got)(events(subscriber, session)), "the update")
    assert len(got) == 3000 and all(event["payload"] == {"n": 0} for event in got[1500:])
    assert subscriber.execute("select count(*), sum(n) from item").fetchone() == (1500, 0)
    errors = subscriber.execute("select apply_error_count, sync_error_count from pg_stat_subscription_stats").fetchone()
    assert errors == (0, 0)
