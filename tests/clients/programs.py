"""The test's clients that are programs of their own, one for each driver (see also scripts/harness)."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

HERE = Path(__file__).parent
DRIVERS = ("psycopg", "node-postgres", "tokio-postgres")


def command(driver: str, task: str, dsn: str, application: str, *arguments: str) -> list:
    """How to start a client: `task` is `recipe` or `calls`."""
    place = {"host": os.environ["PGHOST"], "port": os.environ["PGPORT"], "user": os.environ["PGUSER"], **conninfo_to_dict(dsn)}
    config = " ".join(f"{name}={shlex.quote(value)}" for name, value in {**place, "application_name": application}.items())
    if driver == "psycopg":
        return [sys.executable, str(HERE / f"{task}_psycopg.py"), config, *arguments]
    if driver == "tokio-postgres":
        return [_program("RUST_CLIENT"), task, config, *arguments]
    connection = {"host": place["host"], "port": int(place["port"]), "user": place["user"], "database": place["dbname"],
                  "application_name": application}
    return [_program("NODE"), str(HERE / "node" / f"{task}.js"), json.dumps(connection), *arguments]


def _program(name: str) -> str:
    """The runner sets it, and counts a failure where it could not."""
    if name not in os.environ:
        pytest.skip(f"{name} is not set")
    return os.environ[name]


def start(line: list, **streams) -> subprocess.Popen:
    return subprocess.Popen(line, text=True, stdout=subprocess.PIPE, env=dict(os.environ, PYTHONUNBUFFERED="1"), **streams)
