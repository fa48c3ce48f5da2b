"""Talking to the user, and running programs.

A long build prints one line and writes the rest to a file under build/logs; what went wrong is printed
only when something did. `Trouble` is an error whose text is the one sentence the user should read.
"""

import fcntl
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from .paths import BUILD, LOGS


class Trouble(Exception):
    """Something the user can act on; `detail` is the useful part of a program's output."""

    def __init__(self, sentence: str, detail: str = ""):
        super().__init__(sentence)
        self.detail = detail


def say(text: str) -> None:
    print(text, flush=True)


def tail(text: str, lines: int = 60) -> str:
    kept = text.rstrip("\n").split("\n")
    left_out = len(kept) - lines
    if left_out <= 0:
        return "\n".join(kept)
    return f"[{left_out} lines before this]\n" + "\n".join(kept[-lines:])


def base_env() -> dict:
    """The environment of every child.

    libpq's variables could send a test to another server, RUST_BACKTRACE puts a backtrace into the DETAIL of
    every ERROR, and make's variables announce a job server that the children cannot reach. USER must be
    set for pgrx, and containers often leave it out.
    """
    dropped = ("PG_VERSION", "RUST_BACKTRACE", "RUST_LIB_BACKTRACE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH")
    libpq = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGPASSFILE", "PGSERVICE",
             "PGSERVICEFILE", "PGOPTIONS", "PGDATA", "PGSSLMODE", "PGAPPNAME", "PGCLIENTENCODING", "PGTZ", "PGDATESTYLE")
    env = {name: value for name, value in os.environ.items() if name not in dropped and name not in libpq}
    env["USER"] = user_name()
    env["LC_ALL"] = "C.UTF-8"
    return env


def user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Trouble(f"PostgreSQL needs a user name, but uid {os.geteuid()} has no entry in /etc/passwd.") from None


def logged(name: str, command: list, *, env=None, cwd=None, timeout=None) -> tuple:
    """Run `command` with its output in build/logs/NAME.log; returns (exit status, that output)."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{name}.log"
    with open(path, "w") as log:
        log.write(shlex.join(str(part) for part in command) + "\n")
        log.flush()
        process = subprocess.Popen([str(part) for part in command], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            stop_group(process)
            log.write(f"\nstopped after {timeout} s\n")
            status = 124
        except BaseException:
            stop_group(process)
            raise
    return status, path.read_text(errors="replace")


def stop_group(process) -> None:
    """End a child and what it started: it leads a process group of its own."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            process.wait(10)
            return
        except subprocess.TimeoutExpired:
            continue


def must(name: str, sentence: str, command: list, **options) -> str:
    """Like `logged`, but a failure ends in `sentence`."""
    try:
        status, output = logged(name, command, **options)
    except FileNotFoundError:
        raise Trouble(f"{sentence} The program {command[0]} is missing.") from None
    if status != 0:
        raise Trouble(sentence, tail(output))
    return output


def text_of(command: list, **options) -> str:
    return subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options).stdout


@contextmanager
def only_one():
    """Two runs in one clone would install over each other; the second waits for the first."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is under way in this clone; waiting for its end.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def entry(main) -> None:
    """Run an entry point: one sentence instead of a traceback, and clusters stopped on a signal too."""

    def ended(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, ended)
    try:
        with only_one():
            sys.exit(main())
    except Trouble as trouble:
        if trouble.detail:
            print(trouble.detail, file=sys.stderr)
        print(trouble, file=sys.stderr)
        sys.exit(1)


def clean_tree(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
