"""Coming back to a session: attach with its replay, and clients whose connections are killed under load."""

import random
import threading

import psycopg

from client import Client
from load import in_threads, writing
from wire import Listener, events, inbox, new_session, parse


def test_p10_attach_replays_what_is_pending(connect):
    """The pending events come as notifications on the attaching connection, before any later one."""
    owner, writer = connect(), connect()
    owner.execute("create table item (id text primary key, v text)")
    session = new_session(owner, "item")
    for n in range(5):
        writer.execute("insert into item values (%s, '')", (f"{n}",))
    whole = inbox(owner, session)
    owner.execute("select event.ack(%s, %s)", (parse(whole[1])["cursor"], session))

    second = connect()
    listener = Listener(second)
    assert second.execute("select event.session_attach(%s)", (session,)).fetchone() == (3,)
    assert second.execute("select event.session_current()::text").fetchone() == (session,)
    writer.execute("insert into item values ('later', '')")
    assert listener.payloads() == [(session, text) for text in inbox(owner, session, parse(whole[1])["cursor"])]
    assert len(inbox(owner, session)) == 4

    third = connect()
    quiet = Listener(third)
    assert third.execute("select event.session_attach(%s, replay => false)", (session,)).fetchone() == (4,)
    assert quiet.payloads() == []
    writer.execute("insert into item values ('last', '')")
    assert [event["key"]["id"] for event in quiet.events()] == ["last"]


def test_p10_attach_that_is_rolled_back(connect):
    """Neither a replay nor a LISTEN nor a current session is left."""
    owner, writer = connect(), connect()
    owner.execute("create table item (id text primary key, v text)")
    session = new_session(owner, "item")
    writer.execute("insert into item values ('a', '')")
    second = connect()
    listener = Listener(second)
    with second.transaction(force_rollback=True):
        assert second.execute("select event.session_attach(%s)", (session,)).fetchone() == (1,)
    writer.execute("insert into item values ('b', '')")
    assert listener.payloads() == []
    assert second.execute("select event.session_current()").fetchone() == (None,)


def test_p10_long_replay_is_a_nudge(connect):
    """The usual limits hold for a replay."""
    owner = connect()
    owner.execute("create table item (id text primary key, v text)")
    session = new_session(owner, "item")
    owner.execute("insert into item select n::text, '' from generate_series(1, 1001) n")
    second = connect()
    listener = Listener(second)
    assert second.execute("select event.session_attach(%s)", (session,)).fetchone() == (1001,)
    nudge, = listener.events()
    assert (nudge["type"], nudge["count"]) == ("nudge", 1001)
    assert nudge["cursor"] >= events(owner, session)[-1]["cursor"]


def test_detach_and_delete(connect):
    """After detach nothing comes, the inbox fills on; after delete the session is gone."""
    owner, writer = connect(), connect()
    owner.execute("create table item (id text primary key, v text)")
    session, = owner.execute("select event.session_create()").fetchone()
    owner.execute("select event.subscribe_table('item')")
    listener = Listener(owner)
    owner.execute("select event.session_detach()")
    assert owner.execute("select event.session_current()").fetchone() == (None,)
    writer.execute("insert into item values ('a', '')")
    assert listener.payloads() == []
    assert len(inbox(owner, session)) == 1
    assert owner.execute("select event.session_delete(%s)", (session,)).fetchone() == (True,)
    assert owner.execute("select event.session_delete(%s)", (session,)).fetchone() == (False,)
    writer.execute("insert into item values ('b', '')")
    assert owner.execute("select count(*) from event.session").fetchone() == (0,)


def test_p08_attach_while_others_write(dsn, connect):
    """On an attached connection cursors rise strictly: what is pending, then what the others write, nothing missing."""
    owner = connect()
    owner.execute("create table item (id text primary key, v text)")
    session = new_session(owner, "item")
    first = owner.execute("select event.cursor()").fetchone()[0]
    attached, stop = [], threading.Event()

    def attaching():
        """One connection after the other: each hears the replays of all that are attached at the time."""
        acknowledged = None
        while not stop.is_set():
            with psycopg.connect(dsn, autocommit=True) as connection:
                # Everything is notified one by one, so that what arrives can be compared with the inbox.
                connection.execute("load 'pg_reldiff'")
                connection.execute("set reldiff.notify_limit = 0")
                connection.execute("set reldiff.notify_bytes = '1GB'")
                listener = Listener(connection)
                # What is acknowledged is not replayed.
                cursor, = connection.execute("select max(cursor) from event.events(%s, null, 20)", (session,)).fetchone()
                if cursor is not None:
                    connection.execute("select event.ack(%s, %s)", (cursor, session))
                    acknowledged = cursor
                pending, = connection.execute("select event.session_attach(%s)", (session,)).fetchone()
                heard = []
                while len(heard) < pending + 10 and not stop.is_set():
                    heard += [text for _, text in listener.payloads()]
                heard += [text for _, text in listener.payloads()]
                attached.append((acknowledged, pending, heard))

    def writers():
        try:
            in_threads(*[writing_short(dsn, name, 150) for name in "abc"])
        finally:
            stop.set()

    in_threads(attaching, writers)

    whole = inbox(owner, session, after=first)
    assert len(whole) == 3 * 150 * 2
    place = {text: at for at, text in enumerate(whole)}
    cursors = [parse(text)["cursor"] for text in whole]
    assert cursors == sorted(set(cursors))
    for cursor, pending, heard in attached:
        start = 0 if cursor is None else cursors.index(cursor) + 1
        assert heard == whole[start:start + len(heard)]
        assert len(heard) >= pending
    later = sum(len(heard) > pending > 0 for _, pending, heard in attached)
    print(f"{len(attached)} attached under load, {later} of them heard a replay and what came after it")
    assert later >= 3


def test_p12_attach_on_a_connection_that_listens(connect):
    """Notifications that were on their way may come before the replay: a client that reads first notices nothing.

    The server hands a connection that listens already what was committed before its new LISTEN, too, if the
    connection has not read it by then.
    """
    owner, writer = connect(), connect()
    owner.execute("create table item (id text primary key, v text)")
    session = new_session(owner, "item")
    writer.execute("insert into item values ('long ago', '')")
    second = connect()
    listener = Listener(second)
    second.execute("listen other")
    with second.transaction():
        second.execute("select 1")
        writer.execute("insert into item values ('just before', '')")
        assert second.execute("select event.session_attach(%s)", (session,)).fetchone() == (2,)
    writer.execute("insert into item values ('just after', '')")
    handled = events(second, session)
    writer.execute("insert into item values ('later', '')")
    heard = listener.events()
    for event in heard:
        if event["cursor"] > handled[-1]["cursor"]:
            handled.append(event)
    assert [event["key"]["id"] for event in handled] == ["long ago", "just before", "just after", "later"]
    # All of it was notified, too, in whatever order.
    assert {event["key"]["id"] for event in heard} == {"long ago", "just before", "just after", "later"}


def test_p10_others_hear_a_replay_too(connect):
    """A notification goes to all who listen: a replay repeats itself to them, with the cursors they know."""
    owner, writer = connect(), connect()
    owner.execute("create table item (id text primary key, v text)")
    session = new_session(owner, "item")
    first = Listener(connect()).listen(session)
    writer.execute("insert into item values ('a', '')")
    connect().execute("select event.session_attach(%s)", (session,))
    writer.execute("insert into item values ('b', '')")
    assert [event["key"]["id"] for event in first.events()] == ["a", "a", "b"]


def writing_short(dsn: str, name: str, transactions: int):
    def write():
        with psycopg.connect(dsn, autocommit=True) as connection:
            for n in range(transactions):
                with connection.transaction():
                    connection.execute("insert into item values (%s, '')", (f"{name} {n}",))
                    connection.execute("update item set v = 'x' where id = %s", (f"{name} {n}",))
    return write


def test_p12_killed_listeners_lose_nothing(dsn, connect):
    """Clients that follow the recipe and are killed again and again see each event once, in order."""
    owner, killer = connect(), connect()
    owner.execute("create table item (id text primary key, v text)")
    sessions = [new_session(owner, "item"), new_session(owner, "item", notify="nudge", format="compact")]
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    writers, transactions = 3, 150
    clients, seen, done = [], [], threading.Event()

    def following(session):
        mine, kills = [], random.Random(f"{seed} kills")
        countdown = [kills.randint(1, 10)]

        def handle(event):
            """Every so many transactions this client's connection dies, at whatever it is doing then."""
            mine.append(event)
            countdown[0] -= bool(event.get("last"))
            if countdown[0] < 0:
                countdown[0] = kills.randint(1, 10)
                killer.execute("select pg_terminate_backend(%s)", (client.connection.info.backend_pid,))

        client = Client(dsn, session, handle)
        clients.append(client)
        seen.append(mine)
        client.follow(lambda: (bool(mine) and mine[-1]["key"]["id"] == "the end") or (done.is_set() and client.idle > 3))
        client.connection.close()

    def writing_all():
        try:
            in_threads(*[writing(dsn, f"writer {n}", transactions, seed) for n in range(writers)])
            owner.execute("insert into item values ('the end', '')")
        finally:
            done.set()

    in_threads(writing_all, *[lambda session=session: following(session) for session in sessions])

    rows, = owner.execute("select count(*) from item").fetchone()
    for client, mine in zip(clients, seen):
        cursors = [event["cursor"] for event in mine]
        assert cursors == sorted(set(cursors))
        whole = events(owner, client.session)
        assert len(whole) == rows
        # A notification may have been truncated, or be of an event that was read in the middle of a page.
        assert cursors == [event["cursor"] for event in whole]
        assert [event["key"] for event in mine] == [event["key"] for event in whole]
        assert [event["payload"] for event in mine] == [event["payload"] for event in whole]
        print(f"{len(mine)} events, {client.connections} connections, {client.reads} reads")
        assert client.connections > 10
