"""Writers that are cancelled or terminated at their commit: nothing of them is told, and the commit lock is free afterwards."""

import random
import threading
from collections import Counter

import psycopg
import pytest
from psycopg import errors

from load import in_threads
from modes import both_modes
from patience import until
from replay import Copy, Feed, enough, seed
from survivors import TABLES, Gate, Writer, parsed
from unplaced import settled
from wire import Listener, events, new_session, parse

# Who holds the commit lock, and who waits for it.
LOCK = """
select pid, granted, virtualtransaction from pg_locks
where locktype = 'object' and classid = 'pg_extension'::regclass and objsubid <> 0
      and database = (select oid from pg_database where datname = current_database())
"""
# Under the commit lock a writer takes its place in this table, and so waits for whoever has locked it.
OBSTRUCT = "begin; lock table event.transaction in share mode"

MINIMUM = {f"{verb} {whom}": 15 for verb in ("cancelled", "terminated") for whom in ("who waits", "who holds", "anybody")}


def patient(connection) -> psycopg.Connection:
    """One that never gives the commit lock up."""
    connection.execute("load 'pg_reldiff'")
    connection.execute("select set_config(name, '1h', false) from pg_settings where name = 'reldiff.commit_lock_timeout'")
    return connection


# Inline only: with the sequencer no writer takes the lock.
@pytest.mark.parametrize("notify", ["payload", "off"])
@pytest.mark.parametrize("victim", ["holder", "waiter"])
@pytest.mark.parametrize("end, error", [("cancel", errors.QueryCanceled), ("terminate", errors.AdminShutdown)])
def test_p01_writer_that_ends_in_its_commit(connect, notify, victim, end, error):
    """The one that holds the commit lock or the one behind it: the other commits, and whoever comes later."""
    owner = connect()
    owner.execute("create table item (id integer primary key, v text)")
    session = new_session(owner, "item", notify=notify)
    listener = Listener(connect()).listen(session)
    obstacle = connect()
    obstacle.execute(OBSTRUCT)
    writers, outcomes = {}, {}

    def writing(name, id):
        connection = patient(connect())

        def write():
            try:
                connection.execute("begin")
                connection.execute("insert into item values (%s, '')", (id,))
                with connection.transaction():
                    connection.execute("insert into item select n, '' from generate_series(%s::integer, %s) n", (id + 1, id + 9))
                connection.execute("commit")
                outcomes[name] = None
            except psycopg.Error as failure:
                outcomes[name] = failure

        writers[name] = connection
        thread = threading.Thread(target=write)
        thread.start()
        expected = (connection.info.backend_pid, name == "holder")
        until(lambda: name in outcomes or expected in [row[:2] for row in owner.execute(LOCK)], f"the {name} of the lock")
        assert name not in outcomes, outcomes
        return thread

    threads = [writing("holder", 100), writing("waiter", 200)]
    owner.execute(f"select pg_{end}_backend(%s)", (writers[victim].info.backend_pid,))
    until(lambda: victim in outcomes, "its error")
    assert isinstance(outcomes[victim], error)
    assert events(owner, session) == [] and listener.payloads() == []
    # It has left the lock to the other one, which still waits for the table.
    until(lambda: [granted for _, granted, _ in owner.execute(LOCK)] == [True], "the other one's lock")
    obstacle.execute("rollback")
    for thread in threads:
        thread.join()

    survivor = "waiter" if victim == "holder" else "holder"
    assert outcomes[survivor] is None
    ids = list(range(200, 210)) if survivor == "waiter" else list(range(100, 110))
    if end == "cancel":
        # Nothing has stayed in the backend either.
        writers[victim].execute("insert into item values (1, '')")
        ids.append(1)
    connect().execute("insert into item values (2, '')")
    ids.append(2)
    assert [event["key"]["id"] for event in events(owner, session)] == ids
    assert [event["key"]["id"] for event in listener.events()] == (ids if notify == "payload" else [])
    assert owner.execute("select array_agg(id order by id) from item").fetchone() == (sorted(ids),)
    assert owner.execute(LOCK).fetchall() == []


def minimum(delivery: str) -> dict:
    """With the sequencer, it is the process that holds the lock, and nobody waits for it."""
    if delivery == "inline":
        return MINIMUM
    return {what: least for what, least in MINIMUM.items() if not what.endswith("who waits")}


@both_modes
def test_p01_writers_that_end_at_random_moments(dsn, connect, delivery):
    """Under load, again and again: the feed has just what was committed, and each is as the server has said."""
    number, owner = seed(), connect()
    choose, counts, stop = random.Random(number), Counter(), threading.Event()
    owner.execute(TABLES)
    item, ledger = Copy("public.item", ["id"]).start(owner), Copy("public.ledger", ["writer", "n"])
    # Where nobody waits, there are more events than can be validated.
    feed = Feed(new_session(owner, "item", "ledger"), item, ledger, parse=parse if delivery == "inline" else parsed)
    gate = Gate()
    names = ["ann", "bob", "cid", "dot"]
    # One waits for a place as ever, one for ever, one for a moment, one not at all.
    writers = [Writer(dsn, gate, number, name, "off", time, delivery) for name, time in zip(names, ("1s", "1h", "20ms", "0"))]

    def ending():
        admin, obstacle = connect(), connect()
        gate.open()
        try:
            while any(counts[what] < least for what, least in minimum(delivery).items()):
                verb = choose.choice(["cancelled", "terminated"])
                end = "pg_cancel_backend" if verb == "cancelled" else "pg_terminate_backend"
                if choose.random() < 0.3:
                    found = admin.execute(f"select {end}(pid) from pg_stat_activity where application_name = %s and datname = current_database() "
                                          "and state <> 'idle'", (choose.choice(names),)).fetchall()
                    counts[f"{verb} anybody"] += len(found)
                    continue
                obstacle.execute(OBSTRUCT)
                # The others may wait for rows of the one that holds it: then there is nobody else.
                at_commit = until(lambda: admin.execute(LOCK).fetchall(), "a writer at its commit")
                pid, is_holder, victim = choose.choice(at_commit)
                if admin.execute(f"select {end}(%s)", (pid,)).fetchone() == (False,):
                    # It was one that had been ended as anybody, and only just now did.
                    obstacle.execute("rollback")
                    continue
                # It ends while the lock is still obstructed.
                until(lambda: victim not in [row[2] for row in admin.execute(LOCK)], "its end")
                counts[f"{verb} {'who holds' if is_holder else 'who waits'}"] += 1
                obstacle.execute("rollback")
        finally:
            obstacle.close()
            stop.set()
            for writer in writers:
                writer.stopped = True
            gate.open()

    def reading():
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not stop.is_set():
                feed.read(connection, choose.choice([1, 10, 100, 1000]))

    in_threads(ending, reading, *[writer.run for writer in writers])
    until(lambda: owner.execute("select count(*) from pg_stat_activity where application_name = any(%s)", (names,)).fetchone() == (0,),
          "the end of the writers")
    unplaced = settled(owner)
    until(lambda: owner.execute(LOCK).fetchall() == [], "the end of the process that gives places")
    while feed.read(owner, 1000):
        pass
    feed.compare(owner)
    entered = {name: set(n) for name, n in owner.execute("select writer, array_agg(n) from ledger group by writer")}
    for writer in writers:
        assert writer.committed <= entered[writer.name] and not writer.refused & entered[writer.name]
    counts |= {"committed": feed.transactions, "refused": sum(len(writer.refused) for writer in writers), "without a place": unplaced}
    enough(counts, minimum(delivery) | {"committed": 100, "refused": 45, "without a place": 30})
