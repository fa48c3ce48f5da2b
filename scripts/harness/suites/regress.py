"""Golden SQL: tests/regress/sql/NAME.sql through psql, compared with tests/regress/expected/NAME.out."""

from .golden import run_files


def run(outcome, tree, source, server, only=None, long=False) -> None:
    folder = tree / "tests" / "regress"
    tool = source.pgxs_tool("regress/pg_regress")
    run_files(outcome, sorted((folder / "sql").glob("*.sql")), folder, tool, server, only, timeout=300)
