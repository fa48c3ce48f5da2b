"""The client of client.py as a program, like node/recipe.js and rust/src/recipe.rs.

usage: python recipe_psycopg.py CONNECTION SESSION. Prints each event as it is handled, after `read` or `heard`, until
the one of the key `the end`; then counts.
"""

import json
import sys

import psycopg

from client import Client

# Acknowledge after so many events.
OFTEN = 50


class Follower(Client):
    def __init__(self, dsn: str, session: str):
        super().__init__(dsn, session, self.print)
        self.how = "read"
        self.counts = {"read": 0, "heard": 0}
        self.ended = self.done = False

    def read(self) -> None:
        self.how = "read"
        super().read()

    def _notified(self, event: dict) -> None:
        self.how = "heard"
        super()._notified(event)

    def print(self, event: dict) -> None:
        print(self.how, json.dumps(event), flush=True)
        self.counts[self.how] += 1
        self.ended = event.get("key", {}).get("id") == "the end"
        if self.ended or sum(self.counts.values()) % OFTEN == 0:
            self.acknowledge()

    def acknowledge(self) -> None:
        self.connection.execute("select event.ack(%s, %s)", (self.cursor, self.session))
        self.done = self.ended


follower = Follower(*sys.argv[1:])
follower.follow(lambda: follower.ended)
while not follower.done:
    # The connection was lost when the last event was to be acknowledged.
    try:
        follower.connect()
        follower.acknowledge()
    except psycopg.OperationalError:
        continue
print("counts", json.dumps({"connections": follower.connections, **follower.counts}))
