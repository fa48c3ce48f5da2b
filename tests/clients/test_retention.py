"""Retention: old events go as a whole segment, and whoever has lost some hears so; whoever has not, does not."""

import threading
import time
from contextlib import suppress
from functools import partial

import psycopg
import pytest
from psycopg import errors

from load import in_threads
from wire import Listener, events, inbox, new_session, parse

# The shortest that can be set, in seconds.
RETENTION = 1


@pytest.fixture
def admin(connect):
    """A table, and no maintenance but the test's."""
    connection = connect()
    connection.execute(f"alter database {connection.info.dbname} set reldiff.retention = '{RETENTION}s'")
    connection.execute(f"alter database {connection.info.dbname} set reldiff.maintenance_interval = 0")
    connection.execute("create table item (id integer primary key, v text)")
    return connect()


def insert(connection, *ids) -> None:
    connection.execute("insert into item select unnest(%s::integer[])", (list(ids),))


def outlive(admin) -> None:
    """All that has been committed by now is older than the retention, and maintenance has been done."""
    time.sleep(RETENTION + 0.1)
    admin.execute("select event.maintain()")


def told(connection, session, after=None) -> list:
    """What the inbox holds: keys, and types of what has none."""
    return [event["key"]["id"] if "key" in event else event["type"] for event in events(connection, session, after)]


def last_cursor(connection, session) -> str:
    return events(connection, session)[-1]["cursor"]


def segments(admin) -> tuple:
    """How many there are, and how many have been removed."""
    removed, = admin.execute("select coalesce(max(number), -1) + 1 from event.removed_segment").fetchone()
    return (*admin.execute("select count(*) from event.segment where number >= %s", (removed,)).fetchone(), removed)


def test_p14_overflow_instead_of_what_was_lost(connect, admin):
    """A reader that passed no cursor gets one overflow first, then what is left; it is over when it is acknowledged."""
    session = new_session(admin, "item")
    insert(admin, 1, 2)
    lost = events(admin, session)
    outlive(admin)
    insert(admin, 3)
    overflow, left = events(admin, session)
    assert (overflow["type"], overflow["last"], overflow["resume"]) == ("overflow", True, overflow["cursor"])
    assert lost[-1]["cursor"] < overflow["cursor"] < left["cursor"] and left["key"] == {"id": 3}
    row = admin.execute("select type, relation, key, column_name, value, old_value, subscription_type, xid, at is not null, cursor from event.events(%s)",
                        (session,)).fetchone()
    assert row == ("overflow", None, None, None, None, None, None, None, True, overflow["cursor"])
    feed, = admin.execute("select event.feed(%s, null, 1)::text", (session,)).fetchone()
    assert feed == '{"events":[' + inbox(admin, session)[0] + '],"cursor":"' + overflow["cursor"] + '","has_next":true}'
    assert [line for line, in admin.execute("select * from event.diff(%s)", (session,))] == ["! overflow", '+ public.item 3  {"id":3,"v":null}']
    # From the place that it names nothing is missing.
    assert told(admin, session, overflow["resume"]) == [3]
    assert admin.execute("select event.ack(%s, %s)", (overflow["cursor"], session)).fetchone() == (1,)
    assert told(admin, session) == [3]


def test_p14_expired_cursor_is_an_error(admin):
    """A cursor behind which something was lost is 24000 for events, feed, diff, wait_events and events_of, the beginning included."""
    session, other = new_session(admin, "item"), new_session(admin, "item")
    beginning, = admin.execute("select event.cursor()").fetchone()
    insert(admin, 1)
    first = last_cursor(admin, session)
    insert(admin, 2)
    outlive(admin)
    calls = ["select event.events(%s, %s)", "select event.feed(%s, %s)", "select event.diff(%s, %s)", "select event.wait_events(%s, %s)"]
    for cursor in (beginning, first):
        for call in calls:
            with pytest.raises(errors.InvalidCursorState) as raised:
                admin.execute(call, (session, cursor))
            assert raised.value.diag.message_hint == "SELECT event.cursor()"
        with pytest.raises(errors.InvalidCursorState):
            admin.execute("select event.events_of(array[%s, %s]::uuid[], %s)", (session, other, cursor))
    with pytest.raises(errors.InvalidCursorState):
        admin.execute("select event.cursor(now() - interval '1 day')")
    # The newest position is a cursor, although its transaction is gone.
    newest, = admin.execute("select event.cursor()").fetchone()
    assert told(admin, session, newest) == []
    insert(admin, 3)
    assert told(admin, session, newest) == [3]


def test_the_last_event_is_one_of_several_fields(admin):
    """The cursor of a session's last event stays good, that of an earlier field of the same row does not."""
    session, column = new_session(admin, "item"), new_session(admin)
    admin.execute("alter table item add w text")
    admin.execute("select event.subscribe_column('item', 'v', session_id => %s)", (column,))
    insert(admin, 1)
    admin.execute("update item set v = 'x', w = 'y'")
    cursors = [event["cursor"] for event in events(admin, session)]
    assert len(cursors) == 3 and last_cursor(admin, column) == cursors[1]
    outlive(admin)
    insert(admin, 2)
    assert told(admin, session, cursors[2]) == told(admin, column, cursors[1]) == [2]
    with pytest.raises(errors.InvalidCursorState):
        events(admin, session, cursors[1])


def test_the_last_event_of_a_quiet_session(admin):
    session = new_session(admin)
    admin.execute("select event.subscribe_row('item', 1, session_id => %s)", (session,))
    everything = new_session(admin, "item")
    insert(admin, 1, 2)
    admin.execute("update item set v = 'x'")
    last = last_cursor(admin, session)
    admin.execute("select event.ack(%s, %s)", (last, session))
    for n in range(3):
        outlive(admin)
        insert(admin, n + 10)
    assert segments(admin)[1] >= 2
    assert told(admin, session, last) == told(admin, session) == []
    assert told(admin, everything)[0] == "overflow"
    admin.execute("update item set v = 'y' where id = 1")
    assert told(admin, session, last) == told(admin, session) == [1]


def test_a_snapshot_that_is_older_than_the_removal(connect, admin):
    """What was removed looks empty to an older snapshot: its reader hears of the loss all the same."""
    session = new_session(admin, "item")
    insert(admin, 1)
    cursor = last_cursor(admin, session)
    insert(admin, 2)
    reader, passing = connect(autocommit=False), connect(autocommit=False)
    for connection in (reader, passing):
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("select 1")
    # One that has read already, and keeps nobody from removing what it read.
    assert told(reader, session) == [1, 2]
    outlive(admin)
    insert(admin, 3)
    assert told(reader, session) == ["overflow"]
    with pytest.raises(errors.InvalidCursorState):
        events(passing, session, cursor)


def test_a_long_transaction_keeps_its_segment(connect, admin):
    """It is written to until its end: so it is neither closed nor removed, its events are not lost, and they come where it committed."""
    session = new_session(admin, "item")
    admin.execute(f"alter database {admin.info.dbname} set reldiff.outbox_memory = '64kB'")
    writer = connect(autocommit=False)
    writer.execute("insert into item select s, repeat('x', 100) from generate_series(1001, 3000) s")
    assert writer.execute("select count(*) > 0 from event.log").fetchone() == (True,)
    insert(admin, 1)
    for n in range(3):
        outlive(admin)
        insert(admin, n + 2)
    # The first one is held, and with it those after it: the oldest goes first.
    assert segments(admin) == (4, 0)
    cursor = last_cursor(admin, session)
    writer.commit()
    insert(admin, 9)
    assert told(admin, session, cursor) == [*range(1001, 3001), 9]
    assert told(admin, session) == [1, 2, 3, 4, *range(1001, 3001), 9]
    outlive(admin)
    assert told(admin, session) == ["overflow"]


def test_a_savepoint_that_is_rolled_back_holds_nothing(connect, admin):
    """What it had written is gone, and so is its hold on the segment: the transaction goes on in the one that is written to now."""
    session = new_session(admin, "item")
    admin.execute(f"alter database {admin.info.dbname} set reldiff.outbox_memory = '64kB'")
    insert(admin, 1)
    writer = connect(autocommit=False)
    writer.execute("savepoint s")
    writer.execute("insert into item select s, repeat('x', 100) from generate_series(1001, 3000) s")
    writer.execute("rollback to s")
    outlive(admin)
    assert segments(admin) == (1, 1)
    writer.execute("insert into item select s, repeat('x', 100) from generate_series(1001, 3000) s")
    writer.execute("savepoint t")
    writer.execute("insert into item select s, repeat('x', 100) from generate_series(3001, 5000) s")
    writer.execute("release t")
    outlive(admin)
    writer.commit()
    assert told(admin, session) == ["overflow", *range(1001, 5001)]


ANEW = """
savepoint s; drop extension pg_reldiff; create extension pg_reldiff; select event.session_create(); select event.subscribe_table('item');
insert into item select s, repeat('x', 100) from generate_series(4001, 6000) s; rollback to s
"""


@pytest.mark.parametrize("change", ["", ANEW], ids=["reindexed", "made-anew"])
def test_p01_a_long_transaction_keeps_its_segment_whatever_is_looked_up(connect, admin, change):
    """What it writes later is in the same one as what it has written before: its place tells readers where that is."""
    session = new_session(admin, "item")
    admin.execute(f"alter database {admin.info.dbname} set reldiff.outbox_memory = '64kB'")
    insert(admin, 1)
    writer = connect(autocommit=False)
    writer.execute("insert into item select s, repeat('x', 100) from generate_series(1001, 3000) s")
    next_segment(admin)
    admin.execute("reindex table concurrently event.inbox_size")
    if change:
        writer.execute(change)
    insert(writer, 2)
    writer.execute("savepoint t")
    insert(writer, 3)
    writer.execute("rollback to t")
    insert(writer, 4)
    writer.commit()
    assert told(admin, session) == [1, *range(1001, 3001), 2, 4]


def next_segment(admin) -> None:
    """What was written to until now is closed, and nothing is removed yet."""
    admin.execute(f"alter database {admin.info.dbname} set reldiff.retention = '{2 * RETENTION}s'")
    time.sleep(RETENTION + 0.1)
    admin.execute("select event.maintain()")
    assert segments(admin) == (2, 0)


def test_p09_a_writer_whose_look_at_the_segments_was_cancelled(connect, admin):
    """It looks again: else it would write to a segment that is closed, which no reader looks into any more."""
    session = new_session(admin, "item")
    writer, other, locker = connect(), connect(), connect(autocommit=False)
    insert(writer, 1)
    next_segment(admin)
    insert(other, 2)
    cursor = last_cursor(admin, session)
    locker.execute("lock table event.segment in access exclusive mode")
    writer.execute("set statement_timeout = '300ms'")
    with pytest.raises(errors.QueryCanceled):
        writer.execute("select event.events(%s)", (session,))
    locker.rollback()
    writer.execute("reset statement_timeout")
    insert(writer, 3)
    assert told(admin, session, cursor) == [3]


@pytest.mark.parametrize("change", ["analyze event.session_definition", "select event.session_alter('{session}', name => 'x')", "create schema elsewhere"])
def test_p09_a_writer_that_looks_for_our_tables_anew(connect, admin, change):
    """What it hears meanwhile of a new segment is not forgotten."""
    session = new_session(admin, "item")
    admin.execute("create table fresh (id integer)")
    writer, other = connect(autocommit=False), connect()
    insert(writer, 1)
    writer.commit()
    insert(writer, 2)
    other.execute(change.format(session=session))
    writer.execute("select count(*) from fresh")
    next_segment(admin)
    insert(other, 3)
    cursor = last_cursor(admin, session)
    writer.commit()
    insert(writer, 4)
    writer.commit()
    assert told(admin, session, cursor) == [2, 4]


@pytest.mark.parametrize("call", ["select event.cursor()", "select event.cursor(clock_timestamp())"])
def test_p11_cursor_of_a_snapshot_that_is_older_than_the_removal(connect, admin, call):
    """It is of the snapshot, as a copy is that is loaded with it, or an error; never of what the snapshot does not see."""
    session = new_session(admin, "item")
    insert(admin, 1)
    outlive(admin)
    reader = connect(autocommit=False)
    reader.execute("set transaction isolation level repeatable read")
    before = reader.execute(call).fetchone()
    assert before == admin.execute("select event.cursor()").fetchone()
    insert(admin, 2)
    outlive(admin)
    if "clock" in call:
        with pytest.raises(errors.InvalidCursorState):
            reader.execute(call)
    else:
        assert reader.execute(call).fetchone() == before
    with pytest.raises(errors.InvalidCursorState):
        told(admin, session, before[0])


def test_who_could_be_told_no_more_has_lost_nothing(connect, admin, role):
    """What is recorded and may not be read, or is of a column that is gone, is not lost."""
    bob = role("bob")
    admin.execute("alter table item add w text, add x text")
    admin.execute(f"grant select on item to {bob}")
    reader = connect(user=bob)
    session = new_session(reader, "item")
    admin.execute(f"revoke select on item from {bob}")
    admin.execute(f"grant select (id, v) on item to {bob}")
    owner = new_session(admin, "item")
    insert(admin, 1)
    admin.execute("update item set v = 'v', w = 'w'")
    last = events(reader, session)[-1]
    assert last["column"] == "v"
    admin.execute("update item set x = 'x'")
    admin.execute("alter table item drop x")
    for connection, inbox_of in ((reader, session), (admin, owner)):
        connection.execute("select event.ack(%s, %s)", (last_cursor(connection, inbox_of), inbox_of))
        assert told(connection, inbox_of) == []
    outlive(admin)
    assert told(reader, session) == told(admin, owner) == []


def test_the_extension_is_made_anew_in_a_transaction_that_has_written(connect, admin):
    """What it had written is gone with the old one. It does not fail."""
    admin.execute(f"alter database {admin.info.dbname} set reldiff.outbox_memory = '64kB'")
    new_session(admin, "item")
    writer = connect(autocommit=False)
    writer.execute("insert into item select s, repeat('x', 100) from generate_series(1001, 3000) s")
    writer.execute("drop extension pg_reldiff")
    writer.execute("create extension pg_reldiff")
    writer.commit()
    assert admin.execute("select count(*) from item").fetchone() == (2000,)
    assert told(admin, new_session(admin)) == []


def test_a_session_that_attaches_hears_of_the_loss(connect, admin):
    session = new_session(admin, "item")
    insert(admin, 1)
    outlive(admin)
    insert(admin, 2)
    listener = Listener(connect())
    assert listener.connection.execute("select event.session_attach(%s)", (session,)).fetchone() == (2,)
    assert [text for _, text in listener.payloads()] == inbox(admin, session)
    rows = admin.execute("select session_id::text, (change).type from event.events_of(array[%s]::uuid[])", (session,)).fetchall()
    assert rows == [(session, "overflow"), (session, "row_insert")]


def test_writers_have_it_done(connect, admin):
    """Without event.maintain(): a background process that a commit starts."""
    session = new_session(admin, "item")
    admin.execute(f"alter database {admin.info.dbname} set reldiff.maintenance_interval = '100ms'")
    writer, deadline, n = connect(), time.monotonic() + 30, 0
    while segments(admin)[1] < 2:
        assert time.monotonic() < deadline
        insert(writer, n := n + 1)
        time.sleep(0.02)
    assert told(admin, session)[0] == "overflow"


def test_for_ever(admin):
    """0 keeps everything."""
    admin.execute(f"alter database {admin.info.dbname} set reldiff.retention = 0")
    session = new_session(admin, "item")
    insert(admin, 1)
    outlive(admin)
    assert segments(admin) == (1, 0)
    assert told(admin, session) == [1]


def test_who_may_have_it_done(connect, admin, role):
    eve = connect(user=role("eve"))
    with pytest.raises(errors.InsufficientPrivilege):
        eve.execute("select event.maintain()")
    with pytest.raises(errors.ReadOnlySqlTransaction):
        connect(options="-c default_transaction_read_only=on").execute("select event.maintain()")


def test_sessions_go_with_it(admin):
    """Those whose time is over, with what says what they have lost."""
    session, = admin.execute("select event.session_create(ttl => '1s', attach => false)::text").fetchone()
    admin.execute("select event.subscribe_table('item', session_id => %s)", (session,))
    insert(admin, 1)
    outlive(admin)
    assert admin.execute("select count(*) from event.session").fetchone() == (0,)
    assert admin.execute("select count(*) from event.lost_event").fetchone() == (0,)


def test_no_process_is_free(connect, admin, taken_processes):
    """An error says so; a writer does not mind."""
    taken_processes()
    with pytest.raises(errors.ConfigurationLimitExceeded) as raised:
        admin.execute("select event.maintain()")
    assert raised.value.diag.message_primary == "no background process was free for the maintenance"
    assert raised.value.diag.message_detail == "It runs in a background process, and max_worker_processes are running."
    assert raised.value.diag.message_hint == "SHOW max_worker_processes"
    session = new_session(admin)
    admin.execute(f"alter database {admin.info.dbname} set reldiff.maintenance_interval = '1ms'")
    writer = connect()
    time.sleep(0.01)
    insert(writer, 1)
    insert(writer, 2)
    assert told(admin, session) == []


# At least so much happens in the race below.
LEAST_SEGMENTS, LEAST_LOSSES, LEAST_EVENTS = 6, 4, 500


def test_p14_nothing_is_lost_in_silence(dsn, connect, admin):
    """Segments come and go under writers and readers: each reader sees every event in order, or hears that it has lost some."""
    over, deadline = threading.Event(), time.monotonic() + 60
    counts = {"events": 0, "losses": 0}
    sessions = [new_session(admin, "item") for _ in range(4)]
    admin.execute("create sequence number")

    def write(name):
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not over.is_set():
                with connection.transaction():
                    connection.execute("insert into item select nextval('number'), %s from generate_series(1, 3)", (name,))
                time.sleep(0.01)

    def maintain():
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not over.is_set():
                connection.execute("select event.maintain()")
                time.sleep(0.05)
                enough = segments(connection)[1] >= LEAST_SEGMENTS and counts["losses"] >= LEAST_LOSSES
                if enough or time.monotonic() > deadline:
                    over.set()

    def read(session, passes, pause):
        """All inserts that are visible after a loss, and each one from then on, in order."""
        seen, cursor = [], None
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not over.is_set():
                try:
                    rows = connection.execute("select cursor, type, (key ->> 'id')::integer from event.events(%s, %s, 50)",
                                              (session, cursor if passes else None)).fetchall()
                except errors.InvalidCursorState:
                    cursor, = connection.execute("select event.cursor()").fetchone()
                    counts["losses"] += 1
                    seen.append(None)
                    continue
                for cursor, kind, key in rows:
                    if kind == "overflow":
                        counts["losses"] += 1
                        seen.append(None)
                    else:
                        seen.append(key)
                if rows and not passes:
                    # It can have expired just now; then the next read says what was lost.
                    with suppress(errors.InvalidCursorState):
                        connection.execute("select event.ack(%s, %s)", (cursor, session))
                time.sleep(pause)
        parts.append(seen)

    order = new_session(admin, "item")

    def watch():
        """The order of all events, by one who never falls behind."""
        cursor = None
        with psycopg.connect(dsn, autocommit=True) as connection:
            while True:
                was_over = over.is_set()
                rows = connection.execute("select cursor, (key ->> 'id')::integer from event.events(%s, %s)", (order, cursor)).fetchall()
                whole.extend(key for _, key in rows)
                cursor = rows[-1][0] if rows else cursor
                if was_over:
                    return
                time.sleep(0.01)

    whole, parts = [], []
    readers = [partial(read, session, n % 2 == 0, (0.01, 0.01, 1.9, 2.3)[n]) for n, session in enumerate(sessions)]
    in_threads(maintain, watch, *readers, *(partial(write, name) for name in "abc"))
    place = {key: at for at, key in enumerate(whole)}
    assert len(place) == len(whole)
    for seen in parts:
        before, has_lost = None, True
        for key in seen:
            if key is None:
                has_lost = True
                continue
            counts["events"] += 1
            at = place[key]
            assert before is None or at == before + 1 or (has_lost and at > before), (key, whole[before:at + 1])
            before, has_lost = at, False
    print(f"{len(whole)} events, {counts['events']} read, {counts['losses']} losses, {segments(admin)} segments")
    assert counts["events"] >= LEAST_EVENTS and counts["losses"] >= LEAST_LOSSES and segments(admin)[1] >= LEAST_SEGMENTS
