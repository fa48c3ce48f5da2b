"""Several sessions and real delivery: tests/isolation/specs/NAME.spec, compared with tests/isolation/expected/NAME.out."""

from .golden import run_files


def run(outcome, tree, source, server, only=None, long=False) -> None:
    folder = tree / "tests" / "isolation"
    tool = source.pgxs_tool("isolation/pg_isolation_regress")
    run_files(outcome, sorted((folder / "specs").glob("*.spec")), folder, tool, server, only, timeout=600)
