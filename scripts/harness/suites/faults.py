"""What happens when something goes wrong inside: tests/clients/faults, with a library that has fault points.

That library is built by this suite and installed into a copy of the server of its own, so that no other suite meets it.
"""

from .. import extension
from ..run import say
from ..servers import copy_of
from .clients import run_tests


def run(outcome, tree, source, server, only=None, long=False) -> None:
    say(f"Building the extension for PostgreSQL {source.version}, with fault points.")
    copy = copy_of(source, "faults")
    extension.install(source, copy, root=tree, more=("fault_points",))
    folder = tree / "tests" / "clients"
    where = folder / "faults"
    run_tests(outcome, "faults", folder, [where / only if only else where], copy, {}, long)
