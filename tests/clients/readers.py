"""Three ways to follow a session while others write: pages of events(), pages of feed(), and wait_events()."""

import hashlib

from replay import UNTOLD, Feed


class Digest:
    """A list of texts of which only the number and a hash are kept, for a run of an hour."""

    def __init__(self):
        self._hash, self._number = hashlib.sha256(), 0

    def append(self, text: str) -> None:
        self._hash.update(text.encode() + b"\n")
        self._number += 1

    def __eq__(self, other) -> bool:
        return repr(self) == repr(other)

    def __repr__(self) -> str:
        return f"{self._number} events {self._hash.hexdigest()[:16]}"


class Reader(Feed):
    """Passes its last cursor. Beside the copy it counts what transactions and events were like."""

    CALL = "event.events({})"

    def __init__(self, session: str, start: str, *copies, **options):
        """From a cursor on: without one it would begin at what another reader has acknowledged."""
        super().__init__(session, *copies, **options)
        self.texts, self.position = Digest(), start
        self._relations = set()

    def read(self, connection, size: int) -> int:
        rows = self._fetch(connection, size)
        assert len(rows) <= size
        for row in rows:
            self._take(*row)
            self._note(row[1])
        return len(rows)

    def _fetch(self, connection, size: int) -> list:
        call = self.CALL.format("%s, %s, %s")
        rows = connection.execute(f"select cursor, event::text, old_value::text, xid::text from {call}",
                                  (self.session, self.position, size)).fetchall()
        if rows:
            self.position = rows[-1][0]
        return rows

    def _note(self, text: str) -> None:
        self._relations.add(self.last["relation"])
        self.counts["big values"] += len(text) > 4000
        if self.last.get("last"):
            self.counts["transactions of several tables"] += len(self._relations) > 1
            self._relations.clear()


class Waiting(Reader):
    """By wait_events(), which returns when there is something, or after a while."""

    CALL = "event.wait_events({}, '100 ms')"


class ByFeed(Reader):
    """By feed(); acknowledges what it has read. It goes on from the page's cursor, which an empty page has, too."""

    def _fetch(self, connection, size: int) -> list:
        position, texts = connection.execute(
            "select f->>'cursor', array(select e::text from json_array_elements(f->'events') e) from event.feed(%s, %s, %s) f",
            (self.session, self.position, size)).fetchone()
        assert self.position <= position
        self.position = position
        connection.execute("select event.ack(%s, %s)", (position, self.session))
        events = [(self._parse(text), text) for text in texts]
        return [(event["cursor"], text, UNTOLD, event.get("xid")) for event, text in events]

    def _in_order(self, event: dict, xid: str) -> None:
        """By the cursors alone: events of a table as a whole do not say their transaction here."""
        self.transactions += self.last is None or "last" in self.last
        assert self.last is None or self.last["cursor"] < event["cursor"]
