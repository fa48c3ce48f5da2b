"""What a suite returns, and the lines that are printed about it."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from .run import Trouble, say


@dataclass
class Outcome:
    """Counts of one suite on one server, and what to show when something failed."""

    suite: str
    server: str
    passed: int = 0
    failed: int = 0
    details: list = field(default_factory=list)
    note: str = ""
    not_meant: bool = False
    seconds: float = 0.0

    def could_not_run(self, why: str, detail: str = "") -> None:
        """A suite that was meant to run and did not is a failure, not a silence."""
        self.failed += 1
        self.note = why
        if detail:
            self.details.append(detail)

    def not_meant_to_run(self, why: str) -> None:
        self.not_meant, self.note = True, why

    def settle(self) -> None:
        if not self.not_meant and self.passed + self.failed == 0:
            self.could_not_run("No test was executed.")


@contextmanager
def suite(name: str, server):
    """Time a suite, turn whatever goes wrong in it into a failure, and print its lines."""
    outcome = Outcome(name, server.version)
    began = time.monotonic()
    try:
        yield outcome
        outcome.settle()
    except Trouble as trouble:
        outcome.could_not_run(str(trouble), trouble.detail)
    except Exception as error:
        outcome.could_not_run(f"The suite broke off: {type(error).__name__}: {error}")
    outcome.seconds = time.monotonic() - began
    for detail in outcome.details:
        say(detail.rstrip("\n"))
    say(f"{outcome.suite:<10} PostgreSQL {outcome.server:<6} {outcome.passed:>5} passed, {outcome.failed} failed, "
        f"{outcome.seconds:.1f} s" + (f": {outcome.note}" if outcome.note else ""))
