"""Fair comparisons: pgbench on contenders in turn, so that a machine that slows down slows all of them.

Each contender has a database of its own in one cluster with the server's default settings (fsync on) and a release
build. A single client and its backend share one core, which takes the scheduler out of the figures.
"""

import os
import re
import statistics
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import extension, toolchain
from .cluster import Cluster
from .run import Trouble, say, tail

TPS = re.compile(r"^tps = ([0-9.]+)", re.M)


@dataclass
class Contender:
    """A name, and the SQL that prepares its database (run once)."""

    name: str
    setup: str


@contextmanager
def bench_cluster(settings: dict = None):
    """A private cluster with a release build of the extension; `settings` go beyond the defaults."""
    toolchain.cargo_pgrx()
    source = toolchain.chosen_server()
    say(f"Building the extension for PostgreSQL {source.version}, optimised.")
    with Cluster(extension.installed(source, "bench", release=True), settings or {}) as cluster:
        yield cluster


def prepare(cluster: Cluster, contenders: list) -> None:
    for contender in contenders:
        cluster.sql(contender.setup, cluster.new_database(contender.name))


@contextmanager
def one_core(cluster: Cluster):
    """While inside, new backends start on the last core we may use; yields what a client does to join them."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    postmaster = int((cluster.data / "postmaster.pid").read_text().split("\n")[0])
    usual = os.sched_getaffinity(postmaster)
    core = {max(usual)}
    os.sched_setaffinity(postmaster, core)
    try:
        yield lambda: os.sched_setaffinity(0, core)
    finally:
        os.sched_setaffinity(postmaster, usual)


def tps(cluster: Cluster, database: str, script: Path, *, seconds: int, clients: int = 1, options: list = ()) -> float:
    """Transactions per second of one pgbench run of `script`."""
    command = [str(cluster.server.bindir / "pgbench"), "-n", "-f", str(script), "-T", str(seconds), "-c", str(clients),
               "-j", str(min(clients, os.cpu_count() or 1)), *options, database]

    def once(pin) -> str:
        done = subprocess.run(command, env=cluster.env(), stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, preexec_fn=pin)
        if done.returncode != 0:
            raise Trouble(f"pgbench failed on {database}.", tail(done.stdout))
        return done.stdout

    if clients == 1:
        with one_core(cluster) as pin:
            output = once(pin)
    else:
        output = once(None)
    found = TPS.search(output)
    if not found:
        raise Trouble(f"pgbench printed no figure for {database}.", tail(output))
    return float(found.group(1))


def rounds(contenders: list, measure, count: int = 9) -> dict:
    """`measure(contender)` for each of them, `count` times in turn; the first round warms up and is dropped."""
    figures = {contender.name: [] for contender in contenders}
    for number in range(count + 1):
        for contender in contenders:
            figure = measure(contender)
            if number > 0:
                figures[contender.name].append(figure)
    return figures


def quartiles(values: list) -> tuple:
    """(lower quartile, median, upper quartile)."""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def table(title: str, unit: str, figures: dict, digits: int = 1) -> str:
    """Medians with their quartiles, and ratios to the first contender, taken round by round."""
    first = next(iter(figures.values()))
    lines = [f"{title} ({unit}; median, quartiles, ratio to the first)"]
    for name, values in figures.items():
        low, middle, high = quartiles(values)
        ratio_low, ratio, ratio_high = quartiles([value / base for value, base in zip(values, first)])
        lines.append(f"  {name:<16} {middle:>12.{digits}f}  [{low:.{digits}f} … {high:.{digits}f}]   {ratio:.3f}  [{ratio_low:.3f} … {ratio_high:.3f}]")
    return "\n".join(lines)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, in user and system mode."""
    try:
        # Nanoseconds; the other file counts hundredths of a second.
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
