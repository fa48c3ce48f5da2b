"""Breaks that the tests must notice.

Each tests/mutants/NAME.patch is a unified diff; a line `Test: SUITE NAME` before it names the test that must turn red.
A patched copy of the tree is built and installed into a copy of the server of its own. The copy of the tree and a
target folder of its own stay, so each build is an incremental one. In the usual target folder cargo would take what
a mutant left there for a build of the real tree.
"""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import extension, toolchain
from .paths import BUILD, ROOT
from .report import Outcome
from .run import Trouble, base_env, say, text_of
from .servers import copy_of
from .suites import SUITES, unit

TREE = BUILD / "mutants" / "tree"
HEADER = re.compile(r"^Test:\s*(\w+)\s+(\S.*?)\s*$")


@dataclass(frozen=True)
class Mutant:
    path: Path
    suite: str
    test: str

    @property
    def name(self) -> str:
        return self.path.stem


def all_mutants(only=None) -> list:
    found = [_read(path) for path in sorted((ROOT / "tests" / "mutants").glob("*.patch")) if only in (None, path.stem)]
    if not found:
        raise Trouble(f"There is no tests/mutants/{only or '*'}.patch.")
    return found


def _read(path: Path) -> Mutant:
    for line in path.read_text().splitlines():
        header = HEADER.match(line)
        if header and header.group(1) in SUITES:
            return Mutant(path, *header.groups())
        if line.startswith("--- "):
            break
    raise Trouble(f"tests/mutants/{path.name} has no line `Test: SUITE NAME` before its first `---`; "
                  f"the suites are {', '.join(SUITES)}.")


class Bench:
    """The patched tree and the server it is installed into."""

    def __init__(self, source):
        self.source = source
        self.server = copy_of(source, "mutants")

    def reset(self) -> None:
        """Make the copy of the tree equal to the tree; a file that is equal keeps its time, so cargo skips it."""
        listed = text_of(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, env=base_env())
        wanted = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
        for path in [path for path in TREE.rglob("*") if path.is_file()]:
            if str(path.relative_to(TREE)) not in wanted:
                path.unlink()
        for name in wanted:
            content, copy = (ROOT / name).read_bytes(), TREE / name
            if not copy.exists() or copy.read_bytes() != content:
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
                copy.chmod((ROOT / name).stat().st_mode)

    def apply(self, mutant: Mutant) -> None:
        # Without a ceiling git would find our own repository around the copy and skip every file of it.
        env = dict(base_env(), GIT_CEILING_DIRECTORIES=str(TREE.parent))
        done = subprocess.run(["git", "apply", "--recount", "--whitespace=nowarn", str(mutant.path)], cwd=TREE, env=env, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Trouble("the patch does not apply.", done.stdout)

    def install(self) -> None:
        extension.install(self.source, self.server, root=TREE)

    def test(self, suite: str, name: str) -> Outcome:
        """Run one test of the patched tree; raises Trouble where no verdict was reached."""
        outcome = Outcome(suite, self.server.version)
        if suite == "unit":
            unit.run_pure(outcome, TREE, self.source, name)
        else:
            SUITES[suite](outcome, TREE, self.source, self.server, name, True)
        outcome.settle()
        return outcome


def run(only=None) -> int:
    mutants = all_mutants(only)
    toolchain.cargo_pgrx()
    toolchain.TARGET = TREE.parent / "target"
    bench = Bench(toolchain.chosen_server())
    broken = _unpatched_failures(bench, mutants)
    killed = survived = 0
    for mutant in mutants:
        began = time.monotonic()
        verdict, detail = _try(bench, mutant, broken)
        if verdict == "killed":
            killed += 1
        else:
            survived += 1
            if detail:
                say(detail)
        say(f"{mutant.name:<32} {time.monotonic() - began:5.1f} s  {verdict}")
    bench.reset()
    say(f"{killed} killed, {survived} survived")
    return 1 if survived else 0


def _unpatched_failures(bench: Bench, mutants: list) -> set:
    """The named tests that fail, or do not run, without any patch: they prove nothing."""
    say("Building the tree as it is, and running the named tests on it.")
    bench.reset()
    if any(mutant.suite != "unit" for mutant in mutants):
        bench.install()
    broken = set()
    for suite, name in sorted({(mutant.suite, mutant.test) for mutant in mutants}):
        try:
            outcome = bench.test(suite, name)
            failed, detail = outcome.failed, "\n".join([outcome.note, *outcome.details])
        except Trouble as trouble:
            failed, detail = 1, f"{trouble}\n{trouble.detail}"
        if failed:
            broken.add((suite, name))
            say(f"{detail}\n{suite} {name} fails on the unpatched tree.")
    return broken


def _try(bench: Bench, mutant: Mutant, broken: set) -> tuple:
    if (mutant.suite, mutant.test) in broken:
        return "SURVIVED: its test fails without it", ""
    bench.reset()
    try:
        bench.apply(mutant)
        if mutant.suite != "unit":
            bench.install()
        outcome = bench.test(mutant.suite, mutant.test)
    except Trouble as trouble:
        return f"SURVIVED: {trouble}", trouble.detail
    if outcome.failed:
        return "killed", ""
    return f"SURVIVED: {mutant.suite} {mutant.test} stays green", ""


def main() -> int:
    return run(os.environ.get("ONLY") or None)
