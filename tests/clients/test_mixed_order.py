"""P8 where some writers commit without a place: whatever could have seen a transaction, or has waited for it, comes after it."""

import random

import psycopg
from psycopg import errors

from load import in_threads
from replay import Copy, Feed, enough, seed
from unplaced import MIXED, holding, settled, without_places
from wire import events, new_session, parse

WRITERS, TRANSACTIONS = 5, 60
LEVELS = ("read committed", "repeatable read", "serializable")
# What the transaction sees by its last statement, and the newest number that it finds there.
ENTER = """
insert into ledger (n, xid, seen)
select coalesce(max(n), 0) + 1, pg_current_xact_id()::text, pg_current_snapshot()::text from ledger
"""


class Snapshot:
    def __init__(self, text: str):
        xmin, xmax, running = text.split(":")
        self.end, self.running = int(xmax), {int(xid) for xid in running.split(",") if xid}

    def sees(self, xid: int) -> bool:
        return xid < self.end and xid not in self.running


def writing(dsn: str, seed: str):
    def write() -> None:
        choose, done = random.Random(seed), 0
        with psycopg.connect(dsn, autocommit=True) as connection:
            while done < TRANSACTIONS:
                try:
                    with connection.transaction():
                        connection.execute(f"set transaction isolation level {choose.choice(LEVELS)}")
                        connection.execute(choose.choice(MIXED))
                        for _ in range(choose.randint(0, 2)):
                            connection.execute("update counter set n = n + 1 where id = %s", (choose.randint(1, 3),))
                        connection.execute(ENTER)
                    done += 1
                except (errors.SerializationFailure, errors.DeadlockDetected):
                    pass
    return write


def test_p08_order_of_mixed_writers(dsn, connect):
    """In the feed no transaction stands before one that it has seen, and each row's versions follow one another."""
    number, owner = seed(), connect()
    owner.execute("create table counter (id integer primary key, n integer); insert into counter select n, 0 from generate_series(1, 3) n")
    owner.execute("create table ledger (id integer primary key generated always as identity, n integer, xid text, seen text)")
    counter, ledger = Copy("public.counter", ["id"]).start(owner), Copy("public.ledger", ["id"])
    feed = Feed(new_session(owner, "counter", "ledger"), counter, ledger)
    with holding(dsn, number):
        in_threads(*[writing(dsn, f"{number} {n}") for n in range(WRITERS)])
    unplaced = settled(owner)
    while feed.read(owner, 1000):
        pass
    # It compares each old value with what the events before have made of it.
    feed.compare(owner)
    told = [parse(text) for text in feed.texts]
    entered = [(event["payload"]["n"], int(event["payload"]["xid"]), Snapshot(event["payload"]["seen"]))
               for event in told if event["relation"] == "public.ledger"]
    assert [event["xid"] for event in told if event["relation"] == "public.ledger"] == [str(xid) for _, xid, _ in entered]
    highest, seen = 0, 0
    for place, (n, xid, snapshot) in enumerate(entered):
        # Whoever wrote the number before stands before it.
        assert n <= highest + 1
        highest = max(highest, n)
        later = [other for _, other, _ in entered[place + 1:]]
        assert not [other for other in later if snapshot.sees(other)], f"{xid} stands before what it has seen"
        seen += sum(snapshot.sees(other) for _, other, _ in entered[:place])
    for id in range(1, 4):
        counts = [event["payload"]["n"] for event in told if event["relation"] == "public.counter" and event["key"] == {"id": id}]
        assert counts == list(range(1, len(counts) + 1))
    enough({"transactions": len(entered), "without a place": unplaced, "pairs": seen},
           {"transactions": WRITERS * TRANSACTIONS, "without a place": 40, "pairs": 10_000})


def test_p08_older_id_comes_later(dsn, connect):
    """Who has got its id first, and has waited for the other or seen it, comes behind it: both are committed without a place."""
    owner, older = connect(), connect()
    owner.execute("create table counter (id integer primary key, n integer); insert into counter values (1, 0)")
    session = new_session(owner, "counter")
    older.execute("load 'pg_reldiff'")
    older.execute("set reldiff.commit_lock_timeout = 0")
    with without_places(dsn, owner):
        older.execute("begin; select pg_current_xact_id()")
        owner.execute("update counter set n = n + 1 where id = 1")
        older.execute("update counter set n = n + 1 where id = 1")
        older.execute("commit")
    assert settled(owner) == 2
    assert [event["payload"]["n"] for event in events(owner, session)] == [1, 2]
