"""How much is measured."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Options:
    # Rounds that count, and the seconds of one run of pgbench.
    rounds: int = 9
    seconds: int = 2
    # Clients of the one-field updates.
    clients: tuple = (1, 4, 16, 32)
    # Rows of a bulk statement.
    bulk_rows: int = 100_000
    # Updates in one measurement of a backend's processor time.
    updates: int = 20_000
    # Sessions on one table, and the most of them in the comparison of writers.
    sessions: tuple = (1, 10, 100, 1_000)
    most_sessions: int = 10_000
    # Row subscriptions.
    rows: tuple = (10, 1_000, 100_000, 1_000_000)
    # Statements whose way to the listener is timed in one round.
    statements: int = 500
    # Events in an inbox that is read.
    events: int = 100_000
    is_quick: bool = False


# Whether everything works, not how fast it is.
QUICK = replace(Options(), rounds=1, seconds=1, clients=(1, 16), bulk_rows=10_000, updates=2_000, sessions=(1, 10, 100),
                most_sessions=1_000, rows=(10, 1_000, 10_000), statements=100, events=20_000, is_quick=True)
