"""Several sessions and real delivery: tests/isolation/specs/NAME.spec, compared with tests/isolation/expected/NAME.out.

Each runs twice: inline, and with the sequencer, which is the same to who waits for it. Where it is not, what is expected then
is in tests/isolation/sequencer/NAME.out.
"""

import shutil
from pathlib import Path

from ..masks import without_senders
from ..paths import BUILD
from ..run import clean_tree
from .golden import run_files


def run(outcome, tree, source, server, only=None, long=False) -> None:
    folder = tree / "tests" / "isolation"
    tool = source.pgxs_tool("isolation/pg_isolation_regress")
    specs = sorted((folder / "specs").glob("*.spec"))
    run_files(outcome, specs, folder, tool, server, only, timeout=600)
    run_files(outcome, specs, _with_sequencer(folder), tool, server, only, timeout=600, with_sequencer=True)


def _with_sequencer(folder: Path) -> Path:
    """The same folder for the other mode; pg_isolation_regress of PostgreSQL 15 cannot be told where the outputs are."""
    composed = BUILD / "isolation_sequencer"
    clean_tree(composed)
    shutil.copytree(folder / "specs", composed / "specs")
    shutil.copytree(folder / "expected", composed / "expected")
    if (folder / "sequencer").is_dir():
        shutil.copytree(folder / "sequencer", composed / "expected", dirs_exist_ok=True)
    for path in (composed / "expected").iterdir():
        path.write_text(without_senders(path.read_text()))
    return composed
