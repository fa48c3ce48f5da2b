"""Benchmarks of pg_reldiff against other ways to hear of changes, on a private server with a release build.

Without names all workloads run, and bench/RESULTS.md is written: about 45 minutes on a machine that does nothing else.
"""

import argparse
import sys
import time
from dataclasses import replace

import required
import results
from bench import Bench
from options import QUICK, Options
from workloads import bulk, latency, nothing, read, rows, sequencer, sessions, update

from harness.run import entry, say

WORKLOADS = {"update": update, "bulk": bulk, "nothing": nothing, "sessions": sessions, "rows": rows, "latency": latency, "read": read,
             "sequencer": sequencer}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="*", help=f"which of {', '.join(WORKLOADS)} (default: all)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds that count, after one that does not (default 9)")
    parser.add_argument("--seconds", type=int, help="length of one run of pgbench (default 2)")
    parser.add_argument("--quick", action="store_true", help="one short round of everything, smaller: whether it works, not how fast it is")
    parser.add_argument("--only-print", action="store_true", help="write nothing")
    chosen = parser.parse_args()
    unknown = set(chosen.workload) - set(WORKLOADS)
    if unknown:
        parser.error(f"there is no workload {unknown.pop()}; there are {', '.join(WORKLOADS)}")
    if any(number is not None and number < 1 for number in (chosen.rounds, chosen.seconds)):
        parser.error("--rounds and --seconds are at least 1")
    return chosen


def main() -> int:
    chosen = arguments()
    asked = {name: value for name in ("rounds", "seconds") if (value := getattr(chosen, name)) is not None}
    options = replace(QUICK if chosen.quick else Options(), **asked)
    names = [name for name in WORKLOADS if name in chosen.workload] or list(WORKLOADS)
    bench = Bench(options)
    begun = time.monotonic()
    tables, figures = [], {}
    for name in names:
        started = time.monotonic()
        found = WORKLOADS[name].run(bench)
        tables += found.tables
        figures.update(found.figures)
        for table in found.tables:
            say(table.text())
        say(f"{name}: {time.monotonic() - started:.0f} s\n")
    requirements = required.rows(figures, options)
    say(results.required([requirement for requirement in requirements if requirement.values]))
    minutes = (time.monotonic() - begun) / 60
    say(f"{minutes:.1f} minutes in all." + " These figures show that everything works, and nothing else." * options.is_quick)
    if len(names) == len(WORKLOADS) and not chosen.only_print and not chosen.quick:
        results.write(bench.server, options, ["bench/run", *sys.argv[1:]], minutes, tables, requirements)
        say(f"Written: {results.PATH.relative_to(results.ROOT)}")
    return 0


entry(main)
