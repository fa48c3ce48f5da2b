"""Who sequences: the next holder of the commit lock, before its own, where no process can be started for it."""

import itertools

import pytest
from psycopg import errors

from clusters import PrivateCluster, Standby
from patience import until
from stretches import STRETCH
from stuck import Command, Gate, no_waiting, stuck, without_places, workers
from wire import Listener, events, new_session

_numbers = itertools.count(1)

NO_WORKERS = {"fsync": "off", "max_worker_processes": "0"}


@pytest.fixture(scope="module")
def cluster():
    """No process can be started in it."""
    with PrivateCluster(NO_WORKERS) as cluster:
        yield cluster


@pytest.fixture
def dsn(cluster):
    """A database of the test's own."""
    name = cluster.new_database(f"sequencing_{next(_numbers)}", extension=True)
    yield cluster.dsn(name)
    cluster.sql(f'drop database "{name}" with (force)')


def subscribed(owner) -> str:
    """A session that watches two tables; the transaction that creates a table needs no process to track it."""
    with owner.transaction():
        for table in ("item", "place"):
            owner.execute(f"create table {table} (id integer primary key, v text)")
        session = new_session(owner, "item", "place")
    no_waiting(owner)
    return session


@pytest.fixture
def owner(connect):
    return connect()


@pytest.fixture
def session(owner):
    return subscribed(owner)


def ids(connection, session) -> list:
    return [event["key"]["id"] for event in events(connection, session)]


def insert(connection, *keys, table: str = "item") -> None:
    for key in keys:
        connection.execute(f"insert into {table} values (%s)", (key,))


def test_p08_the_next_holder_sequences_before_its_own(connect, owner, session):
    """Readers get what has a place; the next writer, of another table, tells them all at its own commit, in the right order."""
    listener = Listener(connect()).listen(session)
    writer, next_one = connect(), connect()
    with stuck(connect, "insert into item values (1)"):
        insert(writer, 2, 3)
        with writer.transaction():
            insert(writer, 5, 4)
    assert workers(owner) == [] and without_places(owner) == 3
    for _ in range(2):
        assert ids(owner, session) == [1]
        feed, = owner.execute("select event.feed(%s)", (session,)).fetchone()
        assert len(feed["events"]) == 1 and feed["has_next"] is False
        assert owner.execute("select count(*) from event.wait_events(%s, event.cursor(), timeout => '0')", (session,)).fetchone() == (0,)
    assert [event["key"]["id"] for event in listener.events()] == [1]
    insert(next_one, 6, table="place")
    assert [event["key"]["id"] for event in listener.events()] == [2, 3, 5, 4, 6]
    assert ids(owner, session) == [1, 2, 3, 5, 4, 6]
    # Once.
    insert(writer, 7)
    assert ids(owner, session) == [1, 2, 3, 5, 4, 6, 7]
    assert [event["cursor"] for event in events(owner, session)[5:]] == [events(owner, session)[5]["cursor"], *[event["cursor"] for event in listener.events()]]


def test_p09_in_flight_when_places_were_given(connect, owner, session):
    """A writer that was running then, with a smaller transaction id than one that got its place, gets its own later."""
    early, late, other = connect(autocommit=False), connect(), connect()
    insert(early, 10)
    with stuck(connect, "insert into item values (1)"):
        insert(late, 20)
    insert(other, 2)
    assert ids(owner, session) == [1, 20, 2]
    with stuck(connect, "insert into item values (3)"):
        early.commit()
        insert(late, 21)
    insert(other, 4)
    assert ids(owner, session) == [1, 20, 2, 3, 10, 21, 4]
    cursors = [event["cursor"] for event in events(owner, session)]
    assert cursors == sorted(cursors)


def test_p09_who_is_about_to_commit_is_looked_for_again(connect, owner, session):
    """A connection that has looked in vain, while one was on its way to a commit without a place, looks again."""
    slow, other = connect(), connect()
    insert(other, 1)
    with stuck(connect, "insert into item values (2)"):
        gate = Gate(connect, "event.unsequenced")
        on_its_way = Command(slow, "insert into item values (10)")
        until(lambda: gate.is_awaited_by(on_its_way.pid))
    insert(other, 3, 4)
    assert ids(owner, session) == [1, 2, 3, 4]
    gate.open()
    on_its_way.end()
    assert ids(owner, session) == [1, 2, 3, 4]
    insert(other, 5)
    assert ids(owner, session) == [1, 2, 3, 4, 10, 5]


def test_p09_a_holder_that_rolls_back_has_sequenced_nothing(connect, owner, session):
    """What a holder has sequenced, and then does not commit, still waits, and is told once."""
    listener = Listener(connect()).listen(session)
    writer, failing = connect(), connect()
    with stuck(connect, "insert into item values (1)"):
        insert(writer, 2)
    gate = Gate(connect)
    holder = Command(failing, "insert into item values (9)")
    until(lambda: gate.is_awaited_by(holder.pid))
    owner.execute("select pg_cancel_backend(%s)", (holder.pid,))
    with pytest.raises(errors.QueryCanceled):
        holder.end()
    gate.open()
    assert ids(owner, session) == [1]
    insert(writer, 3)
    assert ids(owner, session) == [event["key"]["id"] for event in listener.events()] == [1, 2, 3]


@pytest.mark.parametrize("isolation", ["repeatable", "serializable"])
def test_p08_isolation_levels(connect, owner, session, isolation):
    """A writer with an old snapshot commits without a place, and one sequences what its snapshot does not see."""
    writer, old, other = (connect(autocommit=False) for _ in range(3))
    for connection in (writer, old):
        connection.execute(f"set transaction isolation level {isolation}{' read' * (isolation == 'repeatable')}")
        connection.execute("select 1")
    insert(old, 30)
    with stuck(connect, "insert into item values (1)"):
        insert(writer, 20)
        writer.commit()
        insert(other, 21)
        other.commit()
    seen, = old.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    assert all(int(event["xid"]) >= seen for event in events(owner, session))
    old.commit()
    assert ids(owner, session) == [1, 20, 21, 30]


def test_p08_a_serializable_holder_gets_no_extra_40001(connect, owner, session):
    """Looking for what waits, and recording what has no place, are no reads and writes that depend on each other."""
    with stuck(connect, "insert into item values (1)"):
        insert(connect(), 2)
    holder, writer, third = (connect(autocommit=False) for _ in range(3))
    for connection in (holder, writer, third):
        connection.execute("set default_transaction_isolation = 'serializable'")
        connection.commit()
    # The writer reads what the third one writes, which commits first: one more such dependency, of the holder on the writer, and somebody fails.
    owner.execute("create table private (id integer primary key)")
    writer.execute("select * from private")
    insert(writer, 20)
    insert(holder, 10)
    third.execute("insert into private values (1)")
    third.commit()
    gate = Gate(connect)
    committing = Command(holder, "commit")
    until(lambda: gate.is_awaited_by(committing.pid))
    writer.commit()
    gate.open()
    committing.end()
    assert without_places(owner) == 2
    insert(owner, 3)
    assert ids(owner, session) == [1, 2, 10, 20, 3]


def test_p08_writers_that_have_waited_for_more_than_one(connect, owner, session):
    """Two serializable writers that have sequenced, or been sequenced, read and write nothing of each other's."""
    writers = [connect(autocommit=False) for _ in range(6)]
    for round in range(5):
        for n, writer in enumerate(writers):
            writer.execute("begin isolation level serializable" if round else "select 1")
            insert(writer, 100 * round + n, table=("item", "place")[n % 2])
        with stuck(connect, f"insert into item values ({100 * round + 50})"):
            for writer in writers[:3]:
                writer.commit()
        for writer in writers[3:]:
            writer.commit()
    assert ids(owner, session) == [100 * round + n for round in range(5) for n in (50, 0, 1, 2, 3, 4, 5)]


MEANWHILE = {
    "nothing": "select 1",
    "format": "select event.session_alter('{session}', format => 'compact')",
    "channel": "select event.session_alter('{session}', channel => 'elsewhere')",
    "renamed": "alter table item rename to thing",
    "a column less": "alter table item drop v",
    "dropped": "drop table item",
    "without a subscription": "select event.unsubscribe_all('{session}')",
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_p12_what_has_become_of_it_meanwhile(connect, owner, session, meanwhile):
    """The notifications say what the inbox says at the time when they are sent, as those of any other commit."""
    writer = connect()
    # The next writer has somebody to tell in any case.
    new_session(owner, "place")
    listener = Listener(connect()).listen(session).listen("elsewhere")
    with stuck(connect, "insert into place values (1)"):
        writer.execute("insert into item values (2, 'x'), (3, 'y')")
        writer.execute("update item set v = 'z' where id = 2")
    listener.events()
    owner.execute(MEANWHILE[meanwhile].format(session=session))
    insert(connect(), 9, table="place")
    heard = [{key: value for key, value in event.items() if key != "sessions"} for event in listener.events()]
    # Until then the inbox holds the first one.
    rest = events(owner, session)[1:]
    assert heard == rest
    told = [(event["relation"], event.get("key", {}).get("id"), event["type"]) for event in heard]
    if meanwhile == "dropped":
        assert told[0] == ("public.item", None, "relation_gone")
    elif meanwhile == "a column less":
        assert told[:2] == [("public.item", 2, "row_insert"), ("public.item", 3, "row_insert")]
    else:
        name = "public.thing" if meanwhile == "renamed" else "public.item"
        assert told[:3] == [(name, 2, "row_insert"), (name, 3, "row_insert"), (name, 2, "field_update")]


def test_p19_sequencing_waits_for_no_table(connect, owner, session):
    """Somebody is altering the table and does not commit: who sequences tells of it all the same, and so the commit lock is soon free."""
    writer, altering = connect(), connect(autocommit=False)
    listener = Listener(connect()).listen(session)
    with stuck(connect, "insert into item values (1)"):
        insert(writer, 2)
    altering.execute("alter table item add w integer")
    insert(writer, 9, table="place")
    assert [event["key"]["id"] for event in listener.events()] == [1, 2, 9]
    altering.rollback()
    assert ids(owner, session) == [1, 2, 9]


def test_unsequenced_of_sessions_that_are_gone(connect, owner, session):
    """Nobody hears of it, and nobody fails."""
    other = new_session(owner, "place")
    listener = Listener(connect()).listen(session)
    with stuck(connect, "insert into item values (1)"):
        insert(owner, 2)
    owner.execute("select event.session_delete(%s)", (session,))
    listener.events()
    insert(owner, 9, table="place")
    assert ids(owner, other) == [9] and listener.events() == []


def test_p12_sequenced_without_room_in_the_queue(connect, owner, session):
    """What is not notified is made up for by a nudge with the next one."""
    listener = Listener(connect()).listen(session)
    writer, full = connect(), connect()
    full.execute("load 'pg_reldiff'")
    full.execute("set reldiff.notify_queue_limit = 0")
    with stuck(connect, "insert into item values (1)"):
        insert(writer, 2, 3)
    insert(full, 4)
    assert [event["key"]["id"] for event in listener.events()] == [1]
    insert(writer, 5)
    nudge, = listener.events()
    assert (nudge["type"], nudge["count"]) == ("nudge", 4) and ids(owner, session) == [1, 2, 3, 4, 5]


@pytest.fixture
def own_cluster():
    with PrivateCluster(NO_WORKERS) as cluster:
        cluster.new_database("own", extension=True)
        yield cluster


def test_p15_unsequenced_commits_survive_a_crash(connect, own_cluster):
    """All processes are killed; afterwards a reader starts the process that gives them their places."""
    dsn = own_cluster.dsn("own")
    session = subscribed(connect(dsn))
    with stuck(lambda **options: connect(dsn, **options), "insert into item values (1)"):
        insert(connect(dsn), 2, 3)
    own_cluster.kill()
    with open(own_cluster.data / "postgresql.conf", "a") as conf:
        conf.write("max_worker_processes = 8\n")
    own_cluster.start()
    reader = connect(dsn)
    listener = Listener(connect(dsn)).listen(session)
    assert listener.events() == []
    until(lambda: ids(reader, session) == [1, 2, 3], "the process's work")
    assert [event["key"]["id"] for event in listener.events()] == [2, 3]


def test_p10_unsequenced_on_a_standby(connect, own_cluster):
    """A standby tells what has a place, and starts nothing; once promoted it gives the others theirs."""
    dsn = own_cluster.dsn("own")
    owner = connect(dsn)
    session = subscribed(owner)
    standby = Standby(own_cluster)
    standby.settings = {**own_cluster.settings, "max_worker_processes": "8"}
    with standby:
        with stuck(lambda **options: connect(dsn, **options), "insert into item values (1)"):
            insert(owner, 2, 3)
        end, = owner.execute("select pg_current_wal_flush_lsn()").fetchone()
        reader = connect(standby.dsn("own"))
        until(lambda: reader.execute("select pg_last_wal_replay_lsn() >= %s", (end,)).fetchone()[0], "the standby's replay")
        calls = ["select event::text from event.events(%s)", "select event::text from event.wait_events(%s)",
                 "select json_array_elements(event.feed(%s) -> 'events')::text"]
        for call in calls:
            assert len(reader.execute(call, (session,)).fetchall()) == 1
        assert reader.execute("select count(*) from event.unsequenced").fetchone() == (2,) and workers(reader) == []
        known = events(reader, session)
        standby.promote()
        until(lambda: ids(reader, session) == [1, 2, 3], "the process's work")
        assert events(reader, session)[0] == known[0] and len(events(reader, session, known[0]["cursor"])) == 2
        insert(reader, 4)
        assert ids(reader, session) == [1, 2, 3, 4]


def test_p09_copies_of_a_database_with_what_waits(connect):
    """What was committed without a place before the copy is found in each of them."""
    # All in one stretch of the feed: images of pages, and a copy by the WAL, would be longer.
    with PrivateCluster({**NO_WORKERS, "full_page_writes": "off"}) as cluster:
        cluster.new_database("own", extension=True)
        dsn = cluster.dsn("own")
        session = subscribed(connect(dsn))
        with stuck(lambda **options: connect(dsn, **options), "insert into item values (1)"):
            insert(connect(dsn), 2)
        cluster.sql("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'own'")
        copies = [f"copy_{n}" for n in range(4)]
        for copy in copies:
            cluster.sql(f"create database {copy} template own strategy file_copy")
        stretches = set()
        for copy in copies:
            with connect(cluster.dsn(copy)) as connection:
                # Which gives it its place, before anybody has changed anything there.
                connection.execute("select event.session_attach(%s)", (session,))
                assert ids(connection, session) == [1, 2], copy
                stretches |= set(connection.execute(f"select distinct {STRETCH.format('t')} from event.transaction t").fetchall())
    # Otherwise this shows nothing.
    assert len(stretches) < len(copies)
