"""The time of events never decreases, also when the clock is set back: as it looks after a row of the feed that is ahead of it."""

import psycopg

from clusters import PrivateCluster
from wire import events, new_session


def test_times_never_decrease():
    """What is behind it is looked up by the first commit after the server's start, and known to the next one."""
    with PrivateCluster({}) as cluster:
        cluster.sql("create extension pg_reldiff")
        with psycopg.connect(cluster.dsn(), autocommit=True) as writer:
            writer.execute("create table item (id integer primary key)")
            session = new_session(writer, "item")
            writer.execute("insert into item values (1)")
            writer.execute("update event.transaction_0 set at = '2100-01-01 00:00:00+00'")
        cluster.stop()
        cluster.start()
        with psycopg.connect(cluster.dsn(), autocommit=True) as writer:
            for id in (2, 3):
                writer.execute("insert into item values (%s)", (id,))
        with psycopg.connect(cluster.dsn(), autocommit=True) as writer:
            writer.execute("insert into item values (4)")
            assert [(event["key"]["id"], event["at"]) for event in events(writer, session)] == [
                (id, "2100-01-01T00:00:00.000000Z") for id in (1, 2, 3, 4)]
