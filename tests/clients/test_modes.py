"""reldiff.delivery changes under load: inline commits, commits without a place, the sequencer's and prepared ones, all at once."""

import json
import random
import threading

import psycopg
from psycopg import sql

from client import Client
from load import in_threads
from patience import until
from readers import Reader, Waiting
from replay import Copy, enough, seed
from wire import events, new_session

WRITERS, TRANSACTIONS, LEDGERS = 5, 140, 3
SET_UP = """
create table ledger (id integer primary key, n integer not null);
insert into ledger select n, 0 from generate_series(1, {}) n;
create table note (id text primary key, seen json, v text);
""".format(LEDGERS)
ENDS = (["commit"], ["rollback"], ["prepare transaction '{0}'", "commit prepared '{0}'"])
MINIMUM = {"events": 1000, "without a place": 100, "with a place": 100, "flips": 3, "terminated": 1}


class Follower(Client):
    """Follows by LISTEN, and holds what each writer says it has seen against what it has been told before (P8)."""

    def __init__(self, dsn: str, session: str, start: str):
        super().__init__(dsn, session, self._check)
        self.cursor = start
        self.cursors, self.ledgers = [], {str(id): 0 for id in range(1, LEDGERS + 1)}

    def _check(self, event: dict) -> None:
        self.cursors.append(event["cursor"])
        if event["relation"] == "public.ledger":
            id = str(event["key"]["id"])
            # Whoever writes the next entry has waited for the one who has written the last.
            assert event["payload"]["n"] == self.ledgers[id] + 1
            self.ledgers[id] += 1
        elif event["payload"]["seen"]:
            for id, n in event["payload"]["seen"].items():
                assert self.ledgers[id] >= n, f"ledger {id} was seen at {n}, and {self.ledgers[id]} was told"


def writer(dsn: str, name: int, number: int):
    """In each transaction a look at all ledgers, the next entry of one, and a note of what has been seen."""
    def write():
        choose = random.Random(f"{number} {name}")
        connection = None
        for n in range(TRANSACTIONS):
            if n % 20 == 0:
                # With what the database has set by now.
                connection = psycopg.connect(dsn, autocommit=True)
            connection.execute("begin")
            mode = choose.choice(["inline", "inline", "sequencer", None])
            if mode:
                connection.execute(sql.SQL("set local reldiff.delivery = {}").format(sql.Identifier(mode)))
            if choose.random() < 0.3:
                connection.execute("set local reldiff.commit_lock_timeout = 0")
            seen, = connection.execute("select json_object_agg(id, n) from ledger").fetchone()
            connection.execute("update ledger set n = n + 1 where id = %s", (choose.randint(1, LEDGERS),))
            length = 9000 if choose.random() < 0.05 else 5
            connection.execute("insert into note values (%s, %s, %s)", (f"{name} {n}", json.dumps(seen), "x" * length))
            for command in choose.choices(ENDS, weights=(7, 1, 1))[0]:
                connection.execute(command.format(name))
            if n % 20 == 19:
                connection.close()
    return write


def test_p08_modes_change_under_load(dsn, connect):
    """One order for all readers, and each event once; meanwhile the process is terminated, and the database's mode goes to and fro."""
    number, done = seed(), threading.Event()
    owner = connect()
    owner.execute(SET_UP)
    session = new_session(owner, "ledger", "note")
    start, = owner.execute("select event.cursor()").fetchone()
    copies = lambda: [Copy("public.ledger", ["id"]).start(owner), Copy("public.note", ["id"])]  # noqa: E731
    pages = [kind(session, start, *copies()) for kind in (Reader, Waiting)]
    follower = Follower(dsn, session, start)
    flips, terminated, end = [], [], []

    def reading(reader):
        def read():
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not done.is_set():
                    reader.read(connection, 7)
                while reader.read(connection, 100):
                    pass
        return read

    def following():
        follower.follow(lambda: end and (follower.cursor == end[0] or follower.idle > 3))

    def flipping():
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not done.wait(0.2):
                mode = ("sequencer", "inline")[len(flips) % 2]
                connection.execute(f"alter database {connection.info.dbname} set reldiff.delivery = {mode}")
                flips.append(mode)
                ended = connection.execute("select pg_terminate_backend(pid) from pg_stat_activity "
                                           "where backend_type = 'pg_reldiff' and datname = current_database()").fetchall()
                terminated.extend(ended)

    def writing():
        try:
            in_threads(*(writer(dsn, name, number) for name in range(WRITERS)))
            until(lambda: owner.execute("select event.await_sequenced()").fetchone()[0], "the places")
            end.append(events(owner, session, start)[-1]["cursor"])
        finally:
            done.set()
            end.append(None)

    in_threads(writing, flipping, following, *(reading(reader) for reader in pages))
    owner.execute(f"alter database {owner.info.dbname} reset reldiff.delivery")
    told = [event["cursor"] for event in events(owner, session, start)]
    assert told == sorted(set(told)) == follower.cursors
    for reader in pages:
        reader.compare(owner)
        assert reader.texts == pages[0].texts
    without, placed = owner.execute("select (select count(distinct xid) from event.unsequenced), (select count(*) from event.transaction)").fetchone()
    enough({"events": len(told), "without a place": without, "with a place": placed - without, "flips": len(flips),
            "terminated": len(terminated)}, MINIMUM)
