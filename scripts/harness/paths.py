"""Where everything is.

All that the harness makes lives under build/, so that `make clean` is one rm and a clone stays clean.
Only sockets and data directories are elsewhere: a Unix socket's path may be 107 bytes long, and a clone's
own path may be longer than that.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
RESULTS = BUILD / "results"
TARGET = BUILD / "target"
REQUIREMENTS = ROOT / "tests" / "requirements.txt"

EXTENSION = "pg_reldiff"


def manifest_text() -> str:
    return (ROOT / "Cargo.toml").read_text()


def pgrx_version() -> str:
    """cargo-pgrx must be the very version of the pgrx crate, so it is read from where that is pinned."""
    found = re.search(r'^pgrx\s*=.*?"=?([0-9][0-9.]*)"', manifest_text(), re.M)
    if not found:
        raise LookupError("Cargo.toml pins no pgrx version")
    return found.group(1)


def supported_majors() -> list:
    """The server majors the crate has a feature for, e.g. [15, 16, 17, 18]."""
    return sorted(int(n) for n in re.findall(r"^pg(\d+)\s*=\s*\[", manifest_text(), re.M))
