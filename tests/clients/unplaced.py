"""Transactions that are committed without a place in the feed, since somebody keeps the commit lock."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg

from patience import DEADLINE, until
from wire import new_session

# Who holds the commit lock, and who waits for it.
LOCK = """
select pid, granted from pg_locks
where locktype = 'object' and classid = 'pg_extension'::regclass and objsubid <> 0
      and database = (select oid from pg_database where datname = current_database())
"""

WAITING = """
select count(*) from event.unsequenced u
where not exists (select from event.transaction t where t.epoch = u.epoch and t.xid = u.xid)
"""

# How long a writer waits for the lock: not at all, for a moment, as ever.
MIXED = tuple(f"set local reldiff.commit_lock_timeout = '{time}'" for time in ("0", "1ms", "1s"))


def settled(connection, seconds: float = DEADLINE) -> int:
    """Returns when all that has been committed by now has its place: how many transactions were committed without one."""
    end = time.monotonic() + seconds
    # A reader starts the process that sees to it, unless one was started a moment ago.
    while connection.execute(WAITING).fetchone() != (0,):
        assert time.monotonic() < end, "they do not get their places"
        connection.execute("select event.feed(id) from event.session limit 1")
        time.sleep(0.01)
    return connection.execute("select count(*) from event.unsequenced").fetchone()[0]


class Holder:
    """A connection that keeps the commit lock as long as is wanted, at its commit of a change that concerns nobody else."""

    def __init__(self, dsn: str):
        self.connection = psycopg.connect(dsn, autocommit=True)
        self._obstacle = psycopg.connect(dsn, autocommit=True)
        self.connection.execute("create table if not exists held (id integer primary key generated always as identity)")
        # Where no background process is to be had, a subscription would fail.
        self.connection.execute("select event.track('held')")
        self.session = new_session(self.connection, "held", notify="off")
        self.connection.execute("set reldiff.commit_lock_timeout = '1h'")

    @contextmanager
    def holds(self):
        """Under the lock a writer takes its place in this table, and so waits for whoever has locked it."""
        self._obstacle.execute("begin; lock table event.transaction in share mode")
        self.connection.pgconn.send_query(b"insert into held default values")
        try:
            # Somebody else may have been faster, and waits for the table.
            until(lambda: [pid for pid, granted in self._obstacle.execute(LOCK) if granted], "somebody with the lock")
            yield
        finally:
            self._obstacle.execute("rollback")
            while result := self.connection.pgconn.get_result():
                assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.error_message

    def close(self) -> None:
        self.connection.close()
        self._obstacle.close()


@contextmanager
def without_places(dsn: str, connection):
    """What the connection commits meanwhile gets its place afterwards."""
    holder = Holder(dsn)
    connection.execute("set reldiff.commit_lock_timeout = 0")
    with holder.holds():
        yield
    connection.execute("reset reldiff.commit_lock_timeout")
    holder.close()
    assert settled(connection) > 0


@contextmanager
def holding(dsn: str, seed):
    """Meanwhile somebody keeps the commit lock for a moment, again and again."""
    holder, choose, over = Holder(dsn), random.Random(f"{seed} holder"), threading.Event()

    def hold() -> None:
        while not over.wait(choose.uniform(0.005, 0.02)):
            with holder.holds():
                over.wait(choose.uniform(0.005, 0.02))

    with ThreadPoolExecutor() as threads:
        work = threads.submit(hold)
        try:
            yield
        finally:
            over.set()
            work.result()
            holder.close()
