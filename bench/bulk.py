"""Bulk INSERT, UPDATE of two columns and DELETE: processor time of the backend for each row.

Without triggers, with tcn (the server's own NOTIFY trigger), with the usual PL/pgSQL trigger (row_to_json and
pg_notify), and with us: one session is subscribed, gets one nudge, and finds all events in its inbox. Contenders are
compared in interleaved rounds; see scripts/harness/pgbench.py. An inbox that has not what it should fails the run.
"""

import argparse
import json
from contextlib import contextmanager

import contenders
import psycopg

from harness.pgbench import Contender, bench_cluster, cpu_seconds, one_core, prepare, rounds, table
from harness.run import Trouble, entry, say

TABLE = """
create table item (id integer primary key, name text, score integer);
"""

CONTENDERS = [
    Contender("no_trigger", TABLE),
    Contender("tcn", TABLE + contenders.TCN),
    Contender("plpgsql_json", TABLE + contenders.PLPGSQL_JSON),
    Contender("pg_reldiff", TABLE + contenders.RELDIFF),
]

# In this order, so that a round leaves an empty table.
STATEMENTS = {
    "INSERT": "insert into item select n, 'name ' || n, n from generate_series(1, {rows}) n",
    "UPDATE": "update item set name = 'other ' || id, score = score + 1",
    "DELETE": "delete from item",
}
EVENTS_PER_ROW = {"INSERT": 1, "UPDATE": 2, "DELETE": 1}


class Backend:
    """A connection to a contender's database; its backend runs on one core."""

    def __init__(self, cluster, database: str):
        self.connection = connected(cluster, database)
        self.database = database

    def microseconds(self, statement: str, rows: int) -> float:
        """Processor time for each row, the commit included."""
        pid = self.connection.info.backend_pid
        before = cpu_seconds(pid)
        done = self.connection.execute(statement).rowcount
        used = cpu_seconds(pid) - before
        if done != rows:
            raise Trouble(f"{self.database}: {done} rows instead of {rows}.")
        return used * 1e6 / rows


class Inbox:
    """Our session: a connection that listens to it, and reads what has come."""

    def __init__(self, cluster, database: str):
        self.connection = connected(cluster, database)
        self.session, = self.connection.execute("select id::text from event.session").fetchone()
        self.connection.execute(f'listen "{self.session}"')
        self.cursor = None

    def check(self, expected: int) -> None:
        """One nudge, and exactly so many new events."""
        nudges = [json.loads(heard.payload) for heard in self.connection.notifies(timeout=10, stop_after=1)]
        count, self.cursor = self.connection.execute("select count(*), max(cursor) from event.events(%s, %s, %s)",
                                                     (self.session, self.cursor, 2 * expected)).fetchone()
        nudges += [json.loads(heard.payload) for heard in self.connection.notifies(timeout=0)]
        if count != expected:
            raise Trouble(f"{count} events are in the inbox instead of {expected}.")
        if nudges != [{"type": "nudge", "cursor": self.cursor, "count": expected}]:
            raise Trouble(f"{nudges} were notified instead of one nudge for {expected} events.")
        pending, = self.connection.execute("select event.ack(%s, %s)", (self.cursor, self.session)).fetchone()
        if pending:
            raise Trouble(f"{pending} events are left after the last one.")


def connected(cluster, database: str) -> psycopg.Connection:
    env = cluster.env()
    return psycopg.connect(dbname=database, host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], autocommit=True)


@contextmanager
def backends(cluster):
    with one_core(cluster):
        opened = {contender.name: Backend(cluster, contender.name) for contender in CONTENDERS}
    try:
        yield opened
    finally:
        for backend in opened.values():
            backend.connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds that count (default 9)")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of each statement (default 100,000)")
    options = parser.parse_args()
    with bench_cluster({"synchronous_commit": "off", "autovacuum": "off"}) as cluster:
        prepare(cluster, CONTENDERS)
        with backends(cluster) as opened:

            inbox = Inbox(cluster, "pg_reldiff")

            def measure(contender: Contender) -> dict:
                backend = opened[contender.name]
                used = {}
                for name, statement in STATEMENTS.items():
                    used[name] = backend.microseconds(statement.format(rows=options.rows), options.rows)
                    if contender.name == "pg_reldiff":
                        inbox.check(EVENTS_PER_ROW[name] * options.rows)
                # Not measured: the next round finds the table as this one did.
                backend.connection.execute("vacuum item")
                backend.connection.execute("checkpoint")
                return used

            figures = rounds(CONTENDERS, measure, options.rounds)
        for name in STATEMENTS:
            say(table(f"bulk {name}, {options.rows} rows{' x 2 columns' if name == 'UPDATE' else ''}", "backend CPU µs/row",
                      {contender: [used[name] for used in measured] for contender, measured in figures.items()}, digits=2))
        say(f"  pg_reldiff: {sum(EVENTS_PER_ROW.values()) * options.rows} events and {len(STATEMENTS)} nudges in each round, as there should be")
    return 0


entry(main)
