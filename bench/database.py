"""A contender's database: its owner, its listener, its inbox, and a writer whose processor time is measured."""

import time
from functools import cached_property

import psycopg
from listener import Listener
from processor import Meter, cpu_seconds, give_core

from harness.run import Trouble

# Seconds without anything new after which what is missing is lost.
PATIENCE = 30


def connected(cluster, database: str) -> psycopg.Connection:
    env = cluster.env()
    return psycopg.connect(dbname=database, host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], autocommit=True)


class Database:
    """The table, what the contender adds to it, and what comes out of it."""

    def __init__(self, cluster, contender, table: str):
        self.cluster, self.contender, self.name = cluster, contender, contender.name
        cluster.new_database(self.name)
        for name, value in contender.settings.items():
            cluster.sql(f"alter database \"{self.name}\" set {name} = '{value}'")
        cluster.sql(table + contender.setup, self.name)
        self.owner = connected(cluster, self.name)
        self.watcher = connected(cluster, "postgres")
        channels = self.owner.execute(contender.channels).fetchall() if contender.channels else []
        self.listener = Listener(cluster.env(), self.name, [str(channel) for channel, in channels]) if channels else None
        self.inbox = Inbox(self) if contender.is_ours else None

    def one(self, query: str):
        return self.owner.execute(query).fetchone()[0]

    @property
    def is_sequenced(self) -> bool:
        return self.contender.settings.get("reldiff.delivery") == "sequencer"

    @cached_property
    def writer(self) -> psycopg.Connection:
        """A connection whose backend stays on one core."""
        connection = connected(self.cluster, self.name)
        give_core(connection.info.backend_pid)
        return connection

    def write(self, statement: str, units: int) -> dict:
        """Microseconds for each of so many rows or transactions, the commit included: the processor time of the writer's
        backend, and how long it took."""
        pid = self.writer.info.backend_pid
        before, begun = cpu_seconds(pid), time.perf_counter()
        self.writer.execute(statement)
        took = time.perf_counter() - begun
        return {"cpu": (cpu_seconds(pid) - before) * 1e6 / units, "wall": took * 1e6 / units}

    def meter(self) -> Meter:
        """Of everything in the database but its owner, who only looks."""
        return Meter(self.watcher, self.name, [self.owner.info.backend_pid])

    def close(self) -> None:
        for connection in (self.owner, self.watcher, self.__dict__.get("writer")):
            if connection:
                connection.close()
        if self.listener:
            self.listener.close()


class Inbox:
    """One session, whose events are read and acknowledged."""

    def __init__(self, database: Database):
        self.database = database
        self.session = database.one("select min(id::text) from event.session")

    def read(self, expected: int) -> int:
        """Exactly so many events have come since the last time; the sequencer may still be at work."""
        if self.session is None:
            return 0
        execute = self.database.owner.execute
        found, deadline = 0, time.monotonic() + PATIENCE
        while found < expected:
            count, cursor = execute("select count(*), max(cursor) from event.events(%s, null, %s)", (self.session, expected + 1)).fetchone()
            if count:
                execute("select event.ack(%s, %s)", (cursor, self.session))
                found, deadline = found + count, time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                raise Trouble(f"{expected - found} of {expected} events are missing in the inbox of {self.database.name}.")
            else:
                time.sleep(0.01)
        left, = execute("select count(*) from event.events(%s)", (self.session,)).fetchone()
        if found > expected or left:
            raise Trouble(f"{found + left} events are in the inbox of {self.database.name} instead of {expected}.")
        return found
