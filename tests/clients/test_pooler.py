"""Behind a transaction pooler: what a session is there, and what must never be left on a connection that others use, too."""

import contextlib
import random

import pytest
from psycopg import errors

from load import in_threads
from wire import Listener, events, new_session, parse


@pytest.fixture
def item(connect):
    """Rows a to f."""
    owner = connect()
    owner.execute("create table item (id text primary key, v integer)")
    owner.execute("insert into item select chr(n), 0 from generate_series(ascii('a'), ascii('f')) n")
    return owner


def backend(connection) -> int:
    """The server's process: the connection's own word is PgBouncer's."""
    return connection.execute("select pg_backend_pid()").fetchone()[0]


def current(connection):
    return connection.execute("select event.session_current()::text").fetchone()[0]


def keys(connection) -> list:
    return [key for key, in connection.execute("select key ->> 'id' from event.events()")]


class Undone(Exception):
    pass


ENDS = {
    "commit": (False, None),
    "rollback": (True, None),
    "error": (False, errors.DivisionByZero),
}


@pytest.mark.parametrize("end", ENDS)
def test_local_session_behind_a_pooler(pooler, item, end):
    """It is that of its transaction, however that ends; the next client on the same connection has none."""
    pool = pooler(size=1)
    first, second, third = pool.connect(), pool.connect(), pool.connect()
    assert len({backend(client) for client in (first, second, third)}) == 1
    mine, other = new_session(item), new_session(item)
    force_rollback, error = ENDS[end]
    for client, session, row in ((first, mine, "a"), (second, other, "b"), (first, mine, "a")):
        with contextlib.suppress(error or Undone), client.transaction(force_rollback=force_rollback):
            assert client.execute("select event.session_use(%s, is_local => true)::text", (session,)).fetchone() == (session,)
            with client.transaction(force_rollback=True):
                client.execute("select event.session_use(%s, true)", (other if session == mine else mine,))
            assert current(client) == session
            client.execute("select event.subscribe_row('item', %s)", (row,))
            assert set(keys(client)) <= {row}
            if error:
                client.execute("select 1 / 0")
        for anybody in (third, first, second):
            assert current(anybody) is None
            with pytest.raises(errors.ObjectNotInPrerequisiteState):
                anybody.execute("select * from event.events()")
        item.execute("update item set v = v + 1")
    # Subscriptions go with their transaction.
    kept = 0 if end in ("rollback", "error") else 3
    assert len(events(item, mine)) == kept and len(events(item, other)) == max(kept - 1, 0)


def test_many_clients_behind_a_pooler(pooler, item):
    """More clients than connections, each with its own session: nobody ever sees another's events."""
    pool = pooler(size=2)
    rows, rounds = "abcdef", 60
    sessions = {row: new_session(item) for row in rows}
    served = {row: set() for row in rows}
    got = {row: [] for row in rows}

    def client(row: str):
        def work() -> None:
            choose = random.Random(row)
            with pool.connect() as connection:
                with connection.transaction():
                    connection.execute("select event.session_use(%s, is_local => true)", (sessions[row],))
                    connection.execute("select event.subscribe_row('item', %s)", (row,))
                for n in range(rounds):
                    connection.execute("update item set v = v + 1 where id = %s", (row,))
                    with contextlib.suppress(Undone), connection.transaction():
                        connection.execute("select event.session_use(%s, is_local => true)", (sessions[row],))
                        served[row].add(backend(connection))
                        page = connection.execute("select cursor, key ->> 'id', value::text from event.events(max_events => 7)").fetchall()
                        assert current(connection) == sessions[row]
                        if not page:
                            continue
                        connection.execute("select event.ack(%s)", (page[-1][0],))
                        if choose.random() < 0.2:
                            raise Undone
                        got[row] += page
                while page:
                    page = connection.execute("select cursor, key ->> 'id', value::text from event.events(%s)", (sessions[row],)).fetchall()
                    connection.execute("select event.ack(%s, %s)", (page[-1][0] if page else got[row][-1][0], sessions[row]))
                    got[row] += page
        return work

    in_threads(*map(client, rows))
    assert len(set().union(*served.values())) == 2
    for row in rows:
        assert [(key, int(value)) for _, key, value in got[row]] == [(row, n) for n in range(1, rounds + 1)]
        assert events(item, sessions[row]) == []
    # Connections that served several clients.
    print({row: len(backends) for row, backends in served.items()})


def test_named_session_behind_a_pooler(pooler, item):
    """Everything works with a session that is named; nothing LISTENs."""
    pool = pooler(size=1)
    one, two = pool.connect(), pool.connect()
    assert backend(one) == backend(two)
    session, = one.execute("select event.session_create(attach => false)::text").fetchone()
    subscription, = two.execute("select event.subscribe_table('item', session_id => %s)", (session,)).fetchone()
    assert one.execute("select event.subscribe_table(%s, meta.relation_id('public', 'item'))", (session,)).fetchone() == (subscription,)
    item.execute("update item set v = 7 where id in ('a', 'b')")
    assert [(event["key"], event["payload"]) for event in events(one, session)] == [({"id": "a"}, {"v": 7}), ({"id": "b"}, {"v": 7})]
    page, = two.execute("select event.feed(%s, page_size => 1)", (session,)).fetchone()
    assert page["has_next"] and page["events"][0]["key"] == {"id": "a"}
    assert one.execute("select event.ack(%s, %s)", (page["cursor"], session)).fetchone() == (1,)
    assert two.execute("select event.diff(%s)", (session,)).fetchall() == [("~ public.item b  v: 0 → 7",)]
    assert two.execute("select event.unsubscribe(%s)", (subscription,)).fetchone() == (True,)
    assert one.execute("select event.session_delete(%s)", (session,)).fetchone() == (True,)
    assert one.execute("select pg_listening_channels()").fetchall() == []


def test_what_stays_on_a_pooled_connection(pooler, item):
    """A session that was made current for the connection is found by the next client: RESET takes it away, in the same transaction."""
    pool = pooler(size=1)
    one, two = pool.connect(), pool.connect()
    session, = one.execute("select event.session_create(attach => false)::text").fetchone()
    assert current(two) == session
    # Whoever says which session it wants is not disturbed.
    other = new_session(item)
    with two.transaction():
        two.execute("select event.session_use(%s, is_local => true)", (other,))
        assert current(two) == other
    assert current(one) == session
    two.execute("reset reldiff.session")
    assert current(one) is None
    with one.transaction():
        session, = one.execute("select event.session_create(attach => false)::text").fetchone()
        one.execute("reset reldiff.session")
    assert current(two) is None
    assert len(events(two, session)) == 0


def test_p21_session_that_was_left_behind(pooler, item, role):
    """What another role finds on a connection is of no use to it."""
    stranger = role("stranger")
    pool = pooler(size=1)
    one, two = pool.connect(), pool.connect()
    session, = one.execute("select event.session_create(attach => false)::text").fetchone()
    one.execute("select event.subscribe_table('item')")
    item.execute("update item set v = 1")
    cursor = events(one, session)[0]["cursor"]
    calls = ["select * from event.events()", "select event.feed(event.session_current())", "select * from event.diff()",
             f"select event.ack('{cursor}')", "select event.subscribe_table('item')", "select event.unsubscribe_all()",
             f"select event.session_use('{session}')", f"select event.session_attach('{session}')"]
    for call in calls:
        with pytest.raises(errors.InsufficientPrivilege), two.transaction():
            two.execute(f"set local role {stranger}")
            assert current(two) == session
            two.execute(call)
    with two.transaction():
        two.execute(f"set local role {stranger}")
        assert two.execute("select event.session_delete()").fetchone() == (False,)
    assert len(events(item, session)) == 6


# (statement, whether the session that it follows is current after it)
CLEARING = [("commit", True), ("rollback", False), ("rollback to s; commit", False), ("release s; commit", True),
            ("commit; reset reldiff.session", False), ("commit; discard all", False), ("commit; reset all", False),
            ("commit; set reldiff.session = ''", False), ("commit; discard plans", True)]


@pytest.mark.parametrize("pooled", [False, True], ids=["alone", "pooled"])
@pytest.mark.parametrize("end, stays", CLEARING)
def test_current_session_is_a_setting(connect, pooler, item, pooled, end, stays):
    """It follows its transaction, savepoints and the commands that reset settings; one that was there before comes back."""
    client = pooler(size=1).connect() if pooled else connect()
    before, after = new_session(item), new_session(item)
    for first in (None, before):
        client.execute("reset reldiff.session")
        if first:
            client.execute("select event.session_use(%s)", (first,))
        client.execute("begin")
        client.execute("savepoint s")
        client.execute("select event.session_use(%s)", (after,))
        assert current(client) == after
        for statement in end.split("; "):
            client.execute(statement)
        cleared = "reset" in end or "all" in end or "set " in end
        assert current(client) == (after if stays else None if cleared else first)


def test_listening_beside_a_pooler(connect, pooler, item):
    """As it is meant: one connection of its own LISTENs, everything else goes through the pooler."""
    pool = pooler(size=2)
    client = pool.connect()
    session, = client.execute("select event.session_create(attach => false)::text").fetchone()
    client.execute("select event.subscribe_table('item', session_id => %s)", (session,))
    listener = Listener(connect()).listen(session)
    with pool.connect() as writer, writer.transaction():
        writer.execute("update item set v = 1 where id = 'a'")
        writer.execute("delete from item where id = 'b'")
    heard = [parse(text) for _, text in listener.payloads()]
    assert heard == events(client, session) and len(heard) == 2
