"""Connections that wait for events, without a thread for each: a call is sent, and its answer is fetched when it is there."""

import os
import select
import time
from pathlib import Path

import psycopg
from psycopg.pq import ExecStatus

# No test waits so long, unless somebody sleeps through a commit.
LONG = 60

WAIT = "select cursor, key ->> 'id', type, extract(epoch from clock_timestamp() - at) from event.wait_events({}, {}, 1000, '{} s')"


def literal(value) -> str:
    return "null" if value is None else f"'{value}'"


class Waiter:
    """A connection of its own. `seconds` are the timeout of its calls."""

    def __init__(self, dsn: str, session, seconds: float = LONG):
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.pgconn, self.pid = self.connection.pgconn, self.connection.info.backend_pid
        self.session, self.seconds = session, seconds
        self.cursor = None

    def send(self) -> "Waiter":
        """Begins to wait for what comes after the cursor."""
        self.pgconn.send_query(WAIT.format(literal(self.session), literal(self.cursor), self.seconds).encode())
        return self

    def is_done(self) -> bool:
        self.pgconn.consume_input()
        return not self.pgconn.is_busy()

    def rows(self) -> list:
        """(cursor, id, type, seconds since the commit) of each event; raises what the server raised. The cursor moves on."""
        result = self.pgconn.get_result()
        assert self.pgconn.get_result() is None
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        rows = [tuple(value and value.decode() for value in (result.get_value(row, column) for column in range(4)))
                for row in range(result.ntuples)]
        if rows:
            self.cursor = rows[-1][0]
        return rows

    def ids(self) -> list:
        """The answer, for which this waits: the ids of the rows that the events are of."""
        finish([self])
        return [id for _, id, _, _ in self.rows()]


def finish(waiters: list, seconds: float = LONG / 2) -> None:
    """Waits for the answers of all of them, less long than they themselves do."""
    left = {waiter.pgconn.socket: waiter for waiter in waiters if not waiter.is_done()}
    poll = select.poll()
    for socket in left:
        poll.register(socket, select.POLLIN)
    end = time.monotonic() + seconds
    while left:
        arrived = poll.poll(max(0, end - time.monotonic()) * 1000)
        assert arrived, f"{len(left)} of {len(waiters)} were not woken"
        for socket, _ in arrived:
            if left[socket].is_done():
                poll.unregister(socket)
                del left[socket]


def asleep(connection, waiters: list, seconds: float = LONG / 2) -> None:
    """Returns when the server says that they all wait."""
    version = connection.info.server_version // 10000
    event = "ReldiffWaitEvents" if version >= 17 else "Extension"
    end = time.monotonic() + seconds
    pids = [waiter.pid for waiter in waiters]
    while True:
        waiting, = connection.execute("select count(*) from pg_stat_activity where pid = any(%s) and state = 'active' and wait_event = %s",
                                      (pids, event)).fetchone()
        if waiting == len(pids):
            return
        assert time.monotonic() < end, f"{waiting} of {len(pids)} wait"


def processor_seconds(waiters: list) -> float:
    """What the processes of these connections have used so far, in user and system mode."""
    ticks = 0
    for waiter in waiters:
        fields = Path(f"/proc/{waiter.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
