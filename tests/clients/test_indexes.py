"""What an administrator does to the indexes of the extension's own tables: writers do not notice, and readers find everything."""

import pytest

from patience import until
from stuck import Command
from wire import events, new_session

INDEXES = "select count(*) from pg_index where indrelid = 'event.transaction_0'::regclass and {}"


@pytest.fixture
def admin(connect):
    connection = connect()
    connection.execute("create table t (id integer primary key)")
    return connection


def test_p17_index_that_is_not_ready(connect, admin):
    """REINDEX CONCURRENTLY has made it, and waits for a transaction before it fills it."""
    session, writer, locker = new_session(admin, "t"), connect(), connect()
    locker.execute("begin; lock table event.transaction_0 in row exclusive mode")
    reindex = Command(connect(), "reindex table concurrently event.transaction_0")
    until(lambda: admin.execute(INDEXES.format("not indisready")).fetchone()[0] > 0, "the new index")
    writer.execute("insert into t values (1)")
    locker.execute("rollback")
    reindex.end()
    writer.execute("insert into t values (2)")
    assert [event["key"]["id"] for event in events(admin, session)] == [1, 2]
    assert admin.execute(INDEXES.format("not (indisvalid and indisready)")).fetchone() == (0,)


def answers(admin, query: str, index: str) -> list:
    """What the query answers without the index, and from it alone."""
    found = []
    admin.execute("vacuum event.transaction_0")
    admin.execute("set enable_bitmapscan = off")
    for with_index in (False, True):
        admin.execute(f"set enable_seqscan = {not with_index}")
        plan = str(admin.execute(f"explain {query}").fetchall())
        assert (f"Index Only Scan using {index}" in plan) == with_index, plan
        found.append(admin.execute(query).fetchall())
    return found


def test_p17_index_that_includes_columns(connect, admin):
    """It has their values, too."""
    new_session(admin, "t")
    admin.execute("create index including on event.transaction_0 (epoch) include (nonce, xid)")
    for n in range(5):
        connect().execute("insert into t values (%s)", (n,))
    without, through = answers(admin, "select nonce, xid from event.transaction_0 where epoch = 1 order by 2", "including")
    assert without == through and len(without) == 5


@pytest.mark.parametrize("columns", ["(relation) include (changes)", "(changes)"])
def test_p17_index_of_values_of_any_length(connect, admin, columns):
    """It has no entries: one that is too long for it would make a writer fail."""
    admin.execute("create table note (id integer primary key, value text)")
    session = new_session(admin, "note")
    admin.execute(f"create index long on event.log_0 {columns}")
    writer = connect()
    writer.execute("insert into note select n, repeat(chr(97 + n % 26), 10 + n % 50) from generate_series(1, 3000) n")
    # Nothing that can be compressed.
    writer.execute("insert into note select 0, string_agg(gen_random_uuid()::text, '') from generate_series(1, 1000)")
    assert [event["key"]["id"] for event in events(admin, session)] == [*range(1, 3001), 0]


def test_p17_index_of_the_rows_in_which_a_column_is_true(connect, admin):
    """It has those, and no others."""
    new_session(admin, "t")
    admin.execute("create index ahead on event.transaction_0 (nonce, xid) where leads")
    for n in range(10):
        connect().execute("insert into t values (%s)", (n,))
    without, through = answers(admin, "select nonce, xid from event.transaction_0 where leads order by 2", "ahead")
    assert without == through and 0 < len(without) < 10


def test_p17_predicate_that_raises(connect, admin):
    """It is the administrator's own, and no writer computes it."""
    admin.execute("create function f(integer) returns boolean immutable language sql return true")
    session = new_session(admin, "t")
    admin.execute("create index own on event.transaction_0 (xid) where f(1)")
    admin.execute("create or replace function f(integer) returns boolean immutable language plpgsql as $$ begin raise 'computed'; end $$")
    connect().execute("insert into t values (1)")
    assert [event["key"]["id"] for event in events(admin, session)] == [1]


@pytest.mark.parametrize("index", ["(left(acknowledged, 16))", "(acknowledged)", "(session_id) where acknowledged < 'x'"])
def test_p17_index_of_what_is_acknowledged(admin, index):
    """An acknowledgement makes no entry in it: it would have to compute, or store, what somebody else has thought of."""
    session = new_session(admin, "t")
    admin.execute(f"create index own on event.session_position {index}")
    size = admin.execute("select pg_relation_size('event.own')").fetchone()
    for n in range(300):
        admin.execute("insert into t values (%s)", (n,))
        (event,) = events(admin, session)
        assert event["key"]["id"] == n
        admin.execute("select event.ack(%s, %s)", (event["cursor"], session))
    assert admin.execute("select pg_relation_size('event.own')").fetchone() == size
    assert admin.execute("select count(*) from event.session_position where session_id = %s", (session,)).fetchone() == (1,)


@pytest.mark.parametrize(("break_it", "mend_it"), [
    ("alter index event.log_0_xid_set_id_command_arrival_idx rename to away", "alter index event.away rename to log_0_xid_set_id_command_arrival_idx"),
    ("alter index event.segment_number rename to away", "alter index event.away rename to segment_number"),
    ("alter schema event rename to away", "alter schema away rename to event"),
])
def test_p17_what_cannot_be_recorded_warns(connect, admin, break_it, mend_it):
    """No writer fails, and each of their transactions is told so once."""
    session = new_session(admin, "t")
    insert = "insert into t values (%s), (%s + 100)"
    admin.execute(insert, (1, 1))
    admin.execute(break_it)
    writer, warnings = connect(autocommit=False), []
    writer.add_notice_handler(lambda notice: warnings.append((notice.severity_nonlocalized, notice.sqlstate, notice.message_hint)))
    for n in (2, 3):
        writer.execute(insert, (n, n))
        writer.execute("update t set id = id + 1000 where id = %s", (n,))
        writer.commit()
    assert warnings == [("WARNING", "55000", "ALTER EXTENSION pg_reldiff UPDATE")] * 2
    admin.execute(mend_it)
    writer.execute(insert, (4, 4))
    writer.commit()
    assert len(warnings) == 2
    assert [event["key"]["id"] for event in events(admin, session)] == [1, 101, 4, 104]


def read(reader, session) -> list:
    """By several calls, which give the same; what the session has been told first is acknowledged."""
    feed, = reader.execute("select event.feed(%s) -> 'events'", (session,)).fetchone()
    told = [event["key"]["id"] for event in feed]
    for call in ("events", "wait_events"):
        assert [event["key"]["id"] for event, in reader.execute(f"select event from event.{call}(%s)", (session,))] == told
    reader.execute("select event.ack(%s, %s)", (feed[0]["cursor"], session))
    return told


def test_p17_reindexed_beside_those_who_know_the_indexes(connect, admin):
    """Readers and writers that have used them before go on, and so does who is in the middle of a transaction."""
    session, reader, writer = new_session(admin, "t"), connect(), connect()
    writer.execute("insert into t values (1), (2), (3)")
    assert read(reader, session) == [1, 2, 3]
    # A set of recipients that the writer will look for.
    admin.execute("select event.subscribe_row('t', 1, session_id => %s)", (new_session(admin),))
    writer.execute("begin; insert into t values (4)")
    # It will write to the log at its commit, and has locked nothing yet.
    for name in ("recipient_set", "recipient_set_member", "transaction", "transaction_set", "unsequenced", "log"):
        admin.execute(f"reindex table concurrently event.{name}_0")
    writer.execute("delete from t where id = 1")
    writer.execute("commit")
    assert read(reader, session) == [2, 3, 4, 1]
    admin.execute("reindex schema concurrently event")
    writer.execute("insert into t values (5)")
    assert read(reader, session) == [3, 4, 1, 5]


def test_p17_reindexed_while_a_statement_runs(connect, admin):
    """Its first look at the subscriptions comes when the index that it knows has been dropped."""
    session, writer, gate, old = new_session(admin), connect(), connect(), connect()
    admin.execute("select event.subscribe_row('t', 1, session_id => %s)", (session,))
    writer.execute("insert into t values (1), (2)")
    writer.execute("delete from t where id = 2")
    gate.execute("select pg_advisory_lock(1)")
    # Who has an older snapshot is waited for; the writer's is to be newer.
    old.execute("begin isolation level repeatable read; select 1")
    reindex = Command(connect(), "reindex index concurrently event.subscription_row_key")
    waits = "select from pg_stat_activity where wait_event = %s"
    until(lambda: admin.execute(waits, ("virtualxid",)).fetchall(), "the end of the older snapshot")
    admin.execute("select pg_current_xact_id()")
    delete = Command(writer, "delete from t where id = 1 and pg_advisory_lock(1)::text = ''")
    until(lambda: admin.execute(waits, ("advisory",)).fetchall(), "the writer")
    old.execute("rollback")
    reindex.end()
    gate.execute("select pg_advisory_unlock(1)")
    delete.end()
    assert [(event["type"], event["key"]["id"]) for event in events(admin, session)] == [("row_delete", 1)]
