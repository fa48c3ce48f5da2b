"""One-field UPDATE per transaction, one client: without triggers, and with tcn, the server's own NOTIFY trigger.

Contenders are compared in interleaved rounds; see scripts/harness/pgbench.py.
"""

import argparse
import tempfile
from pathlib import Path

from harness.pgbench import Contender, bench_cluster, prepare, rounds, table, tps
from harness.run import entry, say

TABLE = """
create table item (id integer primary key, score integer not null);
insert into item select n, 0 from generate_series(1, 1000) n;
vacuum analyze item;
"""

CONTENDERS = [
    Contender("no_trigger", TABLE),
    Contender("tcn", TABLE + """
        create extension tcn;
        create trigger tcn after insert or update or delete on item
            for each row execute function triggered_change_notification();
    """),
]

UPDATE = """\\set id random(1, 1000)
update item set score = score + 1 where id = :id;
"""


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
    return 0


entry(main)
