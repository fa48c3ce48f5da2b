"""What a client sees: payloads, each validated against docs/event.schema.json, and who heard them."""

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
from psycopg import sql

_SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "event.schema.json").read_text())
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)

# They differ from run to run: tests compare them with the server's word, not with constants.
STAMPS = ("xid", "at", "cursor")


def _object(pairs: list) -> dict:
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key stands twice in {keys}"
    return dict(pairs)


def parse(text: str) -> dict:
    """A payload as it came. Numbers keep every digit; a key that stands twice is an error."""
    event = json.loads(text, parse_float=Decimal, object_pairs_hook=_object)
    # The validator knows no Decimal.
    _VALIDATOR.validate(json.loads(text))
    return event


def without_stamps(event: dict) -> dict:
    return {key: value for key, value in event.items() if key not in STAMPS}


def row_id(pk_value: str, table: str = "person", schema: str = "public", pk: str = "id") -> dict:
    relation_id = {"schema_id": {"name": schema}, "name": table}
    return {"pk_column_id": {"relation_id": relation_id, "name": pk}, "pk_value": pk_value}


class Listener:
    """Collects the notifications of a connection."""

    SENTINEL = "sentinel"

    def __init__(self, connection):
        self.connection = connection
        self._arrived = []
        self._sentinels = 0
        connection.add_notify_handler(self._arrived.append)

    def listen(self, channel) -> "Listener":
        """The driver's own LISTEN."""
        self.connection.execute(sql.SQL("listen {}").format(sql.Identifier(str(channel))))
        return self

    def payloads(self) -> list:
        """(channel, text) of all that was committed before this call and not returned yet.

        The server delivers in the order of commits, so whatever comes before our own notification is all there is.
        """
        if self._sentinels == 0:
            self.connection.execute(f"listen {self.SENTINEL}")
        self._sentinels += 1
        expected = str(self._sentinels)
        self.connection.execute("select pg_notify(%s, %s)", (self.SENTINEL, expected))
        while not any(n.channel == self.SENTINEL and n.payload == expected for n in self._arrived):
            self.connection.execute("select 1")
        heard = [(n.channel, n.payload) for n in self._arrived if n.channel != self.SENTINEL]
        self._arrived.clear()
        return heard

    def events(self) -> list:
        return [parse(text) for _, text in self.payloads()]


def inbox(connection, session, after=None, max_events=1_000_000) -> list:
    """The column `event` of events(), as text."""
    rows = connection.execute("select event::text from event.events(%s, %s, %s)", (session, after, max_events))
    texts = [text for text, in rows]
    for text in texts:
        parse(text)
    return texts


def events(connection, session, after=None) -> list:
    return [parse(text) for text in inbox(connection, session, after)]


def new_session(connection, *relations, **options) -> str:
    """A session that nobody listens to yet, subscribed to whole tables."""
    options = {"attach": False, **options}
    call = sql.SQL("select event.session_create({})").format(
        sql.SQL(", ").join(sql.SQL("{} => {}").format(sql.Identifier(name), sql.Literal(value))
                           for name, value in options.items()))
    session, = connection.execute(call).fetchone()
    for relation in relations:
        connection.execute("select event.subscribe_table(%s, session_id => %s)", (relation, session))
    return str(session)
