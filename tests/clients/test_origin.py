"""reldiff.origin: a writer calls itself something, and its events say so."""

import pytest

from wire import Listener, events, inbox, new_session


@pytest.fixture
def owner(connect):
    connection = connect()
    connection.execute("create table item (id integer primary key, v text)")
    return connection


def origins(listened: list) -> list:
    return [event.get("origin") for event in listened]


def test_events_name_their_writer(connect, owner):
    """In a notification as in the inbox, in the format full only; who says nothing is not named."""
    full, compact = new_session(owner, "item"), new_session(owner, "item", format="compact")
    listener, short = Listener(connect()).listen(full), Listener(connect()).listen(compact)
    writer = connect()
    writer.execute("insert into item values (1)")
    writer.execute("set reldiff.origin = 'tab 17'")
    writer.execute("insert into item values (2)")
    writer.execute("reset reldiff.origin")
    writer.execute("delete from item")
    heard = listener.payloads()
    assert [text for _, text in heard] == inbox(owner, full)
    assert origins(events(owner, full)) == [None, "tab 17", None, None]
    assert not any("origin" in event for event in [*short.events(), *events(owner, compact)])


def test_what_counts_is_the_commit(connect, owner):
    """A transaction has one origin, that of its end; SET LOCAL and a savepoint that is rolled back are as everywhere."""
    session = new_session(owner, "item")
    writer = connect(autocommit=False)
    writer.execute("set reldiff.origin = 'early'")
    writer.execute("insert into item values (1)")
    writer.execute("set local reldiff.origin = 'late'")
    writer.execute("savepoint s")
    writer.execute("set local reldiff.origin = 'never'")
    writer.execute("rollback to s")
    writer.commit()
    writer.execute("insert into item values (2)")
    writer.commit()
    assert origins(events(owner, session)) == ["late", "early"]


def test_any_role_may_say_it(connect, owner, role):
    session, user = new_session(owner, "item"), role("user")
    owner.execute(f"grant insert on item to {user}")
    connect(user=user, options="-c reldiff.origin=mine").execute("insert into item values (1)")
    assert origins(events(owner, session)) == ["mine"]


@pytest.mark.parametrize("value, told", [("x" * 64, "x" * 63), ("ä\n", "???"), ("\"\\'", "\"\\'"), ("", None)])
def test_no_value_fails_the_writer(connect, owner, value, told):
    """It is told as the server tells application_name: printable ASCII, as long as a name."""
    session, writer = new_session(owner, "item"), connect()
    writer.execute("select set_config('reldiff.origin', %s, false)", (value,))
    writer.execute("insert into item values (1)")
    assert origins(events(owner, session)) == [told]


def test_bytes_of_no_encoding(connect, owner):
    """What comes with the connection is not looked at by the server."""
    session, writer = new_session(owner, "item"), connect(options=b"-c reldiff.origin=a\xff\xfeb".decode("latin-1"))
    writer.execute("insert into item values (1)")
    assert origins(events(owner, session)) == ["a????b"]


def test_it_survives_a_spill(connect, owner):
    session, writer = new_session(owner, "item"), connect()
    writer.execute("load 'pg_reldiff'")
    writer.execute("set reldiff.outbox_memory = '64kB'; set reldiff.origin = 'bulk'")
    writer.execute("insert into item select n, repeat('x', 100) from generate_series(1, 2000) n")
    assert set(origins(events(owner, session))) == {"bulk"}
