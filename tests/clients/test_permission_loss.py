"""A session whose owner may not read a table any more: what is told of that, and what is told no more."""

import psycopg
import pytest

from stuck import no_waiting, stuck
from wire import Listener, events, new_session, parse


@pytest.fixture
def admin(connect):
    """Connected as a superuser; the role reader may read the table t."""
    connection = connect()
    connection.execute("create role reader")
    connection.execute("create table t (id integer primary key, v text)")
    connection.execute("grant select on t to reader")
    yield connection
    connection.execute("drop owned by reader")
    connection.execute("drop role reader")


@pytest.fixture
def subscribe(admin, connect):
    """Opens a session of the reader that subscribes by `call`; returns a connection of hers and the session."""
    def subscribe(call, **options):
        reader = connect(options="-c role=reader")
        notify = options.get("notify", "payload")
        session, = reader.execute("select event.session_create(notify => %s, attach => false)::text", (notify,)).fetchone()
        subscription, = reader.execute(f"select event.{call}::text").fetchone()
        return reader, session, subscription
    return subscribe


def test_p23_permission_loss_is_told_once_and_nothing_after_it(admin, connect, subscribe):
    reader, session, subscription = subscribe("subscribe_table('t')")
    listener = Listener(connect()).listen(session)
    writer = connect()
    writer.execute("insert into t values (1, 'read')")
    assert [event["key"] for event in listener.events()] == [{"id": 1}]
    cursor = events(reader, session)[-1]["cursor"]
    writer.execute("insert into t values (2, 'unread')")
    listener.payloads()
    admin.execute("revoke select on t from reader")
    # Nothing that happens to the table tells anything, and no writer says why.
    writer.execute("insert into t values (3, 'late')")
    writer.execute("truncate t")
    assert listener.payloads() == []
    # The reading transaction records it: it is heard by everybody who listens, and stands in the inbox.
    assert events(reader, session, cursor) == []
    lost, = listener.events()
    assert (lost["type"], lost["relation"], lost["subscription_id"], lost["last"]) == ("permission_loss", "public.t", subscription, True)
    assert "v" not in lost and "payload" not in lost
    assert events(reader, session, cursor) == [lost]
    # Once, and nothing of the table after it: what was unread stays so, also when the privilege comes back.
    admin.execute("grant select on t to reader")
    writer.execute("insert into t values (4, 'unheard')")
    assert listener.payloads() == []
    assert events(reader, session) == [lost]
    assert reader.execute("select count(*) from event.subscription").fetchone() == (0,)
    reader.execute("select event.subscribe_table('t')")
    writer.execute("insert into t values (5, 'told')")
    told, = listener.events()
    assert (told["type"], told["key"]) == ("row_insert", {"id": 5})
    assert events(reader, session) == [lost, told]


@pytest.mark.parametrize("call", ["subscribe_column('t', 'v')", "subscribe_row('t', 1)", "subscribe_field('t', 1, 'v')"])
def test_p23_every_kind_of_subscription_is_lost(admin, connect, subscribe, call):
    reader, session, subscription = subscribe(call)
    writer = connect()
    writer.execute("insert into t values (1, 'one')")
    writer.execute("update t set v = 'two'")
    assert len(events(reader, session)) > 0
    admin.execute("revoke select on t from reader")
    assert events(reader, session) == []
    assert [(event["type"], event["subscription_id"]) for event in events(reader, session)] == [("permission_loss", subscription)]


def test_p23_readers_do_not_wait_for_each_other(admin, connect, subscribe):
    """While one reader's transaction has recorded the loss, others read, write and acknowledge; it is recorded once."""
    reader, session, _ = subscribe("subscribe_table('t')", notify="nudge")
    other = connect(options="-c role=reader -c statement_timeout=20s")
    listener = Listener(connect()).listen(session)
    writer = connect()
    writer.execute("insert into t values (1, 'unread')")
    listener.payloads()
    admin.execute("revoke select on t from reader")
    reader.execute("begin")
    assert events(reader, session) == []
    for _ in range(3):
        assert events(other, session) == []
    writer.execute("insert into t values (2, 'late')")
    assert listener.payloads() == []
    reader.execute("commit")
    assert [event["count"] for event in listener.events()] == [1]
    assert [event["type"] for event in events(other, session)] == ["permission_loss"]
    other.execute("select event.ack(event.cursor(), %s)", (session,))
    assert events(reader, session) == events(other, session) == []


def test_p23_reads_that_cannot_write_withhold_only(admin, connect, subscribe):
    reader, session, _ = subscribe("subscribe_table('t')")
    connect().execute("insert into t values (1, 'unread')")
    admin.execute("revoke select on t from reader")
    reader.execute("set default_transaction_read_only = on")
    for _ in range(2):
        assert events(reader, session) == []
    assert reader.execute("select count(*) from event.subscription").fetchone() == (1,)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("select event.unsubscribe_all()")
    reader.execute("set default_transaction_read_only = off")
    # By any function that reads.
    listener = Listener(reader)
    pending, = reader.execute("select event.session_attach(%s)", (session,)).fetchone()
    assert pending == 0
    assert [parse(text)["type"] for _, text in listener.payloads()] == ["permission_loss"]
    assert [event["type"] for event in events(reader, session)] == ["permission_loss"]


def test_p23_wait_events_does_not_wait_for_what_is_lost(admin, connect, subscribe):
    """It returns at once, since the event that says so comes with the end of its own transaction."""
    reader, session, _ = subscribe("subscribe_table('t')")
    connect().execute("insert into t values (1, 'unread')")
    admin.execute("revoke select on t from reader")
    reader.execute("set statement_timeout = '20s'")
    waiting = "select type from event.wait_events(%s, timeout => '1 hour')"
    assert reader.execute(waiting, (session,)).fetchall() == []
    assert reader.execute(waiting, (session,)).fetchall() == [("permission_loss",)]


def test_p23_what_waits_for_its_place_is_withheld(admin, connect, subscribe):
    """A commit without a place is older than the new subscription, although it gets its place afterwards."""
    admin.execute("create table other (id integer primary key)")
    new_session(admin, "other")
    no_waiting(admin)
    reader, session, _ = subscribe("subscribe_table('t')")
    writer = connect()
    with stuck(connect, "insert into other values (1)"):
        writer.execute("insert into t values (1, 'unread')")
        admin.execute("revoke select on t from reader")
        assert events(reader, session) == []
        admin.execute("grant select on t to reader")
        reader.execute("select event.subscribe_table('t')")
    writer.execute("insert into t values (2, 'of the new subscription')")
    reader.execute("select event.await_sequenced()")
    assert [(event["type"], event.get("key")) for event in events(reader, session)] == [("permission_loss", None), ("row_insert", {"id": 2})]
