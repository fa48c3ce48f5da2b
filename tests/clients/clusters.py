"""Clusters of a test's own: one whose processes may be killed, and a standby of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from harness import demote  # noqa: E402
from harness.cluster import PORT, Cluster  # noqa: E402
from harness.run import Trouble, base_env  # noqa: E402
from harness.servers import Server  # noqa: E402

from patience import until  # noqa: E402


def _status(pid) -> list:
    """State and parent of a process; without one, nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children(pid: int) -> list:
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [child for child in found if _status(child)[1:] == [str(pid)]]


class PrivateCluster(Cluster):
    """A cluster of the server under test, with settings of its own."""

    def __init__(self, settings: dict):
        super().__init__(Server(Path(os.environ["PG_BINDIR"]) / "pg_config"), settings)

    def dsn(self, database: str = "postgres") -> str:
        return f"host={self.host} port={PORT} user=postgres dbname={database}"

    def kill(self) -> int:
        """kill -9 of all processes, which get no moment to write anything; returns how many they were."""
        postmaster = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        # It must neither start a child that is not in the list nor see one end.
        os.kill(postmaster, signal.SIGSTOP)
        pids = [postmaster, *_children(postmaster)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: all(_status(pid)[:1] in ([], ["Z"]) for pid in pids), "the end of the server's processes")
        # Where nobody buries orphans, a dead postmaster would be taken for a living one.
        (self.data / "postmaster.pid").unlink()
        (self.folder / f".s.PGSQL.{PORT}.lock").unlink()
        return len(pids)


class Standby(PrivateCluster):
    """A streaming standby of a running cluster, of which it is a copy."""

    def __init__(self, primary: PrivateCluster):
        super().__init__(primary.settings)
        self.primary = primary

    def _create(self) -> None:
        demotion = demote.demotion()
        command = [*(demotion.prefix if demotion else []), self.server.bindir / "pg_basebackup", "-D", self.data, "-R", "-X", "stream",
                   "-c", "fast", "--no-sync", "-d", f"{self.primary.dsn()} application_name=standby"]
        done = subprocess.run(command, env=base_env(), cwd="/", stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Trouble("pg_basebackup failed.", done.stdout)

    def promote(self) -> None:
        self.sql("select pg_promote()")
