"""A private cluster: its own data directory, a Unix socket and nothing else, gone at the end.

Directory and socket are in a short folder under /tmp because a socket's path is limited to 107 bytes.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import demote
from .run import Trouble, base_env, tail
from .servers import Server

PORT = 5432

# Tests want speed, prepared transactions, logical replication and hundreds of connections; a benchmark keeps the defaults, fsync above all.
FOR_TESTS = {"fsync": "off", "max_prepared_transactions": "10", "wal_level": "logical", "max_connections": "600"}
ALWAYS = {"listen_addresses": "''", "timezone": "'UTC'", "log_timezone": "'UTC'", "lc_messages": "'C'",
          "log_line_prefix": "'%m [%p] %q%a %d '"}


class Cluster:
    """A context manager: the cluster runs inside the `with`."""

    def __init__(self, server: Server, settings: dict = None):
        self.server = server
        self.settings = dict(ALWAYS, **(FOR_TESTS if settings is None else settings))
        self.folder = self.data = None

    @property
    def host(self) -> str:
        return str(self.folder)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def __enter__(self) -> "Cluster":
        self.folder = Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp"))
        self.data = self.folder / "data"
        give_away(self.folder)
        try:
            self._create()
            with open(self.data / "postgresql.conf", "a") as conf:
                conf.write(f"port = {PORT}\nunix_socket_directories = '{self.folder}'\n")
                conf.writelines(f"{name} = {value}\n" for name, value in self.settings.items())
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _create(self) -> None:
        """The data directory."""
        self._run("initdb", "-D", self.data, "--no-sync", "-U", "postgres", "--locale=C", "--encoding=UTF8",
                  "--auth-local=trust", "--auth-host=reject")

    def __exit__(self, *_error) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        try:
            self._run("pg_ctl", "start", "-D", self.data, "-l", self.log, "-w", "-t", "60", "-s")
        except Trouble as trouble:
            raise Trouble(str(trouble), trouble.detail + "\n" + self.log_tail()) from None

    def stop(self) -> None:
        stop(self.server, self.data)

    def alive(self) -> bool:
        return subprocess.run([self.server.bindir / "pg_isready", "-q", "-t", "5"], env=self.env()).returncode == 0

    def restart_if_dead(self) -> None:
        if not self.alive():
            self.stop()
            self.start()

    def log_tail(self) -> str:
        return tail(self.log.read_text(errors="replace"), 30) if self.log.exists() else ""

    def env(self) -> dict:
        """What libpq's clients need to come here."""
        return dict(base_env(), PGHOST=self.host, PGPORT=str(PORT), PGUSER="postgres", PGDATABASE="postgres")

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run `text`; an error ends it. Returns the unaligned rows."""
        done = subprocess.run([self.server.bindir / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database],
                              input=text, text=True, env=self.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise Trouble("A statement of the set-up failed.", done.stderr)
        return done.stdout

    def new_database(self, name: str, extension: bool = False) -> str:
        self.sql(f'drop database if exists "{name}" with (force)')
        self.sql(f'create database "{name}" template template0')
        if extension:
            self.sql("create extension pg_reldiff", name)
        return name

    def _run(self, program: str, *arguments) -> None:
        # A file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run([self.server.bindir / program, *map(str, arguments)], env=base_env(), cwd="/",
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                output.seek(0)
                raise Trouble(f"{program} of PostgreSQL {self.server.version} failed.", tail(output.read()))


def give_away(folder: Path) -> None:
    """Where the server runs as another user, that user must own what it writes to."""
    demotion = demote.demotion()
    if demotion is not None and demotion.owner is not None:
        os.chown(folder, *demotion.owner)


def stop(server: Server, data: Path) -> None:
    """Stop the server that runs on `data`, if one does."""
    if not (data / "postmaster.pid").exists():
        return
    for mode in ("fast", "immediate"):
        done = subprocess.run([server.bindir / "pg_ctl", "stop", "-D", str(data), "-m", mode, "-w", "-t", "30", "-s"],
                              env=base_env(), cwd="/", stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode == 0:
            return
