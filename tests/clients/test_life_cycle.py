"""CREATE and DROP EXTENSION, two-phase commit, killed writers, and the commit lock."""

import threading

import psycopg
import pytest
from psycopg import errors

from wire import Listener, events, inbox, new_session

ITEM = "create table item (id integer primary key, v text)"


@pytest.fixture
def item(connect):
    connection = connect()
    connection.execute(ITEM)
    return connection


@pytest.mark.parametrize("statements", [
    ["create table untracked (id integer)", "insert into untracked values (1)"],
    ["insert into other values (1, 'tracked, but nobody gets it')"],
    ["savepoint s", "insert into item values (1, 'rolled back')", "rollback to s", "insert into other values (2, 'x')"],
], ids=["untracked", "unmatched", "rolled_back"])
def test_prepare_without_events_is_untouched(connect, item, statements):
    session = new_session(item, "item")
    item.execute("create table other (id integer primary key, v text)")
    item.execute("select event.subscribe_row('other', 99, session_id => %s)", (session,))
    name = f"without events {item.info.dbname} {statements[0]}"[:100].replace("'", "")
    writer = connect()
    writer.execute("begin")
    for statement in statements:
        writer.execute(statement)
    writer.execute(f"prepare transaction '{name}'")
    # The backend goes on as if nothing had been.
    writer.execute("insert into item values (7, 'after')")
    item.execute(f"commit prepared '{name}'")
    assert [event["key"] for event in events(item, session)] == [{"id": 7}]


def test_p31_drop_extension_leaves_tables_writable(connect, item):
    """The triggers go along; backends that know the table keep writing to it."""
    session = new_session(item, "item")
    writer = connect()
    writer.execute("insert into item values (1, 'a')")
    assert len(inbox(item, session)) == 1
    item.execute("drop extension pg_reldiff")
    assert item.execute("select count(*) from pg_trigger where tgrelid = 'item'::regclass").fetchone() == (0,)
    assert item.execute("select count(*) from pg_namespace where nspname in ('event', 'meta')").fetchone() == (0,)
    for connection in (writer, item, connect()):
        connection.execute("insert into item values ((select max(id) + 1 from item), 'b')")
        connection.execute("update item set v = v || '!'")
    assert item.execute("select count(*) from item").fetchone() == (4,)


def test_p31_drop_extension_with_events_in_the_transaction(connect, item):
    """Changes whose log goes away in the same transaction."""
    new_session(item, "item")
    with item.transaction():
        item.execute("insert into item values (1, 'a')")
        item.execute("drop extension pg_reldiff")
        item.execute("insert into item values (2, 'b')")
    assert item.execute("select count(*) from item").fetchone() == (2,)


def test_p31_create_again_in_the_same_backend(connect, item):
    """Everything works as it did the first time, in the old backends too."""
    writer = connect()
    old = new_session(item, "item")
    writer.execute("insert into item values (1, 'a')")
    for n in range(2, 5):
        item.execute("drop extension pg_reldiff")
        writer.execute("update item set v = 'nobody hears it'")
        item.execute("create extension pg_reldiff")
        assert item.execute("select count(*) from event.session").fetchone() == (0,)
        session = new_session(item, "item")
        assert session != old
        listener = Listener(connect()).listen(session)
        writer.execute("insert into item values (%s, 'again')", (n,))
        item.execute("delete from item where id = %s", (n,))
        heard = listener.events()
        assert [(event["type"], event["key"]) for event in heard] == [("row_insert", {"id": n}), ("row_delete", {"id": n})]
        assert heard == events(item, session)


@pytest.mark.parametrize("schema", ["event", "meta"])
def test_create_extension_adopts_nothing(connect, schema):
    """It fails with a hint if one of its schemas exists, and leaves nothing behind."""
    connection = connect()
    connection.execute("drop extension pg_reldiff")
    connection.execute(f"create schema {schema}")
    with pytest.raises(errors.DuplicateSchema) as refused:
        connection.execute("create extension pg_reldiff")
    hint = refused.value.diag.message_hint
    assert schema in hint
    assert connection.execute("select nspname from pg_namespace where nspname in ('event', 'meta')").fetchall() == [(schema,)]
    # The hint can be pasted.
    connection.execute(hint)
    connection.execute("create extension pg_reldiff")


@pytest.mark.parametrize("savepoint", [False, True])
def test_p01_killed_writer_leaves_nothing(connect, item, savepoint):
    session = new_session(item, "item")
    listener = Listener(connect()).listen(session)
    writer = connect()
    writer.execute("begin")
    writer.execute("insert into item values (1, 'a')")
    if savepoint:
        writer.execute("savepoint s")
        writer.execute("insert into item values (2, 'b')")
    item.execute("select pg_terminate_backend(%s)", (writer.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        writer.execute("commit")
    while item.execute("select count(*) from pg_stat_activity where pid = %s", (writer.info.backend_pid,)).fetchone() != (0,):
        pass
    assert listener.payloads() == [] and inbox(item, session) == []
    connect().execute("insert into item values (3, 'c')")
    assert [event["key"] for event in listener.events()] == [{"id": 3}]


WAITING = "select count(*) from pg_locks where not granted and pid = %s"


def test_p19_unmatched_writer_takes_no_commit_lock(connect, item):
    """A matched writer holds the commit lock, since it waits under it for a table of ours that another one has locked."""
    session = new_session(item)
    item.execute("select event.subscribe_row('item', 1, session_id => %s)", (session,))
    item.execute("insert into item values (1, 'matched'), (2, 'not')")
    holder, unmatched, matched = connect(), connect(), connect()
    holder.execute("begin")
    holder.execute("lock table event.transaction in share mode")

    pid = matched.info.backend_pid
    writer = threading.Thread(target=lambda: matched.execute("update item set v = 'x' where id = 1"))
    writer.start()
    while item.execute(WAITING, (pid,)).fetchone() == (0,):
        assert writer.is_alive(), "nobody waits: this test proves nothing"
    held, = item.execute("""
        select count(*) from pg_locks
        where pid = %s and granted and locktype = 'object' and classid = 'pg_extension'::regclass""", (pid,)).fetchone()
    assert held == 1, "the lock that is held is not the commit lock: this test proves nothing"

    # With the commit lock it would wait for ever, and this with it.
    unmatched.execute("set lock_timeout = '60s'")
    unmatched.execute("set statement_timeout = '60s'")
    unmatched.execute("update item set v = 'x' where id = 2")
    assert inbox(item, session) == []
    holder.execute("rollback")
    writer.join()
    assert len(inbox(item, session)) == 1


def test_p17_writer_commits_while_the_extension_is_dropped(connect, item):
    """DROP EXTENSION waits for the writer, which needs what it drops: a deadlock, of which the drop can be the victim."""
    new_session(item, "item")
    writer, dropper = connect(), connect()
    writer.execute("begin")
    writer.execute("insert into item values (1, 'a')")
    # The one that looks for it is the one that fails.
    writer.execute("set local deadlock_timeout = '1h'")
    failed = []

    def drop():
        try:
            dropper.execute("drop extension pg_reldiff")
        except psycopg.Error as error:
            failed.append(error)

    thread = threading.Thread(target=drop)
    thread.start()
    while item.execute(WAITING, (dropper.info.backend_pid,)).fetchone() == (0,):
        assert thread.is_alive(), "the drop did not wait for the writer: this test proves nothing"
    try:
        writer.execute("commit")
    finally:
        writer.close()
        thread.join()
    assert item.execute("select count(*) from item").fetchone() == (1,)
    if failed:
        assert isinstance(failed[0], errors.DeadlockDetected)
        dropper.execute("drop extension pg_reldiff")
    item.execute("insert into item values (2, 'b')")


def test_p20_own_tables_cannot_be_tracked(connect, item):
    session = new_session(item)
    tables = [name for name, in item.execute(
        "select c.oid::regclass::text from pg_class c where relnamespace = 'event'::regnamespace and relkind = 'r'")]
    assert len(tables) > 5
    for table in tables:
        with pytest.raises(errors.FeatureNotSupported):
            item.execute("select event.subscribe_table(%s, session_id => %s)", (table, session))


def test_p21_a_session_is_its_owners(connect, item):
    """Another role may neither read, ack, subscribe nor delete; a made-up uuid gives the same answer."""
    item.execute("drop role if exists reldiff_stranger")
    item.execute("create role reldiff_stranger")
    session = new_session(item, "item")
    item.execute("insert into item values (1, 'a')")
    item.execute("grant select on item to reldiff_stranger")
    cursor = events(item, session)[0]["cursor"]
    stranger = connect()
    stranger.execute("set role reldiff_stranger")
    for wrong in (session, "00000000-0000-4000-8000-000000000000"):
        for call in ("select * from event.events(%s)", "select event.session_attach(%s)", "select event.session_use(%s)",
                     "select event.feed(%s)", "select * from event.diff(%s)",
                     f"select event.ack('{cursor}', %s)", "select event.subscribe_table('item', session_id => %s)"):
            with pytest.raises(errors.InsufficientPrivilege):
                stranger.execute(call, (wrong,))
        assert stranger.execute("select event.session_delete(%s)", (wrong,)).fetchone() == (False,)
    assert stranger.execute("select count(*) from event.session").fetchone() == (0,)
    assert len(events(item, session)) == 1
    stranger.execute("reset role")
    stranger.close()
    item.execute("revoke all on item from reldiff_stranger")
    item.execute("drop role reldiff_stranger")


@pytest.fixture
def reader(item):
    """A role of its own, gone with the test."""
    name = f"reader_{item.info.dbname}"
    item.execute(f"drop role if exists {name}")
    item.execute(f"create role {name}")
    yield name
    item.execute(f"drop owned by {name} cascade")
    item.execute(f"drop role {name}")


def test_p22_subscribing_needs_select(connect, item, reader):
    """On the table, or on the columns that are asked for."""
    connection = connect()
    connection.execute(f"set role {reader}")
    session = new_session(connection)
    for call in ("subscribe_table('item', session_id => %s)", "subscribe_column('item', 'v', session_id => %s)",
                 "subscribe_row('item', 1, session_id => %s)", "subscribe_field('item', 1, 'v', session_id => %s)"):
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"select event.{call}", (session,))
    item.execute(f"grant select (id, v) on item to {reader}")
    connection.execute("select event.subscribe_column('item', 'v', session_id => %s)", (session,))
    item.execute("insert into item values (1, 'a')")
    assert [event["payload"] for event in events(connection, session)] == [{"id": 1, "v": "a"}]


def test_p24_columns_without_select_appear_nowhere(connect, item, reader):
    """Neither in a notification nor in the inbox, whoever wrote and whatever was granted when."""
    item.execute("alter table item add secret text")
    item.execute(f"grant select on item to {reader}")
    connection = connect()
    connection.execute(f"set role {reader}")
    session = new_session(connection, "item")
    listener = Listener(connect()).listen(session)
    item.execute("insert into item values (1, 'a', 'before')")
    item.execute(f"revoke select on item from {reader}")
    item.execute(f"grant select (id, v) on item to {reader}")
    heard = listener.payloads()
    item.execute("insert into item values (2, 'b', 'after')")
    item.execute("update item set v = 'c', secret = 'changed'")
    heard = listener.payloads() + [(session, text) for text in inbox(connection, session)]
    assert len(heard) > 5
    for _, text in heard:
        assert not any(word in text for word in ("secret", "before", "after", "changed")), text
    rows = connection.execute("select value::text, old_value::text from event.events(%s)", (session,)).fetchall()
    assert not any("before" in str(row) or "secret" in str(row) for row in rows)


def test_p14_wrong_cursors_are_errors(connect, item):
    session = new_session(item, "item")
    item.execute("insert into item values (1, 'a')")
    cursor = events(item, session)[0]["cursor"]
    for malformed in ("", "x", cursor[:-1], cursor.upper() if cursor.upper() != cursor else "G" * 50, cursor + "0"):
        with pytest.raises(errors.InvalidTextRepresentation):
            inbox(item, session, after=malformed)
    foreign = cursor[:-8] + format(int(cursor[-8:], 16) ^ 1, "08x")
    for call in ("select count(*) from event.events(%s, %s)", "select event.feed(%s, %s)"):
        with pytest.raises(errors.InvalidCursorState) as unknown:
            item.execute(call, (session, foreign))
        assert unknown.value.diag.message_hint == "SELECT event.cursor()"
    with pytest.raises(errors.InvalidCursorState):
        item.execute("select event.ack(%s, %s)", (foreign, session))
