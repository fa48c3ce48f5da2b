"""One session, several connections and roles at once: who hears, who acknowledges, and what is left when it is deleted."""

import threading

import psycopg
import pytest
from psycopg import errors

from load import in_threads
from wire import Listener, events, inbox, new_session, parse


@pytest.fixture
def item(connect):
    connection = connect()
    connection.execute("create table item (id text primary key, v text)")
    return connection


@pytest.fixture
def team(connect, item, role):
    """connections(name) for two members of a role that owns a session, and for a stranger."""
    names = {"team": role("team", "nologin"), "ann": role("ann"), "bob": role("bob"), "eve": role("eve")}
    item.execute(f"grant {names['team']} to {names['ann']}, {names['bob']}")
    item.execute(f"grant select on item to {names['team']}")
    item.execute(f"grant select on item to {names['eve']}")
    return lambda name: names[name] if name == "team" else connect(user=names[name])


def test_p21_session_of_several_roles(connect, item, team):
    """Members of the owner use it together: all hear, what one subscribes or acknowledges is so for all; a stranger gets 42501."""
    ann, bob, eve = team("ann"), team("bob"), team("eve")
    session, = ann.execute("select event.session_create(owner => %s::regrole)::text", (team("team"),)).fetchone()
    subscription, = ann.execute("select event.subscribe_table('item')").fetchone()
    first = Listener(ann)
    second, third = Listener(bob), Listener(team("ann"))
    for connection in (bob, third.connection):
        assert connection.execute("select event.session_attach(%s)", (session,)).fetchone() == (0,)
    assert bob.execute("select event.subscribe_table('item')").fetchone() == (subscription,)

    writer = connect()
    writer.execute("insert into item values ('a', ''), ('b', '')")
    heard = first.payloads()
    assert [parse(text)["key"]["id"] for _, text in heard] == ["a", "b"]
    assert second.payloads() == third.payloads() == heard == [(session, text) for text in inbox(ann, session)]
    cursors = [event["cursor"] for event in events(bob, session)]
    assert bob.execute("select event.ack(%s)", (cursors[0],)).fetchone() == (1,)
    assert [event["cursor"] for event in events(ann, session)] == cursors[1:]
    assert ann.execute("select event.ack(%s)", (cursors[1],)).fetchone() == (0,)
    # It never moves back, whoever asks.
    assert bob.execute("select event.ack(%s)", (cursors[0],)).fetchone() == (0,)
    assert [connection.execute("select owner::text from event.session").fetchall() for connection in (ann, bob, eve)] == [
        [(team("team"),)], [(team("team"),)], []]

    for call in (f"select * from event.events('{session}')", f"select event.ack('{cursors[0]}', '{session}')",
                 f"select event.session_use('{session}')", f"select event.session_attach('{session}')",
                 f"select event.subscribe_table('item', session_id => '{session}')", f"select event.unsubscribe_all('{session}')"):
        with pytest.raises(errors.InsufficientPrivilege):
            eve.execute(call)
    assert eve.execute("select event.unsubscribe(%s)", (subscription,)).fetchone() == (False,)
    assert eve.execute("select event.session_delete(%s)", (session,)).fetchone() == (False,)

    # What the owner may read counts, not what the member may.
    item.execute("create table anns (id integer primary key)")
    item.execute(f"grant select on anns to {ann.info.user}")
    with pytest.raises(errors.InsufficientPrivilege):
        ann.execute("select event.subscribe_table('anns')")
    # One who is a member no longer is a stranger, on the same connection.
    item.execute(f"revoke {team('team')} from {bob.info.user}")
    with pytest.raises(errors.InsufficientPrivilege):
        bob.execute("select * from event.events()")
    assert bob.execute("select event.session_delete()").fetchone() == (False,)
    assert ann.execute("select event.session_delete()").fetchone() == (True,)


def test_p10_attach_while_others_are_attached(connect, item):
    """Each that comes hears what is pending; those that were there hear it again, with the cursors they know, and handle nothing twice."""
    session = new_session(item, "item")
    writer, listeners, handled, repeated = connect(), [], [], 0
    for n in range(5):
        writer.execute("insert into item values (%s, '')", (f"before {n}",))
        connection = connect()
        listeners.append(Listener(connection))
        handled.append([])
        assert connection.execute("select event.session_attach(%s)", (session,)).fetchone() == (len(inbox(item, session)),)
        writer.execute("insert into item values (%s, '')", (f"after {n}",))
        for listener, mine in zip(listeners, handled):
            for event in listener.events():
                repeated += bool(mine) and event["cursor"] <= mine[-1]["cursor"]
                if not mine or event["cursor"] > mine[-1]["cursor"]:
                    mine.append(event)
    whole = events(item, session)
    assert [event["key"]["id"] for event in whole] == [f"{when} {n}" for n in range(5) for when in ("before", "after")]
    assert handled == [whole] * 5
    # Each that comes has 2n + 1 events replayed, and the n that were there hear them again.
    assert repeated == sum(n * (2 * n + 1) for n in range(5))
    # One that leaves takes nothing from the others.
    listeners[0].connection.execute("select event.session_detach()")
    writer.execute("insert into item values ('last', '')")
    assert [[event["key"]["id"] for event in listener.events()] for listener in listeners] == [[], *[["last"]] * 4]


CALLS = ["select * from event.events()", "select * from event.diff()", "select event.feed(event.session_current())",
         "select event.ack(event.cursor())", "select event.subscribe_table('item')", "select event.subscribe_row('item', 'a')",
         "select event.unsubscribe_all()", "select event.session_use(event.session_current())",
         "select event.session_attach(event.session_current())"]


def test_delete_while_others_are_attached(connect, item, role):
    """Whatever they call next says that the session is not theirs; nothing more comes, and they can make another one."""
    name = role("user")
    item.execute(f"grant select on item to {name}")
    deleter, user, superuser = connect(user=name), connect(user=name), connect()
    session, = deleter.execute("select event.session_create()::text").fetchone()
    deleter.execute("select event.subscribe_table('item')")
    listeners = [Listener(user), Listener(superuser)]
    for listener in listeners:
        listener.connection.execute("select event.session_attach(%s)", (session,))
    item.execute("insert into item values ('a', '')")
    assert [len(listener.payloads()) for listener in listeners] == [1, 1]

    with deleter.transaction(force_rollback=True):
        assert deleter.execute("select event.session_delete()").fetchone() == (True,)
    assert len(events(user, session)) == 1
    item.execute("insert into item values ('b', '')")
    assert [len(listener.payloads()) for listener in listeners] == [1, 1]

    assert deleter.execute("select event.session_delete()").fetchone() == (True,)
    assert deleter.execute("select event.session_current()").fetchone() == (None,)
    for call in CALLS:
        with pytest.raises(errors.InsufficientPrivilege):
            user.execute(call)
        # No session is closed to a superuser, so it is told the truth.
        with pytest.raises(errors.UndefinedObject):
            superuser.execute(call)
    item.execute("insert into item values ('c', '')")
    assert [listener.payloads() for listener in listeners] == [[], []]
    assert user.execute("select event.session_delete()").fetchone() == (False,)
    for listener in listeners:
        listener.connection.execute("select event.session_detach()")
        assert listener.connection.execute("select event.session_current()").fetchone() == (None,)
        another, = listener.connection.execute("select event.session_create()::text").fetchone()
        listener.connection.execute("select event.subscribe_table('item')")
        item.execute("insert into item values (%s, '')", (another,))
        assert [(channel, parse(text)["key"]["id"]) for channel, text in listener.payloads()] == [(another, another)]


def test_delete_under_load(dsn, connect, item):
    """While others read, subscribe, acknowledge, attach and write: they get an error that says so, writers get none."""
    rounds, stop = 40, threading.Event()
    refused, used = [], []
    sessions = [new_session(item, "item")]

    def using(call: str):
        """Calls it for whatever session is there, which may be going."""
        def work() -> None:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not stop.is_set():
                    session = sessions[-1]
                    try:
                        connection.execute(call, {"session": session})
                        used.append(session)
                    except errors.UndefinedObject:
                        refused.append(session)
        return work

    def writing() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            n = 0
            while not stop.is_set():
                with connection.transaction():
                    connection.execute("insert into item values (%s, '')", (f"{n}",))
                    connection.execute("update item set v = 'x' where id = %s", (f"{n}",))
                n += 1

    def deleting() -> None:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                for _ in range(rounds):
                    uses = len(used)
                    while len(used) < uses + 20:
                        stop.wait(0.001)
                    session = sessions[-1]
                    refusals = len(refused)
                    assert connection.execute("select event.session_delete(%s)", (session,)).fetchone() == (True,)
                    while len(refused) < refusals + 3:
                        stop.wait(0.001)
                    sessions.append(new_session(connection, "item"))
        finally:
            stop.set()

    calls = ["select count(*) from event.events(%(session)s)", "select event.ack(event.cursor(), %(session)s)",
             "select event.subscribe_row('item', '1', session_id => %(session)s)", "select event.session_attach(%(session)s)"]
    in_threads(deleting, writing, *map(using, calls))
    # Only the last one is left, with what was subscribed for it.
    assert item.execute("select id::text from event.session").fetchall() == [(sessions[-1],)]
    assert item.execute("select distinct session_id::text from event.subscription").fetchall() == [(sessions[-1],)]
    for table in ("session_position", "subscription_table", "subscription_row"):
        assert item.execute(f"select count(*) from event.{table} where session_id <> %s", (sessions[-1],)).fetchone() == (0,)
    before = len(events(item, sessions[-1]))
    item.execute("insert into item values ('the end', '')")
    assert len(events(item, sessions[-1])) == before + 1
    print(f"{rounds} deleted; {len(used)} calls, {len(refused)} refused")


def expire(connection, session) -> None:
    """As if nobody had used the session for the whole of its time."""
    connection.execute("update event.session_expiry set expires_at = now() - interval '1 hour' where session_id = %s", (session,))


def is_there(connection, session) -> bool:
    return connection.execute("select count(*) from event.session where id = %s", (session,)).fetchone()[0] == 1


def test_session_is_not_taken_away_from_who_is_using_it(connect, item):
    session, user = new_session(item), connect()
    expire(item, session)
    with user.transaction():
        user.execute("select event.session_use(%s)", (session,))
        new_session(item)
        assert is_there(item, session)
    new_session(item)
    assert is_there(item, session)
    expire(item, session)
    new_session(item)
    assert not is_there(item, session)


def test_expired_sessions_wait_for_nobody(connect, item):
    """One whose table is just being dropped stays, and many of somebody else's do not keep the others."""
    session = new_session(item, "item")
    others = [new_session(item) for _ in range(40)]
    for one in [session, *others]:
        expire(item, one)
    item.execute("set lock_timeout = '2s'")
    with connect() as dropping, dropping.transaction(force_rollback=True):
        dropping.execute("drop table item")
        # The first twenty of the rest are being altered.
        with connect() as altering, altering.transaction(force_rollback=True):
            for one in others[:20]:
                altering.execute("select event.session_alter(%s, name => 'mine')", (one,))
            new_session(item)
            assert [is_there(item, one) for one in others] == [True] * 20 + [False] * 20
            assert is_there(item, session)
    new_session(item)
    new_session(item)
    assert not is_there(item, session)


def test_quotas_hold_for_who_comes_at_the_same_time(connect, item, role):
    name = role("quota")
    first, second = connect(user=name), connect(user=name)
    item.execute(f"alter role {name} set reldiff.sessions_per_role = 1")
    first, second = connect(user=name), connect(user=name)
    failed = []

    def create():
        try:
            new_session(second)
        except errors.ConfigurationLimitExceeded as error:
            failed.append(error)

    with first.transaction():
        new_session(first)
        thread = threading.Thread(target=create)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join()
    assert len(failed) == 1


def test_session_that_is_altered_while_a_writer_commits(connect, item):
    """The writer has rendered its notifications for the old channel: the new one gets a nudge."""
    session = new_session(item, "item")
    listener, holding = Listener(connect()), connect()
    writer = connect()
    with holding.transaction():
        # Where a commit stores its place.
        holding.execute("lock table event.transaction in share mode")
        insert = threading.Thread(target=writer.execute, args=("insert into item values ('1', '')",))
        insert.start()
        insert.join(0.5)
        assert insert.is_alive()
        item.execute("select event.session_alter(%s, channel => 'elsewhere')", (session,))
        listener.connection.execute("listen elsewhere")
    insert.join()
    heard = [parse(text) for _, text in listener.payloads()]
    assert [(event["type"], event["count"], event["sessions"]) for event in heard] == [("nudge", 1, [session])]


def test_what_was_kept_back_on_a_channel_that_nobody_has_any_more(connect, item):
    session = new_session(item, "item", channel="old")
    writer = connect()
    writer.execute("set reldiff.notify_queue_limit = 0")
    writer.execute("insert into item values ('1', '')")
    assert item.execute("select channel from event.skipped_notification").fetchall() == [("old",)]
    item.execute("select event.session_alter(%s, channel => 'new')", (session,))
    assert item.execute("select channel from event.skipped_notification").fetchall() == []
