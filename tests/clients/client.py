"""A client that follows the recipe of the README: LISTEN, read, then handle what comes."""

import psycopg
from psycopg import sql

from wire import parse


class Client:
    """Hears of every event of a session exactly once, whatever becomes of its connections."""

    def __init__(self, dsn: str, session: str, handle, parse=parse):
        self.dsn, self.session, self.handle, self.parse = dsn, session, handle, parse
        self.cursor = None
        self.connection = None
        self.connections = self.reads = 0
        # How often in a row nothing came for a while.
        self.idle = 0

    def connect(self) -> None:
        """LISTEN first, then read: what commits in between is heard twice, and the cursor tells."""
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.connections += 1
        self.connection.execute(sql.SQL("listen {}").format(sql.Identifier(self.session)))
        self.read()

    def read(self) -> None:
        self.reads += 1
        while True:
            rows = self.connection.execute("select event::text from event.events(%s, %s, 100)",
                                           (self.session, self.cursor)).fetchall()
            if not rows:
                return
            for text, in rows:
                self._take(self.parse(text))

    def follow(self, until) -> None:
        """Handle notifications until `until()` holds; a lost connection is replaced."""
        while not until():
            try:
                if self.connection is None or self.connection.closed:
                    self.connect()
                # A list, since the connection cannot be used while the generator is open.
                arrived = list(self.connection.notifies(timeout=2, stop_after=1))
                for notification in arrived:
                    self._notified(self.parse(notification.payload))
                if not arrived:
                    self.idle += 1
                    self.read()
            except psycopg.OperationalError:
                self.connection.close()

    def _notified(self, event: dict) -> None:
        if self.cursor is not None and event["cursor"] <= self.cursor:
            return
        if event["type"] == "nudge" or event.get("truncated"):
            self.read()
        else:
            self._take(event)

    def _take(self, event: dict) -> None:
        self.cursor = event["cursor"]
        self.idle = 0
        self.handle(event)
