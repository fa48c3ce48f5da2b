"""The sequencer's settings: what it costs to nap, and to give places in smaller batches, which the defaults do not."""

import contenders as c
from figures import Column, Table, rounds
from workloads import Found, latency, update

CLIENTS = 16

DEFAULT = c.SEQUENCER.named("default")
NAPS = [c.SEQUENCER.named(f"nap_{nap}ms").with_settings(**{"reldiff.sequencer_nap": nap}) for nap in (1, 5, 20)]
BATCHES = [c.SEQUENCER.named(f"batch_{batch}").with_settings(**{"reldiff.sequencer_batch": batch}) for batch in (10, 100, 1_000)]


def run(bench) -> Found:
    options = bench.options
    with bench.databases([DEFAULT, *NAPS, *BATCHES], update.TABLE) as opened:

        def throughput(database) -> dict:
            return update.one_run(database, seconds=options.seconds, clients=CLIENTS, synchronous_commit="on", listens=True)

        databases = list(opened.values())
        many = rounds(databases, throughput, options.rounds)
        one = rounds(databases, lambda database: latency.one_round(database, options.statements // 5), options.rounds)
    columns = update.COLUMNS + [update.BEHIND]
    return Found([Table(f"sequencer: its settings, {CLIENTS} clients, synchronous_commit on", many, columns, update.COUNTS),
                  Table("sequencer: its settings, statement to listener", one, latency.COLUMNS, latency.COUNTS)])
