"""A PgBouncer in transaction mode in front of the test's server: two transactions of one client may run on two connections."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from harness.cluster import give_away  # noqa: E402

PORT = 6432

SETTINGS = """
[databases]
* = host={host} port={port}
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = {own_port}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
"""


class Pooler:
    """`size` connections to the server for each role and database; without `size` clients wait for each other."""

    def __init__(self, dsn: str, size: int, roles: list):
        # PgBouncer works in a folder of its own, whose path fits a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp"))
        give_away(self.folder)
        (self.folder / "users").write_text("".join(f'"{role}" ""\n' for role in roles))
        (self.folder / "ini").write_text(SETTINGS.format(host=os.environ["PGHOST"], port=os.environ["PGPORT"], folder=self.folder,
                                                         own_port=PORT, size=size))
        self.dsn = f"{dsn} host={self.folder} port={PORT}"
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen([os.environ["PGBOUNCER"], str(self.folder / "ini")], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()

    def _answers(self) -> bool:
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    def connect(self, **options) -> psycopg.Connection:
        """A prepared statement would stay behind on one of the server's connections."""
        return psycopg.connect(self.dsn, **{"autocommit": True, "prepare_threshold": None, **options})

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
