"""P7: short changes share a row of the log, and nothing of that is seen by who reads them."""

import pytest

import log
from replay import enough
from wire import new_session

TABLES = """
create table item (id integer primary key, v text, n integer);
create table other (id integer primary key, v text, n integer);
insert into item select n, 'short', 0 from generate_series(1, 2000) n;
insert into other select n, 'short', 0 from generate_series(1, 2000) n;
"""
READ = "select cursor, type, relation::text, (key ->> 'id')::integer, column_name, md5(value::text) from event.events(%s, %s, %s)"


@pytest.fixture
def item(connect):
    owner = connect()
    owner.execute(TABLES)
    return owner


def in_pages(connection, session: str, size: int) -> list:
    """All events, each page from the last cursor of the one before it."""
    read, after = [], None
    while page := connection.execute(READ, (session, after, size)).fetchall():
        assert len(page) <= size
        read += page
        after = page[-1][0]
    return read


def found_by_the_last(rows: list) -> None:
    """Each row is found by its last change, and none of the same set begins before the one in front of it has ended."""
    ends = {}
    for number, order, length, changes in rows:
        assert changes == sorted(changes) and changes[-1] == order
        assert number not in ends or ends[number] < changes[0]
        ends[number] = order
        assert length <= log.MOST_BYTES or len(changes) == 1


def test_p07_short_changes_share_a_row(item):
    new_session(item, "item", notify="off")
    item.execute("update item set n = 1")
    rows = log.rows(item)
    found_by_the_last(rows)
    assert sum(len(changes) for _, _, _, changes in rows) == 2000
    # None takes more than 120 bytes.
    assert len(rows) <= 2000 * 120 / log.MOST_BYTES


def test_p07_pages_begin_anywhere_in_a_row(item):
    """Two relations, two sets of recipients in turn, long values in between: pages of any size give the same."""
    everything, some = new_session(item, "item", "other", notify="off"), new_session(item, notify="off")
    for key in range(3, 91, 3):
        item.execute("select event.subscribe_row('item', %s, session_id => %s)", (key, some))
    expected = []

    def update(relation: str, column: str, value: str, low: int, high: int) -> None:
        item.execute(f"update {relation} set {column} = %s where id between %s and %s", (value, low, high))
        expected.append((f"public.{relation}", column, set(range(low, high + 1))))

    with item.transaction():
        for value in ("1", "2"):
            update("item", "n", value, 1, 90)
            update("other", "n", value, 1, 50)
            update("item", "v", value * 3000, 20, 29)
            update("item", "n", value + "0", 1, 90)
            update("item", "v", "short " + value, 22, 70)
    rows = log.rows(item)
    found_by_the_last(rows)
    several, long = sum(len(changes) > 1 for _, _, _, changes in rows), sum(length > log.MOST_BYTES for _, _, length, _ in rows)
    enough({"rows of several": several, "long rows": long}, {"rows of several": 10, "long rows": 20})
    for session, told in ((everything, expected), (some, only_some(expected))):
        whole = in_pages(item, session, 100_000)
        # The rows of a statement have no order among themselves.
        groups = iter(whole)
        for relation, column, ids in told:
            group = [next(groups) for _ in ids]
            assert {(kind, table, name) for _, kind, table, _, name, _ in group} == {("field_update", relation, column)}
            assert {id for _, _, _, id, _, _ in group} == ids
        assert next(groups, None) is None
        for size in (1, 2, 3, 7, 50):
            assert in_pages(item, session, size) == whole


def only_some(expected: list) -> list:
    told = [(relation, column, {id for id in ids if id % 3 == 0}) for relation, column, ids in expected if relation == "public.item"]
    return [one for one in told if one[2]]


@pytest.mark.parametrize("memory", ["64kB", "64MB"])
def test_p07_changes_that_triggers_make_meanwhile(item, memory):
    """A trigger's changes come after all of its statement, though both came to the log in turn."""
    session = new_session(item, "item", notify="off")
    item.execute("insert into item select n from generate_series(3001, 3010) n")
    item.execute("load 'pg_reldiff'")
    item.execute(f"set reldiff.outbox_memory = '{memory}'")
    item.execute("""
        create function note() returns trigger language plpgsql as $$
        begin
            update item set n = new.id where id = 3001 + new.id % 10;
            return null;
        end $$;
        create trigger a_note after update on item for each row when (new.id <= 2000) execute function note()""")
    after, = item.execute("select event.cursor()").fetchone()
    with item.transaction():
        item.execute("update item set n = 1 where id <= 2000")
        early = log.logged(item)
        item.execute("update item set n = 2 where id <= 10")
    assert early == 0 if memory == "64MB" else early > 1000
    found_by_the_last(log.rows(item))
    query = "select (key ->> 'id')::integer, (value #>> '{}')::integer from event.events(%s, %s, 100000)"
    told = item.execute(query, (session, after)).fetchall()
    for count in (2000, 10):
        statement, inner = told[:count], told[count:2 * count]
        told = told[2 * count:]
        assert {id for id, _ in statement} == set(range(1, count + 1))
        # In the order in which the statement changed its rows.
        assert inner == [(3001 + id % 10, id) for id, _ in statement]
    assert told == []


def test_p07_two_tables_in_one_command(item):
    """The parts of a statement have one command, and their changes may come in turn."""
    session = new_session(item, "item", "other", notify="off")
    item.execute("with changed as (update item set n = 1 where id <= 100 returning id) "
                 "update other set n = 1 from changed where other.id = changed.id")
    found_by_the_last(log.rows(item))
    told = item.execute("select relation, (key ->> 'id')::integer from event.events(%s)", (session,)).fetchall()
    assert len(told) == 200
    assert set(told) == {(f"public.{table}", id) for table in ("item", "other") for id in range(1, 101)}


@pytest.mark.parametrize("count", [999, 1000, 1001, 1010])
def test_p07_what_is_read_at_a_time_ends_in_the_last_row(item, count):
    """A thousand changes of a set are read at a time."""
    session = new_session(item, "item", notify="off")
    item.execute("update item set n = 1 where id <= %s", (count,))
    told = item.execute("select (key ->> 'id')::integer from event.events(%s, null, 100000)", (session,)).fetchall()
    assert len(told) == count and {id for id, in told} == set(range(1, count + 1))


def test_p07_hundreds_of_sets_in_turn(item):
    """Rows of so many sets do not wait for more changes until the end of the statement."""
    sessions = [new_session(item, notify="off") for _ in range(150)]
    for number, session in enumerate(sessions):
        for key in (number + 1, number + 151):
            item.execute("select event.subscribe_row('item', %s, session_id => %s)", (key, session))
    item.execute("update item set n = id")
    rows = log.rows(item)
    found_by_the_last(rows)
    assert {len(changes) for _, _, _, changes in rows} == {1} and len(rows) == 300
    for number, session in enumerate(sessions):
        told = item.execute("select (key ->> 'id')::integer from event.events(%s)", (session,)).fetchall()
        assert told == [(number + 1,), (number + 151,)]


def test_p07_rows_at_the_bounds_of_memory(connect):
    """What is read at a time, of ten sets of recipients together, ends within rows of two changes each."""
    tables, rows = [f"t{n}" for n in range(10)], 1000
    owner = connect()
    for table in tables:
        owner.execute(f"create table {table} (id integer primary key, v text)")
        owner.execute(f"insert into {table} select n from generate_series(1, {rows}) n")
        new_session(owner, table, notify="off")
    session = new_session(owner, *tables, notify="off")
    with owner.transaction():
        for table in tables:
            owner.execute(f"update {table} set v = repeat('x', 800)")
    stored = log.rows(owner)
    assert max(len(changes) for _, _, _, changes in stored) == 2
    enough({"rows of two": sum(len(changes) == 2 for _, _, _, changes in stored)}, {"rows of two": 4900})
    assert len({number for number, _, _, _ in stored}) == len(tables)
    told = owner.execute("select relation, (key ->> 'id')::integer from event.events(%s, null, 100000)", (session,)).fetchall()
    assert len(told) == len(tables) * rows
    assert set(told) == {(f"public.{table}", id) for table in tables for id in range(1, rows + 1)}
