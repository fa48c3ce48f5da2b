"""A writer that also writes to its own database through postgres_fdw: its two commits are one inside the other."""

import pytest

from patience import until
from stuck import LONGEST, Command, no_waiting, without_places
from wire import Listener, events, new_session

SET_UP = """
create extension postgres_fdw;
create server loopback foreign data wrapper postgres_fdw options (host '{host}', port '{port}', dbname '{dbname}');
create user mapping for current_user server loopback options (user '{user}');
create table near (id integer primary key, v text);
create table far (id integer primary key, v text);
create foreign table far_away (id integer, v text) server loopback options (table_name 'far');
create procedure load(many integer) language plpgsql as $$
begin
    for n in 1..many loop
        insert into near values (n);
        insert into far_away values (n);
        commit;
    end loop;
end $$;
"""


@pytest.fixture
def owner(connect):
    connection = connect()
    info = connection.info
    connection.execute(SET_UP.format(host=info.host, port=info.port, dbname=info.dbname, user=info.user))
    no_waiting(connection, 300)
    return connection


@pytest.fixture
def session(owner):
    return new_session(owner, "near", "far")


# What both libraries do at the beginning, and with it which of them acts first at a commit: the one that came last.
READS_FAR = "select count(*) from far_away"
LOADS_OURS = "load 'pg_reldiff'"
ORDERS = {"its commit inside ours": (READS_FAR, LOADS_OURS), "its commit before ours": (LOADS_OURS, READS_FAR)}


class Writer:
    """A connection in which both libraries have begun in this order."""

    def __init__(self, connect, order: str):
        self.connection = connect(autocommit=False)
        for command in ORDERS[order]:
            self.connection.execute(command)
        self.connection.commit()

    def run(self, owner, command: str) -> None:
        """Does not wait for ever for what would never end: neither side knows that it waits for itself."""
        running = Command(self.connection, command)
        try:
            until(lambda: not running.is_running(), f"the end of {command}", LONGEST)
        except AssertionError:
            owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid = %s or application_name = 'postgres_fdw'", (running.pid,))
            raise
        running.end()


def told(connection, session) -> list:
    return sorted((event["relation"], event["key"]["id"], event["type"]) for event in events(connection, session))


@pytest.mark.parametrize("order", ORDERS)
def test_p17_loopback(connect, owner, session, order):
    """Both commit, and both are told, once each; where the other one's commit is inside ours, it has no place until ours has ended."""
    listener = Listener(connect()).listen(session)
    writer = Writer(connect, order)
    for n in (1, 2):
        writer.connection.execute("insert into near values (%s, 'near')", (n,))
        writer.connection.execute("insert into far_away values (%s, 'far')", (n,))
        writer.connection.execute("update far_away set v = 'farther' where id = %s", (n,))
        writer.run(owner, "commit")
    wanted = sorted((f"public.{table}", n, type) for n in (1, 2)
                    for table, type in [("near", "row_insert"), ("far", "row_insert"), ("far", "field_update")])
    until(lambda: len(events(owner, session)) >= len(wanted))
    assert told(owner, session) == wanted
    heard = []
    until(lambda: heard.extend(listener.events()) or len(heard) >= len(wanted))
    assert heard == events(owner, session)
    first = [event["relation"] for event in heard if event["key"]["id"] == 1]
    if order == "its commit inside ours":
        assert first == ["public.near", "public.far", "public.far"] and without_places(owner) == 2
    else:
        assert first == ["public.far", "public.far", "public.near"] and without_places(owner) == 0
    # Whatever the wait was, the commit lock is free.
    owner.execute("insert into near values (3)")
    assert told(owner, session)[-1] == ("public.near", 3, "row_insert")


@pytest.mark.parametrize("order", ORDERS)
def test_p17_loopback_from_a_procedure(connect, owner, session, order):
    """COMMIT inside PL/pgSQL, again and again."""
    writer = Writer(connect, order)
    writer.connection.autocommit = True
    no_waiting(owner)
    writer.run(owner, "call load(5)")
    until(lambda: len(events(owner, session)) >= 10)
    assert told(owner, session) == sorted((f"public.{table}", n, "row_insert") for table in ("near", "far") for n in range(1, 6))
    assert without_places(owner) == (5 if order == "its commit inside ours" else 0)


def test_p17_loopback_of_the_same_table(connect, owner, session):
    """What the near side commits comes first, since the far side has waited for it."""
    writer = Writer(connect, "its commit inside ours")
    owner.execute("insert into far select generate_series(1, 3)")
    writer.connection.execute("insert into far values (10, 'near')")
    writer.connection.execute("update far_away set v = 'far' where id <= 3")
    writer.run(owner, "commit")
    until(lambda: len(events(owner, session)) >= 7)
    assert [(event["type"], event["key"]["id"]) for event in events(owner, session)[3:]] == [
        ("row_insert", 10), ("field_update", 1), ("field_update", 2), ("field_update", 3)]


def test_p17_loopback_from_a_trigger(connect, owner, session):
    """One statement in a transaction of its own, which loads both libraries."""
    owner.execute("create function pass_on() returns trigger language plpgsql as $$ begin insert into far_away values (new.id, new.v); return null; end $$")
    owner.execute("create trigger pass_on after insert on near for each row execute function pass_on()")
    writer = connect()
    for n in range(2):
        Command(writer, f"insert into near values ({n})").end()
    until(lambda: len(events(owner, session)) >= 4)
    assert told(owner, session) == sorted((f"public.{table}", n, "row_insert") for table in ("near", "far") for n in range(2))
