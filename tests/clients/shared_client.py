"""A client for a channel that sessions share, by the recipe of the README: one LISTEN, a cursor for each session."""

import psycopg
from psycopg import sql

from wire import parse


class SharedClient:
    """Hears of every event of each session exactly once, whatever becomes of its connections."""

    def __init__(self, dsn: str, channel: str, sessions, handle):
        self.dsn, self.channel, self.sessions, self.handle = dsn, channel, set(sessions), handle
        # Up to where each session's events have been handled.
        self.cursors = {}
        self.connection = None
        self.connections = self.reads = self.nudges = self.truncated = self.notified = 0

    def connect(self) -> None:
        """LISTEN first, then read: what commits in between is heard twice, and the cursors tell."""
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.connections += 1
        self.connection.execute(sql.SQL("listen {}").format(sql.Identifier(self.channel)))
        self.read()

    def read(self) -> None:
        """Every session's events, page by page."""
        self.reads += 1
        known = len(self.cursors) == len(self.sessions)
        after = min(self.cursors.values()) if known else None
        while True:
            rows = self.connection.execute("select session_id::text, (change).event::text from event.events_of(%s::uuid[], %s, 50)",
                                           (list(self.sessions), after)).fetchall()
            if not rows:
                break
            for session, text in rows:
                event = parse(text)
                after = event["cursor"]
                self._take(session, event)
        if after is not None:
            # Nothing is left of any session up to here.
            self.cursors = {session: max(after, self.cursors.get(session, "")) for session in self.sessions}

    def follow(self, until) -> None:
        """Handle notifications until `until()` holds; a lost connection is replaced."""
        while not until():
            try:
                if self.connection is None or self.connection.closed:
                    self.connect()
                # A list, since the connection cannot be used while the generator is open.
                for notification in list(self.connection.notifies(timeout=1, stop_after=1)):
                    self._notified(parse(notification.payload))
            except psycopg.OperationalError:
                self.connection.close()

    def _notified(self, event: dict) -> None:
        named = event.pop("sessions", None)
        self.nudges += event["type"] == "nudge"
        self.truncated += "truncated" in event
        if event["type"] == "nudge" or event.get("truncated"):
            # Without names it may be for any of them.
            if named is None or any(event["cursor"] > self.cursors.get(session, "") for session in self.sessions & set(named)):
                self.read()
            return
        self.notified += 1
        for session in self.sessions & set(named):
            self._take(session, event)

    def _take(self, session: str, event: dict) -> None:
        if event["cursor"] > self.cursors.get(session, ""):
            self.cursors[session] = event["cursor"]
            self.handle(session, event)
