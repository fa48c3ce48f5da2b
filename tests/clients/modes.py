"""Both ways of delivery: what the README promises holds inline and with the sequencer."""

import pytest

# The test's database, that of the fixture `dsn`, has reldiff.delivery set so.
both_modes = pytest.mark.parametrize("delivery", ["inline", "sequencer"], indirect=True)


def settle(connection) -> None:
    """Returns when all that has been committed by now has its place; a statement of its own, since what it waits for is newer
    than its snapshot."""
    assert connection.execute("select event.await_sequenced('1min')").fetchone() == (True,)
