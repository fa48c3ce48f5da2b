"""Unit tests and the tests inside a backend, both by `cargo pgrx test`.

That command installs a build with the tests in it, starts a server of its own and stops it. The build goes
into the copy named `unit`, which no other suite uses.
"""

import re
import shutil
import tempfile
from pathlib import Path

from .. import cluster, toolchain
from ..extension import features, headers_of
from ..run import Trouble, logged, tail

RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;", re.M)


def run(outcome, tree, source, server, only=None, long=False) -> None:
    copy = headers_of(source)
    # The command derives its socket's directory from this one, hence not under the clone.
    folder = Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp"))
    cluster.give_away(folder)
    # One after the other: one of them drops the extension, and would deadlock with another that uses its tables.
    env = dict(toolchain.cargo_env(copy), CARGO_PGRX_TEST_PGDATA=str(folder), RUST_TEST_THREADS="1")
    command = [toolchain.cargo_pgrx(), "pgrx", "test", source.feature, *([only] if only else []), "--no-default-features"]
    try:
        status, output = logged(f"unit-{source.major}", command, env=env, cwd=tree, timeout=1500)
    finally:
        for data in folder.iterdir():
            cluster.stop(copy, data)
        shutil.rmtree(folder, ignore_errors=True)
    _count(outcome, status, output)


def run_pure(outcome, tree, source, only) -> None:
    """One test that needs no server: built and run by cargo alone, which takes seconds."""
    env = toolchain.cargo_env(headers_of(source))
    command = ["cargo", "test", "--lib", *features(source)]
    status, output = logged("unit-build", [*command, "--no-run"], env=env, cwd=tree)
    if status != 0:
        raise Trouble("The tests do not build.", tail(output))
    status, output = logged("unit-one", [*command, only], env=env, cwd=tree, timeout=120)
    _count(outcome, status, output)


def _count(outcome, status: int, output: str) -> None:
    for passed, failed in RESULT.findall(output):
        outcome.passed += int(passed)
        outcome.failed += int(failed)
    if status != 0:
        begins = output.find("\nfailures:\n")
        outcome.details.append(tail(output[begins:] if begins >= 0 else output, 120))
        if outcome.failed == 0:
            outcome.could_not_run("cargo pgrx test failed.")
