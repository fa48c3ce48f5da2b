"""What golden SQL and isolation specs share: one fresh database per file, so that no file sees another's sessions.

A file's output passes through scripts/golden-output, which masks what differs from run to run.
"""

import shlex
import sys
from pathlib import Path

from ..cluster import PORT, Cluster
from ..paths import EXTENSION, RESULTS, ROOT
from ..run import Trouble, logged, tail

LAUNCHER = ROOT / "scripts" / "golden-output"


def run_files(outcome, files: list, folder: Path, tool: Path, server, only, timeout: int, with_sequencer: bool = False) -> None:
    """Run each of `files` by `tool` (pg_regress or pg_isolation_regress) against a private cluster."""
    names = [path.stem for path in files if only in (None, path.stem)]
    if only and not names:
        raise Trouble(f"There is no test {only} in {folder.relative_to(folder.parents[1])}.")
    with Cluster(server) as cluster:
        for name in names:
            cluster.restart_if_dead()
            _run_file(outcome, name, folder, tool, server, cluster, timeout, with_sequencer)


def _run_file(outcome, name: str, folder: Path, tool: Path, server, cluster, timeout: int, with_sequencer: bool) -> None:
    results = RESULTS / f"{folder.name}-{server.major}" / name
    results.mkdir(parents=True, exist_ok=True)
    differences = results / "regression.diffs"
    differences.unlink(missing_ok=True)
    launcher = shlex.join([sys.executable, str(LAUNCHER), *(["--without-senders"] if with_sequencer else [])])
    command = [tool, f"--inputdir={folder}", f"--outputdir={results}", f"--bindir={server.bindir}", f"--launcher={launcher}",
               f"--host={cluster.host}", f"--port={PORT}", "--user=postgres", f"--dbname={folder.name}_{name}",
               f"--load-extension={EXTENSION}", "--encoding=UTF8", name]
    env = dict(cluster.env(), PGISOLATIONTIMEOUT="60", PGOPTIONS="-c reldiff.delivery=sequencer" if with_sequencer else "")
    status, output = logged(f"{folder.name}-{server.major}-{name}", command, env=env, cwd=results, timeout=timeout)
    if status == 0:
        outcome.passed += 1
        return
    outcome.failed += 1
    printed = f"its output is build/results/{results.relative_to(RESULTS)}/results/{name}.out"
    if differences.exists() and differences.stat().st_size:
        shown = differences.read_text(errors="replace")
    elif (folder / "expected" / f"{name}.out").exists():
        shown = tail(output)
    else:
        shown = f"There is no {folder.name}/expected/{name}.out to compare it with."
    outcome.details.append(f"{folder.name}/{name} failed; {printed}\n{shown}")
    if not cluster.alive():
        outcome.details.append(f"The server has gone; the end of its log:\n{cluster.log_tail()}")
