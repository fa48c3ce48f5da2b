"""Where faults happen: a watched table with its writer, and transactions of each shape."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg

from modes import settle
from patience import until
from replay import Copy, Feed
from unplaced import LOCK, Holder, settled
from wire import Listener, new_session, parse


class Scene:
    """A watched table, somebody who has read its events from the first one on, and somebody who hears them."""

    def __init__(self, dsn: str, delivery: str):
        self.dsn, self.delivery, self.number, self.next = dsn, delivery, 0, 1_000_000_000
        # What has happened, by point and kind.
        self.tally = Counter()
        # These two stay: when the server goes, they do.
        self.observer = self.open()
        self.listener = Listener(self.open())
        self.observer.execute("create table t (id integer primary key, v text, w text)")
        self.observer.execute("create function fault_hits() returns text language c as '$libdir/pg_reldiff', 'fault_hits_wrapper'")
        self.session = new_session(self.observer, "t")
        self.listener.listen(self.session)
        # Somebody else is told otherwise, and hears nothing.
        new_session(self.observer, "t", format="compact")
        self.feed = Feed(self.session, Copy("public.t", ["id"]))
        self.heard, self.told = set(), []
        self.writer = None
        self.holder, self.other = Holder(self.dsn), self.open()
        self.other.execute("set reldiff.commit_lock_timeout = 0")

    def open(self):
        return psycopg.connect(self.dsn, autocommit=True)

    def start(self):
        """The writer of the next case, as good as new."""
        if self.writer is None or self.writer.closed:
            self.writer = self.open()
            self.warnings, self.logged = [], []
            self.writer.add_notice_handler(self._notice)
            self.writer.execute("set client_min_messages = log")
            # Everything is told one by one, and few changes are too many to keep in memory.
            for setting in ("notify_limit = 0", "notify_bytes = '64MB'", "outbox_memory = '64kB'"):
                self.writer.execute(f"set reldiff.{setting}")
            self.writer.execute(f"set reldiff.session = '{self.session}'")
        # A rollback would bring back what the case before has set.
        self.writer.execute("set reldiff.fault = ''")
        self.writer.execute("set reldiff.commit_lock_timeout = '1h'")
        self.warnings.clear()
        self.logged.clear()
        self.number += 10_000
        return self.writer

    def _notice(self, notice) -> None:
        # The end of a connection that nobody uses at the moment comes as a notice, too.
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary)
        if notice.severity_nonlocalized == "LOG":
            self.logged.append(notice.message_primary)

    def hits(self, connection) -> dict:
        """By point: how often the backend has come there, how often something happened."""
        text, = connection.execute("select fault_hits()").fetchone()
        lines = [line.split() for line in text.splitlines()]
        return {point: (int(come), int(happened)) for point, come, happened in lines}

    def check(self, ended) -> None:
        """What holds after everything. `ended`: the process of a connection that was lost."""
        until(lambda: not self.observer.execute("select from pg_stat_activity where pid = %s", (ended,)).fetchall())
        # The background process that gives places may still be there, with the lock that makes it the only one.
        assert not self.observer.execute("""select pid, locktype, mode from pg_locks join pg_stat_activity using (pid)
            where pid <> pg_backend_pid() and backend_type = 'client backend'
            and (locktype = 'object' or relation::regclass::text ~ '^event\\.')""").fetchall(), "a lock is left"
        # The next writers, this one among them if it still has its connection.
        for connection in (self.observer, self.writer):
            if not connection.closed:
                self.next += 1
                connection.execute("insert into t values (%s, 'next')", (self.next,))
        settled(self.observer)
        told = len(self.feed.texts)
        while self.feed.read(self.observer, 1000):
            pass
        self.feed.compare(self.observer)
        heard = {event["cursor"] for event in self.listener.events()}
        expected = {parse(text)["cursor"] for text in self.feed.texts[told:]}
        assert heard - self.heard - expected == set(), "something was heard that nobody committed"
        assert expected - heard == set(), "something was committed and not heard"
        self.heard |= expected
        self.observer.execute("select event.ack(%s, %s)", (self.feed.cursor, self.session))


ATTACH = "select event.session_attach(current_setting('reldiff.session')::uuid)"


# The shapes: each arms the fault where it begins to matter, and does not look what became of it.

def plain(scene, arm) -> None:
    connection, first = scene.writer, scene.number
    connection.execute("insert into t select n, 'a', 'b' from generate_series(%s::integer, %s::integer) n", (first, first + 7))
    arm()
    connection.execute("update t set v = 'c', w = 'd' where id between %s and %s", (first, first + 7))


def savepoint(scene, arm) -> None:
    """The client goes back to its savepoint after an error, and commits."""
    connection, first = scene.writer, scene.number
    connection.execute("begin")
    connection.execute("insert into t values (%s, 'before')", (first,))
    arm()
    connection.execute("savepoint s")
    try:
        connection.execute("insert into t values (%s, 'inside')", (first + 1,))
        connection.execute("update t set v = 'c' where id = %s", (first,))
    except psycopg.Error:
        if connection.closed:
            raise
        connection.execute("rollback to s")
        connection.execute("insert into t values (%s, 'after')", (first + 2,))
        connection.execute("commit")
        raise
    connection.execute("commit")


def spilled(scene, arm) -> None:
    connection, first = scene.writer, scene.number
    arm()
    with connection.transaction():
        connection.execute("insert into t select n, repeat('x', 3000), 'y' from generate_series(%s::integer, %s::integer) n", (first, first + 40))
        connection.execute("update t set v = w, w = v where id between %s and %s", (first, first + 10))
        connection.execute("delete from t where id between %s and %s", (first, first + 40))


def attached(scene, arm) -> None:
    """The writer hears of its changes, too, behind what the session has not read yet."""
    connection, first = scene.writer, scene.number
    connection.execute("insert into t values (%s, 'unread')", (first,))
    settle(scene.observer)
    arm()
    with connection.transaction():
        connection.execute(ATTACH)
        connection.execute("insert into t values (%s, 'a')", (first + 1,))


def reading(scene, arm) -> None:
    connection, first = scene.writer, scene.number
    connection.execute("insert into t values (%s, 'unread')", (first,))
    settle(scene.observer)
    arm()
    connection.execute("select event.feed(current_setting('reldiff.session')::uuid)")
    connection.execute("select event.ack(cursor) from event.events()")


def unplaced(scene, arm) -> None:
    """Somebody keeps the commit lock."""
    scene.writer.execute("set reldiff.commit_lock_timeout = 0")
    with scene.holder.holds():
        plain(scene, arm)


def sequencing(scene, arm) -> None:
    """The writer waits for the commit lock; others do not, and it gives them their places before it takes its own, or before it
    leaves that to the sequencer: then it waits for the lock only if it attaches."""
    connection, first = scene.writer, scene.number
    arm()
    over, waits = threading.Event(), (connection.info.backend_pid, False)
    with ExitStack() as holding, ThreadPoolExecutor() as threads:
        holding.enter_context(scene.holder.holds())

        def others() -> None:
            with holding:
                until(lambda: over.is_set() or waits in scene.observer.execute(LOCK).fetchall())
                scene.other.execute("insert into t values (%s, 'first')", (first,))
                scene.other.execute("update t set v = 'second' where id = %s", (first,))

        work = threads.submit(others)
        try:
            if scene.delivery == "inline":
                connection.execute("insert into t values (%s, 'third')", (first + 1,))
            else:
                with connection.transaction():
                    connection.execute(ATTACH)
                    connection.execute("insert into t values (%s, 'third')", (first + 1,))
        finally:
            over.set()
            work.result()


SHAPES = (plain, savepoint, spilled, attached, reading, unplaced, sequencing)
