"""Quotas: an inbox that holds too much is emptied, its owner is told, and no writer notices."""

import pytest
from psycopg import errors

from waiters import Waiter
from wire import Listener, events, new_session, parse


@pytest.fixture
def admin(connect):
    """A table, and no maintenance but the test's."""
    connection = connect()
    connection.execute(f"alter database {connection.info.dbname} set reldiff.maintenance_interval = 0")
    connection.execute("create table item (id integer primary key, v text)")
    return connection


def limit(admin, **quotas) -> None:
    for name, value in quotas.items():
        admin.execute(f"alter database {admin.info.dbname} set reldiff.{name}_per_session = {value}")


def insert(connection, first: int, last: int, value: str = None) -> None:
    connection.execute("insert into item select n, %s from generate_series(%s::integer, %s::integer) n", (value, first, last))


def types(connection, session, after=None) -> list:
    return [event["type"] for event in events(connection, session, after)]


def test_p16_events(connect, admin):
    """One event more than the quota, and all that the inbox holds is gone: overflow, then what comes later."""
    limit(admin, events=10)
    session = new_session(admin, "item")
    insert(admin, 1, 4)
    insert(admin, 5, 10)
    admin.execute("select event.maintain()")
    assert types(admin, session) == ["row_insert"] * 10
    cursors = [event["cursor"] for event in events(admin, session)]
    insert(admin, 11, 11)
    admin.execute("select event.maintain()")
    newest, = admin.execute("select event.cursor()").fetchone()
    overflow, = events(admin, session)
    assert (overflow["type"], overflow["resume"]) == ("overflow", newest)
    for cursor in (cursors[0], cursors[-1]):
        with pytest.raises(errors.InvalidCursorState):
            events(admin, session, cursor)
    insert(admin, 12, 12)
    assert types(admin, session) == ["overflow", "row_insert"]
    assert types(admin, session, overflow["cursor"]) == ["row_insert"]
    # The overflow counts, as an event that it is.
    insert(admin, 13, 20)
    admin.execute("select event.maintain()")
    assert types(admin, session) == ["overflow"] + ["row_insert"] * 9
    insert(admin, 21, 21)
    admin.execute("select event.maintain()")
    again, = events(admin, session)
    assert again["type"] == "overflow" and again["resume"] > overflow["resume"]


def test_p16_what_is_acknowledged_does_not_count(admin):
    """However much comes in; nor does what others get."""
    limit(admin, events=10)
    keeps_up, others = new_session(admin, "item"), new_session(admin)
    admin.execute("select event.subscribe_row('item', 7, session_id => %s)", (others,))
    for n in range(0, 60, 10):
        insert(admin, n + 1, n + 10)
        admin.execute("update item set v = %s where id = 7", (str(n),))
        admin.execute("select event.ack(%s, %s)", (events(admin, keeps_up)[-2]["cursor"], keeps_up))
        admin.execute("select event.maintain()")
    assert types(admin, keeps_up) == ["field_update"]
    assert types(admin, others) == ["field_update"] * 6


def test_p16_fields_are_events(admin):
    """Each field of an update is one for whom it concerns, and none for others."""
    limit(admin, events=10)
    admin.execute("alter table item add w text")
    insert(admin, 1, 6)
    whole, column = new_session(admin, "item"), new_session(admin)
    admin.execute("select event.subscribe_column('item', 'v', session_id => %s)", (column,))
    admin.execute("update item set v = 'x', w = 'y'")
    admin.execute("select event.maintain()")
    assert types(admin, whole) == ["overflow"]
    assert types(admin, column) == ["field_update"] * 6


def test_p16_bytes(admin):
    """Of keys and values: five of 2,000 characters are more than 8 kB, five of 100 are not."""
    limit(admin, bytes="'8kB'")
    insert(admin, 1, 10)
    short, long = new_session(admin), new_session(admin)
    admin.execute("select event.subscribe_row('item', n, session_id => %s) from generate_series(1, 5) n", (short,))
    admin.execute("select event.subscribe_row('item', n, session_id => %s) from generate_series(6, 10) n", (long,))
    admin.execute("update item set v = repeat('x', case when id <= 5 then 100 else 2000 end)")
    admin.execute("select event.maintain()")
    assert types(admin, short) == ["field_update"] * 5
    assert types(admin, long) == ["overflow"]


def test_a_bulk_change_counts(admin):
    """What is in the log counts as what is in the transaction's own row."""
    limit(admin, events=1000)
    session, enough = new_session(admin, "item"), new_session(admin)
    admin.execute("select event.subscribe_row('item', 7, session_id => %s)", (enough,))
    insert(admin, 1, 1001)
    admin.execute("delete from item where id = 7")
    admin.execute("select event.maintain()")
    assert types(admin, session) == ["overflow"]
    assert types(admin, enough) == ["row_delete"]


def test_it_is_told_at_once(connect, admin):
    """A nudge on the session's channel, and whoever waits is woken."""
    limit(admin, events=1)
    session, shared = new_session(admin, "item"), new_session(admin, "item", channel="all")
    off = new_session(admin, "item", notify="off")
    insert(admin, 1, 2)
    listener = Listener(connect()).listen(session).listen("all").listen(off)
    waiter = Waiter(admin.info.dsn, session)
    waiter.cursor = events(admin, session)[-1]["cursor"]
    waiter.send()
    admin.execute("select event.maintain()")
    newest, = admin.execute("select event.cursor()").fetchone()
    heard = dict(listener.payloads())
    assert {channel: parse(text) for channel, text in heard.items()} == {
        session: {"type": "nudge", "cursor": newest, "count": 1},
        "all": {"type": "nudge", "cursor": newest, "count": 1, "sessions": [shared]}}
    # It had passed a cursor behind which nothing was lost but by the quota.
    with pytest.raises(errors.InvalidCursorState):
        waiter.ids()
    waiter.connection.close()


def test_quotas_that_come_and_go(admin):
    """What came before the quota counts; without one nothing is counted."""
    session = new_session(admin, "item")
    insert(admin, 1, 5)
    admin.execute("select event.maintain()")
    assert admin.execute("select count(*) from event.inbox_size").fetchone() == (0,)
    limit(admin, events=5)
    admin.execute("select event.maintain()")
    assert admin.execute("select events from event.inbox_size").fetchall() == [(5,)]
    limit(admin, events=0)
    insert(admin, 6, 9)
    admin.execute("select event.maintain()")
    assert admin.execute("select count(*) from event.inbox_size").fetchone() == (0,)
    assert types(admin, session) == ["row_insert"] * 9
    limit(admin, events=8)
    admin.execute("select event.maintain()")
    assert types(admin, session) == ["overflow"]
    admin.execute("select event.session_delete(%s)", (session,))
    assert admin.execute("select count(*) from event.inbox_size").fetchone() == (0,)


def test_a_quota_that_is_lowered(admin):
    """It holds for inboxes to which nothing comes any more, too."""
    limit(admin, events=100)
    session = new_session(admin, "item")
    insert(admin, 1, 50)
    admin.execute("select event.maintain()")
    assert types(admin, session) == ["row_insert"] * 50
    limit(admin, events=10)
    admin.execute("select event.maintain()")
    assert types(admin, session) == ["overflow"]


def test_it_waits_for_nobody(connect, admin):
    """Not for who alters a table, nor for who is acknowledging; the next run does what was left."""
    limit(admin, events=2)
    session = new_session(admin, "item")
    insert(admin, 1, 3)
    altering, acknowledging = connect(autocommit=False), connect(autocommit=False)
    altering.execute("alter table item add w text")
    # It would wait for itself, and nobody would see that.
    altering.execute("set statement_timeout = '10s'")
    altering.execute("select event.maintain()")
    altering.rollback()
    acknowledging.execute("select event.ack(%s, %s)", (events(admin, session)[0]["cursor"], session))
    admin.execute("select event.maintain()")
    acknowledging.commit()
    assert types(admin, session) == ["row_insert"] * 2
    insert(admin, 4, 4)
    admin.execute("select event.maintain()")
    assert types(admin, session) == ["overflow"]
