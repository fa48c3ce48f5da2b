"""Reading an inbox by events(), in pages of 1,000: events per second, and processor time of the backend for each event.

Inboxes of different kinds are read in interleaved rounds, each from its beginning to its end by the cursor of the last
event. The client takes all columns and counts the events; one that is missing fails the run. See
scripts/harness/pgbench.py for how it is measured.
"""

import argparse
import time

import psycopg

from harness.pgbench import Contender, bench_cluster, cpu_seconds, one_core, prepare, rounds, table
from harness.run import Trouble, entry, say

TABLE = """
create table item (id integer primary key, name text, score integer);
create extension pg_reldiff;
select event.session_create(notify => 'off', attach => false, format => '{format}');
select event.subscribe_table('item', session_id => id) from event.session;
"""

BULK = """
insert into item select n, 'name ' || n, n from generate_series(1, {events} / 2) n;
update item set score = score + 1 where id <= {events} / 4;
delete from item where id <= {events} / 4;
"""

SMALL = """
do $$
begin
    for n in 1..{events} / 2 loop
        insert into item values (n, 'name ' || n, n);
        commit;
        update item set score = score + 1 where id = n;
        commit;
    end loop;
end
$$;
"""

# Of as many events: few large transactions, one for each event, and the shorter format.
INBOXES = {"large": ("full", BULK), "single": ("full", SMALL), "compact": ("compact", BULK)}

PAGE = 1000
LEAST = 100_000


class Reader:
    """A connection to a contender's database."""

    def __init__(self, cluster, database: str):
        env = cluster.env()
        self.connection = psycopg.connect(dbname=database, host=env["PGHOST"], port=env["PGPORT"], user=env["PGUSER"], autocommit=True)
        self.session, = self.connection.execute("select id from event.session").fetchone()

    def pages(self) -> int:
        """Reads everything; how many events that were."""
        cursor, count = None, 0
        while True:
            # The driver makes no Python objects of what is not asked for: it is the server that is measured.
            page = self.connection.execute("select * from event.events(%s, %s, %s)", (self.session, cursor, PAGE)).pgresult
            if page.ntuples == 0:
                return count
            count += page.ntuples
            cursor = page.get_value(page.ntuples - 1, 0).decode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds that count (default 9)")
    parser.add_argument("--events", type=int, default=100_000, help="events in each inbox (default 100,000)")
    options = parser.parse_args()
    contenders = [Contender(name, TABLE.format(format=form) + fill.format(events=options.events))
                  for name, (form, fill) in INBOXES.items()]
    with bench_cluster({"synchronous_commit": "off", "autovacuum": "off"}) as cluster:
        prepare(cluster, contenders)
        for name in INBOXES:
            cluster.sql("vacuum analyze", name)
        with one_core(cluster):
            readers = {name: Reader(cluster, name) for name in INBOXES}

        def measure(contender: Contender) -> tuple:
            reader = readers[contender.name]
            pid = reader.connection.info.backend_pid
            begun, used = time.perf_counter(), cpu_seconds(pid)
            count = reader.pages()
            seconds, used = time.perf_counter() - begun, cpu_seconds(pid) - used
            if count != options.events:
                raise Trouble(f"{count} events were read from {contender.name} instead of {options.events}.")
            return count / seconds, used * 1e6 / count

        figures = rounds(contenders, measure, options.rounds)
        for reader in readers.values():
            reader.connection.close()
    say(table(f"events() in pages of {PAGE}, at least {LEAST} are promised", "events/s",
              {name: [rate for rate, _ in measured] for name, measured in figures.items()}, digits=0))
    say(table("the same", "backend CPU µs/event",
              {name: [used for _, used in measured] for name, measured in figures.items()}, digits=2))
    say(f"  {options.events} events in each inbox, all read in each round")
    return 0


entry(main)
