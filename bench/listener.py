"""Connections that listen, and a thread that drains them and counts every event.

All of them are read by one thread and as raw libpq connections, so that a thousand of them take little of the machine
that is measured.
"""

import json
import re
import resource
import selectors
import threading
import time
from contextlib import contextmanager

from psycopg import pq

from harness.run import Trouble

NUDGE = b'{"type":"nudge"'
SESSIONS = re.compile(rb'"sessions":\[([^]]*)\]')


def events_in(payload: bytes) -> int:
    """How many events a notification stands for: a nudge for many, one that names sessions for one of each."""
    if payload.startswith(NUDGE):
        return json.loads(payload)["count"]
    named = SESSIONS.search(payload)
    return named[1].count(b",") + 1 if named else 1


class Listener:
    """One connection for each channel of a database."""

    def __init__(self, environment: dict, database: str, channels: list):
        allow_sockets(len(channels))
        target = f"host={environment['PGHOST']} port={environment['PGPORT']} user={environment['PGUSER']} dbname={database}"
        self.database, self.channels = database, channels
        self.connections = [pq.PGconn.connect(target.encode()) for _ in channels]
        self.selector = selectors.DefaultSelector()
        for connection in self.connections:
            if connection.status != pq.ConnStatus.OK:
                raise Trouble(f"A listener cannot connect to {database}: {connection.get_error_message()}")
            self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        self.is_listening = False
        self.forget()

    def forget(self) -> None:
        self.events = self.notifications = self.nudges = 0
        # When the newest one came.
        self.last = time.perf_counter()

    def listen(self) -> None:
        for connection, channel in zip(self.connections, self.channels):
            self._run(connection, b"LISTEN " + pq.Escaping(connection).escape_identifier(channel.encode()))
        self.forget()

    def unlisten(self) -> None:
        """Else these would be woken now and then while another contender is measured."""
        for connection in self.connections:
            self._run(connection, b"UNLISTEN *")
            self._take(connection)

    @contextmanager
    def listening(self):
        """Listens and drains while inside. Whoever is inside settles before it goes."""
        self.listen()
        self.is_listening = True
        thread = threading.Thread(target=self._drain, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.is_listening = False
            thread.join()
        heard = self.events
        self.unlisten()
        if self.events != heard:
            raise Trouble(f"{self.database} notified {self.events - heard} events more than it should.")

    def settle(self, expected: int, patience: float = 30) -> None:
        """Waits for exactly so many events."""
        while self.events < expected:
            if time.perf_counter() - self.last > patience:
                raise Trouble(f"{self.database} lost {expected - self.events} of {expected} events.")
            time.sleep(0.002)
        if self.events > expected:
            raise Trouble(f"{self.database} notified {self.events} events instead of {expected}.")

    def close(self) -> None:
        self.selector.close()
        for connection in self.connections:
            connection.finish()

    def _run(self, connection, command: bytes) -> None:
        result = connection.exec_(command)
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise Trouble(f"{command.decode()} failed: {result.error_message.decode()}")

    def _drain(self) -> None:
        while self.is_listening:
            for ready, _ in self.selector.select(0.1):
                ready.data.consume_input()
                self._take(ready.data)

    def _take(self, connection) -> None:
        while (notification := connection.notifies()) is not None:
            self.notifications += 1
            self.nudges += notification.extra.startswith(NUDGE)
            self.events += events_in(notification.extra)
            self.last = time.perf_counter()


def allow_sockets(count: int) -> None:
    """A process may often have no more than 1,024 open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 500
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise Trouble(f"{count} listeners need {needed} open files, {hard} are allowed (ulimit -Hn).")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
