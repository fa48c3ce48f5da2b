"""event.await_sequenced(): until what was committed before the call can be read, and for no longer than it is told."""

import psycopg
import pytest
from psycopg import errors

from clusters import PrivateCluster, Standby
from patience import until
from test_with_sequencer import ids, insert, is_waiting, owner, stuck  # noqa: F401
from wire import events, new_session

CALL = "select event.await_sequenced({})"


def call(connection, timeout: str = "'30s'") -> bool:
    return connection.execute(CALL.format(timeout)).fetchone()[0]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_then_it_can_be_read(connect, owner, isolation):  # noqa: F811
    """By the next statement of a snapshot of its own; in an older snapshot it waits just as well, and nothing new is seen."""
    session = new_session(owner, "item")
    reader = connect(autocommit=False)
    reader.execute(f"set transaction isolation level {isolation}")
    reader.execute("select 1 from item")
    for id in range(1, 21):
        insert(owner, id)
        assert call(reader)
        assert ids(events(reader, session)) == (list(range(1, id + 1)) if isolation == "read committed" else [])
    reader.rollback()
    assert ids(events(reader, session)) == list(range(1, 21))


def test_nothing_to_wait_for(connect, owner):  # noqa: F811
    """True at once, whatever the timeout: nothing was committed, something was rolled back, or is not committed yet."""
    session = new_session(owner, "item")
    assert call(owner, "'0'")
    with stuck(connect):
        one = connect(autocommit=False)
        insert(one, 1)
        one.rollback()
        insert(one, 2)
        owner.execute("begin")
        insert(owner, 3)
        owner.execute("prepare transaction 'await_sequenced'")
        try:
            assert call(owner, "'0'")
        finally:
            owner.execute("rollback prepared 'await_sequenced'")
        assert call(owner, "'0'")
        one.commit()
        assert not call(owner, "'0'") and not call(owner, "'50 ms'")
    assert call(owner)
    assert ids(events(owner, session)) == [2]


def test_inline_it_waits_for_nothing(connect, owner):  # noqa: F811
    new_session(owner, "item")
    with stuck(connect):
        assert call(owner, "'0'")
        insert(owner, 1)
        until(lambda: is_waiting(owner), "the process that waits")
        assert not call(owner, "'0'")
    assert call(owner)
    owner.execute("set reldiff.delivery = inline")
    insert(owner, 2)
    assert call(owner, "'0'")


@pytest.mark.parametrize("timeout", ["null", "'-1s'"])
def test_timeout_that_is_none(owner, timeout):  # noqa: F811
    with pytest.raises(errors.InvalidParameterValue):
        call(owner, timeout)


def test_on_a_standby():
    """It waits for what the primary gives places to, and starts nothing."""
    with PrivateCluster({"fsync": "off"}) as primary, Standby(primary) as standby:
        with psycopg.connect(primary.dsn(), autocommit=True) as writer, psycopg.connect(standby.dsn(), autocommit=True) as reader:
            writer.execute("create extension pg_reldiff")
            writer.execute("create table item (id integer primary key, v text)")
            writer.execute("alter database postgres set reldiff.delivery = sequencer")
            writer.execute("set reldiff.delivery = sequencer")
            session = new_session(writer, "item")
            with stuck(lambda **options: psycopg.connect(primary.dsn(), **options)):
                insert(writer, 1)
                end, = writer.execute("select pg_current_wal_flush_lsn()").fetchone()
                until(lambda: reader.execute("select pg_last_wal_replay_lsn() >= %s", (end,)).fetchone()[0], "the standby's replay")
                assert not call(reader, "'100 ms'")
            assert call(reader)
            assert ids(events(reader, session)) == [1]
