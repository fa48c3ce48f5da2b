"""One-field UPDATE per transaction, one client: without triggers, with tcn (the server's own NOTIFY trigger), with us.

Contenders are compared in interleaved rounds; see scripts/harness/pgbench.py. First nobody listens, which is what
the change itself costs; then whoever notifies has a listener, which drains and counts what it gets, and a
notification that is lost fails the run. Waking a listener is the server's own work and costs the more, the longer
the payload.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import contenders
import psycopg

from harness.pgbench import Contender, bench_cluster, prepare, rounds, table, tps
from harness.run import Trouble, entry, say

TABLE = """
create table item (id integer primary key, score integer not null);
insert into item select n, 0 from generate_series(1, 1000) n;
vacuum analyze item;
"""

CONTENDERS = [
    Contender("no_trigger", TABLE),
    Contender("tcn", TABLE + contenders.TCN),
    Contender("pg_reldiff", TABLE + contenders.RELDIFF),
]

UPDATE = """\\set id random(1, 1000)
update item set score = score + 1 where id = :id;
"""

# How many changes a contender's database has made, and the channel on which it notifies each.
COUNT = "select sum(score) from item"
CHANNEL = {"tcn": "select 'tcn'", "pg_reldiff": "select id::text from event.session"}


class Listener(threading.Thread):
    """A connection that listens on a contender's channel and counts the notifications."""

    def __init__(self, cluster, database: str):
        super().__init__(daemon=True)
        env = cluster.env()
        self.connection = psycopg.connect(
            dbname=database, host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], autocommit=True)
        channel = self.connection.execute(CHANNEL[database]).fetchone()[0]
        self.connection.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(channel)))
        self.received = 0
        self.stopped = False

    def run(self):
        while not self.stopped:
            for _ in self.connection.notifies(timeout=0.2):
                self.received += 1

    def settle(self, expected: int, seconds: float = 30):
        """Waits for the last notifications and ends the thread."""
        deadline = time.monotonic() + seconds
        while self.received < expected and time.monotonic() < deadline:
            time.sleep(0.05)
        self.stopped = True
        self.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds that count (default 9)")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement (default 5)")
    options = parser.parse_args()
    with bench_cluster({"synchronous_commit": "off"}) as cluster, tempfile.TemporaryDirectory() as folder:
        prepare(cluster, CONTENDERS)
        script = Path(folder) / "update.sql"
        script.write_text(UPDATE)

        def measure(contender: Contender) -> float:
            return tps(cluster, contender.name, script, seconds=options.seconds)

        figures = rounds(CONTENDERS, measure, options.rounds)
        say(table("one-field UPDATE per transaction, synchronous_commit off", "transactions/s", figures))

        before = {name: int(cluster.sql(COUNT, name)) for name in CHANNEL}
        listeners = {name: Listener(cluster, name) for name in CHANNEL}
        for listener in listeners.values():
            listener.start()
        figures = rounds(CONTENDERS, measure, options.rounds)
        say(table("the same with a listener", "transactions/s", figures))
        for name, listener in listeners.items():
            changes = int(cluster.sql(COUNT, name)) - before[name]
            listener.settle(changes)
            say(f"  {name}: {changes} changes, {listener.received} notifications received")
            if listener.received != changes:
                raise Trouble(f"{name} lost {changes - listener.received} notifications.")
    return 0


entry(main)
