"""The oracle: tables as their events tell them, compared with the tables themselves.

Values are compared as the JSON text that they are: a parser would hide that 1.0 has become 1.00, or true 1.
"""

import json
import os
import random
import re
from collections import Counter
from json.decoder import scanstring

from psycopg import sql

from wire import parse

_BLANKS = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode

# The old value where a reader does not learn it.
UNTOLD = object()


def members(text: str) -> dict:
    """The members of a JSON object that was printed without blanks between them, each value as its text."""
    found, at = {}, 1
    assert text[0] == "{" and text[-1] == "}"
    while at < len(text) - 1:
        assert text[at] == '"'
        name, end = scanstring(text, at + 1)
        assert text[end] == ":" and name not in found
        # A value of type json may have blanks around it.
        _, at = _decode(text, _BLANKS.match(text, end + 1).end())
        at = _BLANKS.match(text, at).end()
        found[name] = text[end + 1:at]
        assert text[at] in ",}"
        at += 1
    return found


class Copy:
    """One relation; `columns` is what the session hears of it beside the key, None for all of them."""

    def __init__(self, relation: str, key: list, columns: list = None):
        self.relation, self.key, self.columns = relation, list(key), columns
        self.rows = {}

    def start(self, connection) -> "Copy":
        """With the rows that are there already."""
        self.rows = self.table(connection)
        return self

    def table(self, connection) -> dict:
        """The rows as the server has them, by key."""
        query = sql.SQL("select to_json(t)::text from {} t").format(sql.SQL(self.relation))
        rows = [self._projected(members(text)) for text, in connection.execute(query)]
        by_key = {self._key_of(row): row for row in rows}
        assert len(by_key) == len(rows), f"{self.relation} has a key twice"
        return by_key

    def _projected(self, row: dict) -> dict:
        if self.columns is None:
            return row
        return {name: value for name, value in row.items() if name in self.key or name in self.columns}

    def _key_of(self, row: dict) -> tuple:
        return tuple(row[name] for name in self.key)

    def apply(self, event: dict, raw: dict, old_value: str = UNTOLD) -> None:
        key = members(raw["key"])
        # P5: the whole key, in its order.
        assert list(key) == self.key
        at = self._key_of(key)
        if event["type"] == "row_insert":
            row = members(raw["payload"])
            assert self._key_of(row) == at and self._projected(row) == row
            assert at not in self.rows, f"row {at} is there already"
            self.rows[at] = row
            return
        assert at in self.rows, f"there is no row {at}"
        if event["type"] == "row_delete":
            del self.rows[at]
            return
        (column, value), = members(raw["payload"]).items()
        assert column == event["column"] and column not in self.key
        before = self.rows[at][column]
        # P3: a changed field, and its old value is what this reader has.
        assert value != before, f"{column} of row {at} has not changed"
        assert old_value is UNTOLD or (old_value or "null") == before, f"{column} of row {at} was {before[:200]} here"
        self.rows[at][column] = value


class Contradiction(AssertionError):
    """The events of a transaction do not fit to what the reader has."""

    def __init__(self, text: str, xid: str):
        super().__init__(text)
        self.xid = xid


class Feed:
    """A session that is read from the first event on: applies each to its copy and checks what holds between them."""

    def __init__(self, session: str, *copies: Copy, also_truncated: tuple = (), parse=parse):
        self.session, self.copies, self._parse = session, {copy.relation: copy for copy in copies}, parse
        # Relations whose rows come under an ancestor's name.
        self.also_truncated = also_truncated
        self.counts, self.texts, self.transactions = Counter(), [], 0
        self.last, self._xid, self._xids = None, None, set()

    @property
    def cursor(self) -> str:
        return self.last and self.last["cursor"]

    def read(self, connection, size: int) -> int:
        """One page; how many events it had."""
        rows = page(connection, self.session, self.cursor, size)
        for row in rows:
            self._take(*row)
        return len(rows)

    def _take(self, cursor: str, text: str, old_value: str, xid: str) -> None:
        event = self._parse(text)
        try:
            assert cursor == event["cursor"] and xid == event.get("xid", xid)
            self._in_order(event, xid)
            self._apply(event, text, old_value)
        except AssertionError as failure:
            raise Contradiction(f"{failure}\nof transaction {xid}, session {self.session}: {text[:2000]}", xid) from failure
        self.counts[event["type"]] += 1
        self.texts.append(text)
        self.last = event

    def _apply(self, event: dict, text: str, old_value: str) -> None:
        copy = self.copies.get(event["relation"])
        if event["type"] == "truncate":
            assert copy or event["relation"] in self.also_truncated
            if copy:
                copy.rows.clear()
            return
        assert event["type"] in ("row_insert", "row_delete", "field_update") and copy
        copy.apply(event, members(text), old_value)

    def _in_order(self, event: dict, xid: str) -> None:
        """Transactions are contiguous, `last` closes each, cursors rise, and `at` never falls."""
        previous = self.last
        if previous is None or previous.get("last"):
            assert xid not in self._xids, "the transaction comes in pieces"
            self._xids.add(xid)
            self.transactions += 1
        else:
            assert (xid, event["at"]) == (self._xid, previous["at"])
        if previous is not None:
            assert previous["cursor"] < event["cursor"] and previous["at"] <= event["at"]
        self._xid = xid

    def compare(self, connection) -> None:
        assert self.last is None or self.last.get("last"), "the last transaction is not complete"
        for relation, copy in self.copies.items():
            table = copy.table(connection)
            wrong = {key for key in copy.rows.keys() | table.keys() if copy.rows.get(key) != table.get(key)}
            key = min(wrong, default=None)
            assert not wrong, (f"{relation}: {len(wrong)} rows differ, of row {key} the copy has\n"
                               f"{str(copy.rows.get(key))[:2000]}\nand the table\n{str(table.get(key))[:2000]}")


def page(connection, session: str, cursor: str, size: int) -> list:
    """(cursor, event, old value, xid), all as text."""
    return connection.execute("select cursor, event::text, old_value::text, xid::text from event.events(%s, %s, %s)",
                              (session, cursor, size)).fetchall()


def seed() -> int:
    """RELDIFF_SEED, or a new one; printed."""
    number = int(os.environ.get("RELDIFF_SEED", random.randrange(1_000_000)))
    print(f"RELDIFF_SEED={number}")
    return number


def enough(counts: Counter, minimum: dict) -> None:
    """A run proves nothing that did not happen in it."""
    print(dict(sorted(counts.items())))
    for name, least in minimum.items():
        assert counts[name] >= least, f"{counts[name]} {name} are too few to prove anything"
