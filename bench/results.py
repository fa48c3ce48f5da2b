"""bench/RESULTS.md: on what machine, with what, when, and all tables."""

import os
import platform
import re
import shlex
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from figures import MISSED, aligned

from harness.paths import ROOT

PATH = ROOT / "bench" / "RESULTS.md"

HOW = """Medians of {rounds} interleaved rounds, with [lower quartile … upper quartile]; ratios and differences are taken round by round. One
cluster for each workload, on a Unix socket, with the server's default settings but for autovacuum = off and what a table
names; each contender has a database of its own. A single client and its backend share one core. CPU of a transaction is that of all processes of the
contender's database: clients' backends, listeners' and the sequencer. Every event was received or read, else there would be no figures."""


def required(requirements: list) -> str:
    lines = aligned([["work", "required", "measured", "result"], *[requirement.row() for requirement in requirements]])
    missed = [requirement for requirement in requirements if requirement.why and requirement.values and requirement.verdict() == MISSED]
    if missed:
        lines += ["", "What is in the way of those that are missed:", "", *[f"- {requirement.work}: {requirement.why}" for requirement in missed]]
    return "\n".join(lines) + "\n"


def write(server, options, command: list, minutes: float, tables: list, requirements: list) -> None:
    facts = {"machine": machine(), "system": system(), "PostgreSQL": server.version, "pg_reldiff": version(),
             "date": f"{datetime.now(timezone.utc):%Y-%m-%d}", "command": f"`{shlex.join(command)}`, {minutes:.0f} minutes"}
    parts = ["# Results of `make bench`\n", "\n".join(f"- {name}: {fact}" for name, fact in facts.items()) + "\n", HOW.format(rounds=options.rounds) + "\n",
             "## What is to be reached\n", "Missed is what has all between its quartiles on the wrong side.\n", required(requirements),
             "## All figures\n", *[table.text() for table in tables]]
    PATH.write_text("\n".join(parts))


def machine() -> str:
    model = re.search(r"^model name\s*:\s*(.*)$", text("/proc/cpuinfo"), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", text("/proc/meminfo"), re.M)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ", ".join([model[1] if model else platform.processor(), f"{cores} cores",
                      f"{int(memory[1]) / 2**20:.0f} GB of memory" if memory else "memory unknown", filesystem()])


def filesystem() -> str:
    """Of the data directories, which are in /tmp."""
    mounts = [line.split() for line in text("/proc/mounts").splitlines()]
    holding = [fields for fields in mounts if Path("/tmp").is_relative_to(fields[1])]
    if not holding:
        return "filesystem unknown"
    return max(holding, key=lambda fields: len(fields[1]))[2]


def system() -> str:
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)', text("/etc/os-release"), re.M)
    return f"{name[1] if name else platform.system()}, kernel {platform.release()}"


def version() -> str:
    number = re.search(r'^version = "([^"]*)"', text(ROOT / "Cargo.toml"), re.M)[1]
    commit = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, text=True, capture_output=True)
    return f"{number}, commit {commit.stdout.strip()}" if commit.returncode == 0 else number


def text(path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
