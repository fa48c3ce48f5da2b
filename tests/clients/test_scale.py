"""Big transactions: memory is bounded, the log gets what is not undone, and each session hears what it should."""

import itertools
from pathlib import Path

import pytest

import log
from wire import Listener, events, inbox, new_session

MEGABYTE = 1024
# Old and new value of a row take more than a kilobyte: without a bound the smaller of the statements would need
# 200 MB for its events.
TABLE = """
create table {name} (id integer primary key, v text, n integer);
insert into {name} select n, repeat(md5(n::text), 16), 0 from generate_series(1, {rows}) n;
vacuum {name};
"""
UPDATE = "update {name} set v = reverse(v), n = n + 1"
BOUND = 48 * MEGABYTE


def peak(connection) -> dict:
    """Kilobytes: the most that the backend has had, and how much of it is memory that all backends share."""
    pid = connection.info.backend_pid
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    kilobytes = {name: int(status[name].split()[0]) for name in ("VmHWM", "RssShmem")}
    return {"whole": kilobytes["VmHWM"], "own": kilobytes["VmHWM"] - kilobytes["RssShmem"]}


def grown(connect, statement: str) -> dict:
    """By how much a statement makes a fresh backend grow."""
    connection = connect()
    connection.execute("select 1")
    before = peak(connection)
    connection.execute(statement)
    after = peak(connection)
    connection.close()
    return {name: after[name] - before[name] for name in before}


def pages(connection, session: str):
    """(events, keys, sum of n, last cursor) of each page, whose cursors ascend."""
    cursor = None
    while True:
        count, keys, total, ascending, last = connection.execute(
            "select count(*), count(distinct key ->> 'id'), sum((value #>> '{}')::integer) filter (where column_name = 'n'), "
            "bool_and(cursor > before), max(cursor) from "
            "(select *, lag(cursor, 1, coalesce(%(after)s, '')) over () as before from event.events(%(session)s, %(after)s, 100000)) e",
            {"session": session, "after": cursor}).fetchone()
        if not count:
            return
        assert ascending
        cursor = last
        yield count, keys, total, cursor


def tables(owner, rows: int) -> None:
    """`item`, and `plain`, which has a trigger that does nothing."""
    for name in ("plain", "item"):
        for part in TABLE.format(name=name, rows=rows).strip().splitlines():
            owner.execute(part)
    owner.execute("create function nothing() returns trigger language plpgsql as $$ begin return null; end $$")
    owner.execute("create trigger nothing after update on plain for each row execute function nothing()")


@pytest.mark.parametrize("rows", [200_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_p18_memory_of_a_statement(connect, rows):
    """A statement's events are not held in memory; the server's own queue of triggers is."""
    owner = connect()
    tables(owner, rows)
    queue = grown(connect, UPDATE.format(name="plain"))

    session = new_session(owner, "item")
    listener = Listener(connect()).listen(session)
    ours = grown(connect, UPDATE.format(name="item"))
    print(f"{rows} rows, kB: an empty trigger {queue}, ours {ours}")
    # With the pages of the log that are in the server's shared memory; and without them.
    assert ours["whole"] - queue["whole"] < 256 * MEGABYTE
    assert ours["own"] - queue["own"] < BOUND

    nudge, = listener.events()
    assert (nudge["type"], nudge["count"]) == ("nudge", 2 * rows)
    counts = list(pages(owner, session))
    assert sum(count for count, _, _, _ in counts) == 2 * rows
    # Both fields of each row, together.
    assert sum(keys for _, keys, _, _ in counts) == rows
    assert sum(total for _, _, total, _ in counts) == rows
    cursor = counts[-1][3]
    assert nudge["cursor"] == cursor
    assert owner.execute("select event.ack(%s, %s)", (counts[0][3], session)).fetchone() == (2 * rows - counts[0][0],)
    assert owner.execute("select event.ack(%s, %s)", (cursor, session)).fetchone() == (0,)


BLOCKS = """
do $$
begin
    for i in 1..{rows} loop
        begin
            update {name} set v = reverse(v), n = n + 1 where id = i;
        exception when division_by_zero then
        end;
    end loop;
end $$
"""


def test_p18_memory_of_many_blocks(connect):
    """A subtransaction for each row: what each leaves to the transaction is little, all of it is not."""
    owner, rows = connect(), 100_000
    tables(owner, rows)
    queue = grown(connect, BLOCKS.format(name="plain", rows=rows))
    session = new_session(owner, "item")
    listener = Listener(connect()).listen(session)
    ours = grown(connect, BLOCKS.format(name="item", rows=rows))
    print(f"{rows} blocks, kB: an empty trigger {queue}, ours {ours}")
    assert ours["own"] - queue["own"] < BOUND
    nudge, = listener.events()
    assert nudge["count"] == 2 * rows == sum(count for count, _, _, _ in pages(owner, session))


COMMITS = """
do $$
declare
    used bigint[];
begin
    for i in 1..5000 loop
        update item set n = n + 1 where id = 1;
        commit;
        if i in (1000, 5000) then
            used := used || (select sum(used_bytes)::bigint from pg_backend_memory_contexts);
            commit;
        end if;
    end loop;
    perform set_config('test.grown', (used[2] - used[1])::text, false);
end $$
"""


def test_p18_memory_of_many_commits(connect, item):
    """What each transaction of a procedure leaves to the next one is nothing."""
    session, writer = new_session(item, "item"), connect()
    writer.execute(COMMITS)
    grown, = writer.execute("select current_setting('test.grown')::integer").fetchone()
    assert grown < 128 * 1024
    assert len(events(item, session)) == 5000


@pytest.fixture
def item(connect):
    """Rows 1 to 2,000."""
    owner = connect()
    owner.execute("create table item (id integer primary key, v text, n integer)")
    owner.execute("insert into item select n, repeat('x', 100), 0 from generate_series(1, 2000) n")
    return owner


@pytest.fixture
def writer(connect):
    connection = connect()
    connection.execute("load 'pg_reldiff'")
    connection.execute("set reldiff.outbox_memory = '64kB'")
    return connection


def logged(connection) -> int:
    """How many changes of the running transaction are in the log already."""
    return log.logged(connection, "xid = pg_current_xact_id()")


def update(connection, value: int, low: int, high: int) -> None:
    connection.execute("update item set n = %s where id between %s and %s", (value, low, high))


def told(owner, session: str) -> list:
    """The updates: each statement's value and its rows, which have no order among themselves."""
    rows = owner.execute("select (value #>> '{}')::integer, (key ->> 'id')::integer from event.events(%s, null, 1000000) "
                         "where type = 'field_update' and column_name = 'n'", (session,))
    return [(value, sorted(id for _, id in group)) for value, group in itertools.groupby(rows, lambda row: row[0])]


def rows(value: int, low: int, high: int) -> tuple:
    return value, list(range(low, high + 1))


def closed(owner, session: str) -> tuple:
    """(events, the number of the only one with `last`, its cursor): to validate thousands of payloads would take long."""
    return owner.execute("select max(n), sum(n) filter (where last), max(cursor) filter (where last) from (select row_number() over () as n, "
                         "cursor, event -> 'last' is not null as last from event.events(%s, null, 1000000)) e", (session,)).fetchone()


def size(expected: list) -> int:
    return sum(len(ids) for _, ids in expected)


@pytest.mark.parametrize("before", [10, 1500])
@pytest.mark.parametrize("after", [0, 10, 1500])
def test_p01_rolled_back_savepoint_that_has_been_logged(item, writer, before, after):
    """Nothing is left of it, neither for readers nor in the log."""
    session = new_session(item, "item", notify="off")
    with writer.transaction():
        update(writer, 1, 1, before)
        early = logged(writer)
        writer.execute("savepoint a")
        update(writer, 2, 1, 2000)
        assert logged(writer) - early > 100
        writer.execute("savepoint b")
        update(writer, 3, 1, 2000)
        writer.execute("rollback to a")
        assert logged(writer) == early
        if after:
            update(writer, 4, 1, after)
    expected = [rows(1, 1, before)] + [rows(4, 1, after)] * (after > 0)
    assert told(item, session) == expected
    # Few changes are with their transaction, without a row in the log.
    in_log = log.logged(item)
    assert in_log == size(expected) or (in_log == 0 and size(expected) < 50)


def test_p01_all_that_was_logged_is_rolled_back(connect, item, writer):
    """A transaction that keeps nothing of its changes is none, for readers, listeners and later transactions."""
    session = new_session(item, "item")
    listener = Listener(connect()).listen(session)
    with writer.transaction():
        writer.execute("savepoint a")
        update(writer, 2, 1, 2000)
        assert logged(writer) > 100
        writer.execute("rollback to a")
    with writer.transaction(force_rollback=True):
        update(writer, 3, 1, 2000)
        assert logged(writer) > 100
    assert listener.payloads() == [] and inbox(item, session) == []
    assert item.execute("select (select count(*) from event.log), (select count(*) from event.transaction)").fetchone() == (0, 0)
    update(writer, 4, 7, 7)
    assert [event["payload"] for event in listener.events()] == [{"n": 4}]


def test_p01_released_savepoints_that_have_been_logged(connect, item, writer):
    """What is released stays, in its order, whichever parts of it were logged early."""
    session = new_session(item, "item")
    listener = Listener(connect()).listen(session)
    with writer.transaction():
        update(writer, 1, 1, 5)
        writer.execute("savepoint a")
        update(writer, 2, 1, 1500)
        writer.execute("savepoint b")
        update(writer, 3, 1, 1500)
        writer.execute("release b")
        update(writer, 4, 1, 5)
        writer.execute("savepoint c")
        update(writer, 5, 1, 1000)
        writer.execute("rollback to c")
        writer.execute("release a")
        assert logged(writer) > 100
        update(writer, 6, 1, 5)
    expected = [rows(1, 1, 5), rows(2, 1, 1500), rows(3, 1, 1500), rows(4, 1, 5), rows(6, 1, 5)]
    assert told(item, session) == expected
    count, last, cursor = closed(item, session)
    assert count == last == size(expected)
    nudge, = listener.events()
    assert (nudge["type"], nudge["count"], nudge["cursor"]) == ("nudge", count, cursor)
    assert log.logged(item) == size(expected)


def test_p01_released_and_then_rolled_back(item, writer):
    """A savepoint's changes are logged, it is released, and the one around it is rolled back."""
    session = new_session(item, "item")
    with writer.transaction():
        update(writer, 1, 1, 5)
        writer.execute("savepoint a")
        update(writer, 2, 1, 2000)
        writer.execute("savepoint b")
        update(writer, 3, 1, 2000)
        writer.execute("release b")
        writer.execute("rollback to a")
        assert logged(writer) == 0
        update(writer, 4, 1, 5)
    assert told(item, session) == [rows(1, 1, 5), rows(4, 1, 5)]


@pytest.mark.parametrize("memory", ["64kB", "8MB"])
def test_p18_many_exception_blocks(item, writer, memory):
    """20,000 blocks, every fourth of which is undone."""
    writer.execute(f"set reldiff.outbox_memory = '{memory}'")
    session = new_session(item, "item", notify="off")
    writer.execute("""
        do $$
        begin
            for i in 1..20000 loop
                begin
                    update item set n = i where id = i % 2000 + 1;
                    if i % 4 = 0 then
                        raise exception 'undone';
                    end if;
                exception when raise_exception then
                end;
            end loop;
        end $$""")
    assert told(item, session) == [(i, [i % 2000 + 1]) for i in range(1, 20001) if i % 4]


def test_p07_order_of_what_was_logged_early(item, writer):
    """Commands in their order and deletes first, though their parts came to the log at different times."""
    session = new_session(item, "item", notify="off")
    item.execute("alter table item drop constraint item_pkey, add primary key (id) deferrable")
    with writer.transaction():
        writer.execute("update item set id = id + 1")
        assert logged(writer) > 100
        writer.execute("update item set id = id - 1")
        writer.execute("delete from item where id > 10")
        writer.execute("truncate item")
        writer.execute("insert into item (id) select generate_series(1, 1000)")
    ids, commands = set(range(1, 2001)), []
    for kind, id in item.execute("select type, (key ->> 'id')::integer from event.events(%s, null, 1000000)", (session,)):
        if not commands or commands[-1] != kind:
            commands.append(kind)
        if kind == "row_insert":
            assert id not in ids
            ids.add(id)
        elif kind == "row_delete":
            ids.remove(id)
        else:
            assert kind == "truncate"
            ids.clear()
    assert ids == set(range(1, 1001))
    assert commands == ["row_delete", "row_insert", "row_delete", "row_insert", "row_delete", "truncate", "row_insert"]


@pytest.mark.parametrize("memory", ["64kB", "8MB"])
def test_p07_few_events_of_a_huge_transaction(connect, item, writer, memory):
    """A session that hears of one row of thousands: each event for itself, `last` on its last, in order."""
    writer.execute(f"set reldiff.outbox_memory = '{memory}'")
    all_of_it, one = new_session(item, "item"), new_session(item)
    item.execute("select event.subscribe_row('item', 7, session_id => %s)", (one,))
    listener = Listener(connect()).listen(one)
    with writer.transaction():
        update(writer, 1, 7, 7)
        update(writer, 2, 1, 2000)
        writer.execute("update item set v = 'x', n = 3 where id between 7 and 1500")
        writer.execute("savepoint a")
        update(writer, 4, 1, 2000)
        writer.execute("rollback to a")
        update(writer, 5, 1, 2000)
        # More that does not concern it.
        update(writer, 6, 8, 2000)
    heard = listener.events()
    assert [event["payload"] for event in heard] == [{"n": 1}, {"n": 2}, {"v": "x"}, {"n": 3}, {"n": 5}]
    assert [event.get("last") for event in heard] == [None] * 4 + [True]
    cursors = [event["cursor"] for event in heard]
    assert cursors == sorted(set(cursors))
    assert events(item, one) == heard
    count, last, _ = closed(item, all_of_it)
    assert count == last == 1 + 2000 + 2 * 1494 + 2000 + 1993
    # One transaction, one place: the same event has the same cursor for both.
    of_both = item.execute("select cursor from event.events(%s, null, 1000000) where key ->> 'id' = '7'", (all_of_it,))
    assert [cursor for cursor, in of_both] == cursors


def test_p07_last_is_of_the_whole_transaction(connect, item, writer):
    """The last event of one session was logged early, that of the other was not."""
    first, last = new_session(item), new_session(item)
    item.execute("select event.subscribe_row('item', 1, session_id => %s)", (first,))
    item.execute("select event.subscribe_row('item', 2000, session_id => %s)", (last,))
    everything = new_session(item, "item", notify="nudge")
    listener = Listener(connect()).listen(first).listen(last).listen(everything)
    with writer.transaction():
        update(writer, 1, 1, 1000)
        update(writer, 2, 1, 1000)
        update(writer, 3, 2, 2000)
    texts = listener.payloads()
    by_channel = {channel: [text for heard_on, text in texts if heard_on == channel] for channel in (first, last, everything)}
    assert by_channel[first] == inbox(item, first) and len(by_channel[first]) == 2
    assert by_channel[last] == inbox(item, last) and len(by_channel[last]) == 1
    assert len(by_channel[everything]) == 1
    for session, events_of_it in ((first, 2), (last, 1), (everything, 1000 + 1000 + 1999)):
        assert closed(item, session)[:2] == (events_of_it, events_of_it)
