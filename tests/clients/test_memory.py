"""A backend that gets no memory."""

import resource

import psycopg
import pytest

from replay import Copy, Feed
from wire import new_session


def allow(pid: int, more: int) -> None:
    """Let a process have so many bytes more than it has."""
    with open(f"/proc/{pid}/statm") as statm:
        has = int(statm.read().split()[0]) * resource.getpagesize()
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (has + more, has + more))
    except PermissionError:
        pytest.skip("the server's processes may not be limited from here")


def test_p17_without_memory_a_connection_ends_and_the_server_stays(connect):
    observer = connect()
    observer.execute("create table t (id integer primary key, v text)")
    feed = Feed(new_session(observer, "t"), Copy("public.t", ["id"]))
    writer = connect()
    writer.execute("set reldiff.outbox_memory = '1GB'")
    writer.execute("insert into t values (0, 'before')")
    allow(writer.info.backend_pid, 32 << 20)
    with pytest.raises(psycopg.OperationalError) as told:
        writer.execute("insert into t select n, repeat('x', 1000) from generate_series(1, 200000) n")
    assert told.value.sqlstate == "53200" and "pg_reldiff asked for" in str(told.value)
    assert writer.closed
    # The others have noticed nothing, and nothing is left of it.
    observer.execute("insert into t values (1, 'after')")
    while feed.read(observer, 1000):
        pass
    feed.compare(observer)
    assert feed.counts == {"row_insert": 2}
