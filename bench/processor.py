"""Processor time of backends, and the core that they run on."""

import os
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

# Between two looks at a process that may end.
PAUSE = 0.02
# Between two looks for new ones.
LOOK = 0.2

PROCESSES = "select pid, backend_type = 'pg_reldiff' from pg_stat_activity where datname = %s and pid <> all(%s)"


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, in user and system mode."""
    try:
        # Nanoseconds; the other file counts hundredths of a second.
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cores() -> set:
    """Those that we may use; none where a process cannot choose."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def give_core(process: int) -> None:
    """A process that is measured stays where it is."""
    if cores():
        os.sched_setaffinity(process, {max(cores())})


@contextmanager
def one_core(cluster):
    """While inside, new backends start on the last core that we may use, and all others of the cluster and we ourselves keep
    off it; yields what a client does to join the new ones."""
    if len(cores()) < 2:
        yield None
        return
    core = max(cores())
    postmaster = int((cluster.data / "postmaster.pid").read_text().split("\n")[0])
    usual = {}
    for process in [postmaster, *children(postmaster), *threads()]:
        with suppress(ProcessLookupError):
            usual[process] = os.sched_getaffinity(process)
            os.sched_setaffinity(process, {core} if process == postmaster else cores_but(usual[process], core))
    try:
        yield lambda: os.sched_setaffinity(0, {core})
    finally:
        for process, before in usual.items():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(process, before)


def cores_but(usual: set, core: int) -> set:
    return usual - {core} or usual


def children(parent: int) -> list:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def threads() -> list:
    """Our own: one of them drains the listeners."""
    return [int(path.name) for path in Path("/proc/self/task").iterdir()]


class Meter(threading.Thread):
    """Processor time of all processes of a database while inside: clients' backends, listeners', and the sequencer.

    A process that ends is looked at every 20 ms, so a little of its time is lost, the same for everybody.
    """

    def __init__(self, watcher, database: str, without: list):
        super().__init__(daemon=True)
        self.watcher, self.database, self.without = watcher, database, without
        self.before, self.latest, self.fleeting = {}, {}, set()
        self.is_over = False
        self.seconds = 0.0

    def __enter__(self) -> "Meter":
        for pid, is_worker in self._processes():
            self._sample(pid)
            self.before[pid] = self.latest.get(pid, 0.0)
            if is_worker:
                self.fleeting.add(pid)
        self.start()
        return self

    def __exit__(self, *_error) -> None:
        self.is_over = True
        self.join()
        # The sequencer may have been started since the last look, and lives on.
        for pid in {*self.latest, *(pid for pid, _ in self._processes())}:
            self._sample(pid)
        self.seconds = sum(used - self.before.get(pid, 0.0) for pid, used in self.latest.items())

    def run(self) -> None:
        looked = 0.0
        while not self.is_over:
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                self.fleeting.update(pid for pid, _ in self._processes() if pid not in self.before)
            for pid in list(self.fleeting):
                self._sample(pid)
            time.sleep(PAUSE)

    def _processes(self) -> list:
        return self.watcher.execute(PROCESSES, (self.database, self.without)).fetchall()

    def _sample(self, pid: int) -> None:
        try:
            self.latest[pid] = cpu_seconds(pid)
        except (FileNotFoundError, ProcessLookupError):
            # It has ended; the latest sample counts.
            self.fleeting.discard(pid)
