"""The suites of `make test`, in the order in which they run.

Each is a function (outcome, tree, source, server, only, long): `tree` is the source tree with the tests, `source`
the server as given, `server` the private copy with the extension in it, `only` the name of a single test or
None. `make mutants` calls the same functions with a name.
"""

from . import clients, docs, faults, isolation, regress, unit

SUITES = {"unit": unit.run, "regress": regress.run, "isolation": isolation.run, "clients": clients.run, "docs": docs.run,
          "faults": faults.run}

# These need another build of the extension than the rest, and make it.
BUILD_FOR_THEMSELVES = ("unit", "faults")
