"""Which servers a run covers, and the run itself: every suite on every server, whatever fails in between."""

import os

from . import debian, extension, servers, toolchain
from .paths import ROOT, supported_majors
from .report import suite
from .run import Trouble, say
from .suites import BUILD_FOR_THEMSELVES, SUITES

# The oldest major that is supported is the one that `make test` adds to the embedded one.
SECOND = min(supported_majors())


def servers_for_test() -> list:
    first = toolchain.chosen_server()
    if os.environ.get("PG_CONFIG"):
        return [first]
    second = servers.system_or_install(SECOND)
    if second is None:
        say(f"PostgreSQL {SECOND} is not here with its headers" +
            (" and apt does not offer it" if debian.can_install() else ", and only root could install it") +
            f": the suites run on {first.version} alone.")
    return [first] + ([second] if second else [])


def servers_for_long_test() -> list:
    chosen = servers_for_test()
    if os.environ.get("PG_CONFIG"):
        return chosen
    known = {server.major for server in chosen}
    return chosen + [server for server in servers.all_system() if server.major not in known]


def chosen_suites() -> dict:
    """SUITES="regress docs" narrows a run down while working on it."""
    names = os.environ.get("SUITES", "").split() or list(SUITES)
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        raise Trouble(f"There is no suite {unknown[0]}; the suites are {', '.join(SUITES)}.")
    return {name: SUITES[name] for name in names}


def run(where: list, *, long: bool = False) -> list:
    outcomes = []
    only = os.environ.get("ONLY") or None
    for source in where:
        outcomes += _run_on(source, chosen_suites(), only, long)
    return outcomes


def _run_on(source, suites: dict, only, long: bool) -> list:
    outcomes, server, tried = [], None, False
    for name, function in suites.items():
        with suite(name, source) as outcome:
            outcomes.append(outcome)
            if name in BUILD_FOR_THEMSELVES:
                function(outcome, ROOT, source, None, only, long)
                continue
            if not tried:
                tried = True
                say(f"Building the extension for PostgreSQL {source.version}.")
                server = extension.installed(source, "main")
            if server is None:
                raise Trouble("The extension could not be installed.")
            function(outcome, ROOT, source, server, only, long)
    return outcomes


def verdict(outcomes: list) -> int:
    """The last line of the output, and the exit status."""
    failed = sum(outcome.failed for outcome in outcomes)
    say(f"{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed")
    return 1 if failed else 0
