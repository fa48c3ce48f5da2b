"""A writer that holds the commit lock and does not go on, and those that commit meanwhile without a place."""

import threading
from contextlib import contextmanager

from psycopg import sql

from patience import until

# Seconds after which a gate opens by itself: where a commit waits for ever, the test fails instead of waiting with it.
LONGEST = 30

# In milliseconds: writers that are to commit without a place do not wait longer for it.
MOMENT = 20


def database(connection, setting: str, value) -> None:
    """For those who connect to the database from now on."""
    name = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("alter database {} set {} = {}").format(name, sql.SQL(setting), sql.Literal(value)))


def no_waiting(connection, milliseconds: int = MOMENT) -> None:
    """Who connects to the database from now on commits without a place after so long, and starts no process for anything else."""
    database(connection, "reldiff.commit_lock_timeout", f"{milliseconds}ms")
    database(connection, "reldiff.maintenance_interval", 0)


def without_places(connection) -> int:
    """How many transactions have been committed without a place since the beginning."""
    return connection.execute("select count(*) from event.unsequenced").fetchone()[0]


def workers(connection, database: str = None) -> list:
    """The pids of the processes that the extension has started in the database."""
    rows = connection.execute("select pid from pg_stat_activity where backend_type = 'pg_reldiff' and datname = coalesce(%s, current_database())",
                              (database,))
    return [pid for pid, in rows]


class Gate:
    """Keeps who holds the commit lock from recording his place. `table`: another one that is closed to those who write to it."""

    def __init__(self, connect, table: str = "event.transaction"):
        self.connection = connect(autocommit=False, options=f"-c idle_in_transaction_session_timeout={LONGEST}s")
        self.connection.execute(f"lock table {table} in share mode")

    def is_awaited_by(self, pid: int) -> bool:
        return bool(self.connection.execute("select 1 from pg_locks where pid = %s and not granted and locktype = 'relation'", (pid,)).fetchone())

    def open(self) -> None:
        """Fails if it has opened by itself."""
        self.connection.execute("select 1")
        self.connection.rollback()


class Command:
    """A command that runs in a thread; its failure is raised by `end`."""

    def __init__(self, connection, command: str):
        self.connection, self.pid, self._command = connection, connection.info.backend_pid, command
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.connection.execute(self._command)
        except BaseException as failure:
            self._failure = failure

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        self._thread.join()
        if self._failure:
            raise self._failure


class Stuck:
    """The holder: a connection whose `command` commits, or would."""

    def __init__(self, connect, command: str, connection=None):
        self.gate = Gate(connect)
        self.command = Command(connection or connect(), command)
        until(lambda: self.gate.is_awaited_by(self.command.pid), "the holder's wait")

    def is_held(self) -> bool:
        return self.gate.is_awaited_by(self.command.pid)

    def free(self) -> None:
        assert self.is_held(), "nobody was in the way any more"
        self.gate.open()
        self.command.end()


@contextmanager
def stuck(connect, command: str, connection=None):
    """All that is done inside is done while `command` holds the commit lock."""
    holder = Stuck(connect, command, connection)
    try:
        yield holder
        holder.free()
    finally:
        holder.gate.connection.close()
        holder.command._thread.join()
