"""One run of pgbench."""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

from processor import one_core

from harness.run import Trouble, tail

TPS = re.compile(r"^tps = ([0-9.]+)", re.M)
TRANSACTIONS = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.M)


@dataclass
class Run:
    tps: float
    transactions: int


def pgbench(cluster, database: str, script: str, *, seconds: int, clients: int = 1, synchronous_commit: str = "off") -> Run:
    """A single client and its backend share one core, which takes the scheduler out of the figures."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [cluster.server.bindir / "pgbench", "-n", "-f", file.name, "-T", str(seconds), "-c", str(clients),
                   "-j", str(min(clients, os.cpu_count() or 1)), database]
        env = dict(cluster.env(), PGOPTIONS=f"-c synchronous_commit={synchronous_commit}")

        def once(pin) -> subprocess.CompletedProcess:
            return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, preexec_fn=pin)

        if clients == 1:
            with one_core(cluster) as pin:
                done = once(pin)
        else:
            done = once(None)
    tps, transactions = TPS.search(done.stdout), TRANSACTIONS.search(done.stdout)
    if done.returncode != 0 or not tps or not transactions:
        raise Trouble(f"pgbench failed on {database}.", tail(done.stdout))
    return Run(float(tps[1]), int(transactions[1]))
