"""Real drivers: pytest over tests/clients against a private cluster."""

import xml.etree.ElementTree as xml

from .. import nodejs, pooler, rust_client, toolchain
from ..cluster import Cluster
from ..paths import RESULTS
from ..run import Trouble, logged, tail


def run(outcome, tree, source, server, only=None, long=False) -> None:
    folder = tree / "tests" / "clients"
    # Those of the folder are for another library.
    options = [] if only else [f"--ignore={folder / 'faults'}"]
    run_tests(outcome, "clients", folder, [folder / only if only else folder, *options], server, _programs(outcome), long)


def run_tests(outcome, name: str, folder, where: list, server, programs: dict, long: bool) -> None:
    """pytest with the fixtures of `folder`."""
    packages = toolchain.packages()
    RESULTS.mkdir(parents=True, exist_ok=True)
    junit = RESULTS / f"{name}-{server.major}.xml"
    junit.unlink(missing_ok=True)
    # What a test prints, the counts of an oracle above all, stands in the results of those that pass, too.
    command = [packages.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}",
               "-o", "junit_logging=system-out", "--rootdir", folder, *where]
    if not long:
        command += ["-m", "not long"]
    with Cluster(server) as cluster:
        env = dict(cluster.env(), **packages.env, **programs, PYTHONDONTWRITEBYTECODE="1", PG_BINDIR=str(server.bindir))
        status, output = logged(f"{name}-{server.major}", command, env=env, cwd=folder, timeout=4 * 3600 if long else 1800)
        if not cluster.alive():
            output += f"\nThe server has gone; the end of its log:\n{cluster.log_tail()}"
    _count(outcome, junit)
    if status == 5:
        outcome.could_not_run("pytest found no test.")
    elif status != 0:
        outcome.details.append(tail(output, 150))
        if outcome.failed == 0:
            outcome.could_not_run("pytest failed.")


def _programs(outcome) -> dict:
    """Other drivers and PgBouncer; without one of them the rest still runs, and what is missing is a failure."""
    env = {}
    for program in (nodejs, rust_client, pooler):
        try:
            env |= program.environment()
        except Trouble as trouble:
            outcome.could_not_run(str(trouble), trouble.detail or str(trouble))
    return env


def _count(outcome, junit) -> None:
    if not junit.exists():
        return
    for suite in xml.parse(junit).getroot().iter("testsuite"):
        counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
        bad = counts["failures"] + counts["errors"]
        outcome.failed += bad
        outcome.passed += counts["tests"] - bad - counts["skipped"]
        if counts["skipped"]:
            outcome.note = f"{outcome.note} {counts['skipped']} skipped.".lstrip()
