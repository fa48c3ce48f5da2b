"""Commits that do not wait for their place: complete, in the right order, told by whoever gives them their places."""

import time

import pytest

from patience import until
from replay import Copy, Feed
from stuck import Command, database, no_waiting, stuck, without_places
from wire import Listener, events, inbox, new_session, parse

SET_UP = """
create table item (id integer primary key, v text);
create table place (id integer primary key, v text);
insert into item select n, 'item ' || n from generate_series(1, 10) n;
insert into place select n, 'place ' || n from generate_series(1, 10) n;
"""


@pytest.fixture
def owner(connect):
    connection = connect()
    connection.execute(SET_UP)
    no_waiting(connection)
    return connection


def told(connection, session) -> list:
    """The key and the value of each event."""
    return [(event["key"]["id"], event.get("payload", {}).get("v")) for event in events(connection, session)]


class Audience:
    """Sessions of all kinds, and one connection that hears them all."""

    def __init__(self, connect, owner):
        self.owner = owner
        both = ("item", "place")
        self.payload = {"full": new_session(owner, *both), "compact": new_session(owner, *both, format="compact"),
                        "column": new_session(owner), "row": new_session(owner, format="compact"), "field": new_session(owner)}
        owner.execute("select event.subscribe_column('item', 'v', session_id => %s)", (self.payload["column"],))
        owner.execute("select event.subscribe_row('item', 1, session_id => %s)", (self.payload["row"],))
        owner.execute("select event.subscribe_field('place', 2, 'v', session_id => %s)", (self.payload["field"],))
        self.nudge = new_session(owner, *both, notify="nudge")
        self.off = new_session(owner, *both, notify="off")
        self.shared = [new_session(owner, "item", channel="news"), new_session(owner, "item", channel="news")]
        self.all = [*self.payload.values(), self.nudge, self.off, *self.shared]
        self.listener = Listener(connect()).listen("news")
        for session in self.all:
            self.listener.listen(session)
        self.heard = []

    def hear(self) -> list:
        """All (channel, text) that have come by now."""
        self.heard += self.listener.payloads()
        return self.heard

    def on(self, channel: str) -> list:
        return [text for at, text in self.heard if at == channel]


def is_last_of_row(text: str, xid: str) -> bool:
    event = parse(text)
    return event.get("xid") == xid and event.get("last", False)


# Settings of the database, and commands of the transaction that commits without a place.
SHAPES = {
    "one row": ({}, ["update item set v = 'x' where id = 1"]),
    "nothing but an insert": ({}, ["insert into item values (20, null)"]),
    "several rows": ({}, ["update item set v = v || '!'"]),
    "several relations": ({}, ["update item set v = 'x' where id = 1", "delete from place where id = 2", "update item set v = 'y' where id = 1"]),
    "spilled": ({"reldiff.outbox_memory": "64kB", "reldiff.notify_limit": 0, "reldiff.notify_bytes": "10MB"},
                ["insert into item select n, repeat('x', 400) from generate_series(1001, 1300) n", "savepoint s", "delete from item where id > 1200",
                 "rollback to s", "update item set v = 'short' where id in (1, 1001, 1300)"]),
    "truncated payload": ({}, ["update item set v = repeat('x', 9000) where id = 1", "update item set v = 'y' where id = 2"]),
    "truncate": ({}, ["truncate place", "insert into place values (1, 'x')"]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_p08_unsequenced_is_told_whole_and_behind_the_holder(connect, owner, shape):
    """Nobody writes or reads after the holder has gone; the sessions hear what is in their inboxes, nothing before its time."""
    settings, commands = SHAPES[shape]
    for name, value in settings.items():
        database(owner, name, value)
    audience = Audience(connect, owner)
    copies = [Copy(f"public.{table}", ["id"]).start(owner) for table in ("item", "place")]
    writer = connect()
    with stuck(connect, "insert into item values (100, 'holder')"):
        writer.execute("set reldiff.origin = 'me'")
        with writer.transaction():
            xid, = writer.execute("select pg_current_xact_id()::text").fetchone()
            for command in commands:
                writer.execute(command)
            spilled, = writer.execute("select count(*) > 0 from event.log").fetchone()
            assert spilled == (shape == "spilled")
        assert without_places(owner) == 1
        for session in audience.all:
            assert inbox(owner, session) == []
        assert audience.hear() == []
    until(lambda: audience.hear() and is_last_of_row(audience.on(audience.payload["full"])[-1], xid), "the notifications")
    audience.hear()

    for session in audience.payload.values():
        feed = events(owner, session)
        heard = [parse(text) for text in audience.on(session)]
        for event, notified in zip(feed, heard, strict=True):
            assert notified == event or notified == {**{key: event[key] for key in event if key != "payload"}, "truncated": True}
        cursors = [event["cursor"] for event in feed]
        assert cursors == sorted(set(cursors)) and all(event["last"] for event in feed[-1:])
    assert audience.on(audience.off) == []
    feed = events(owner, audience.payload["full"])
    holder, own = feed[0], feed[1:]
    assert holder["key"] == {"id": 100} and "origin" not in holder and holder["last"] is True
    # An event that tells of no row is of nobody.
    assert {(event["xid"], event["origin"]) for event in own if "key" in event} == {(xid, "me")}
    assert [event.get("last", False) for event in own] == [False] * (len(own) - 1) + [True]
    assert len({event["at"] for event in own}) == 1 and holder["at"] <= own[0]["at"]
    assert any(event.get("truncated") for event in map(parse, audience.on(audience.payload["full"]))) == (shape == "truncated payload")

    counts = [(event["type"], event["count"]) for event in map(parse, audience.on(audience.nudge))]
    assert counts == [("nudge", 1), ("nudge", len(own))]
    assert len(events(owner, audience.nudge)) == len(events(owner, audience.off)) == len(feed)
    # Each of the shared channel's texts is for both.
    shared = [event for event in map(parse, audience.on("news"))]
    assert all(set(event["sessions"]) == set(audience.shared) for event in shared)
    assert [event["cursor"] for event in shared] == [event["cursor"] for event in events(owner, audience.shared[0])]

    replay = Feed(audience.payload["full"], *copies)
    while replay.read(owner, 100):
        pass
    replay.compare(owner)


def test_unsequenced_beyond_the_limits_is_a_nudge(connect, owner):
    """What more than notify_limit events, or notify_bytes, become; the inbox has all."""
    database(owner, "reldiff.notify_limit", 3)
    session, other = new_session(owner, "item"), new_session(owner, "place")
    listener = Listener(connect()).listen(session).listen(other)
    writer = connect()
    with stuck(connect, "insert into item values (100, 'holder')"):
        writer.execute("update item set v = v || '!'")
        writer.execute("update place set v = 'x' where id < 4")
    heard = []
    until(lambda: heard.extend(listener.payloads()) or len(heard) >= 5, "the notifications")
    last = events(owner, session)[-1]["cursor"]
    by_channel = {channel: [parse(text) for at, text in heard if at == channel] for channel in (session, other)}
    assert [event["type"] for event in by_channel[session]] == ["row_insert", "nudge"]
    assert (by_channel[session][1]["count"], by_channel[session][1]["cursor"]) == (10, last)
    assert by_channel[other] == events(owner, other) and len(by_channel[other]) == 3
    assert len(events(owner, session)) == 11


def waits(connection, pid: int) -> bool:
    return bool(connection.execute("select 1 from pg_locks where pid = %s and not granted", (pid,)).fetchone())


def test_p08_two_unsequenced_writers_of_one_row(connect, owner):
    """The second one waited for the first, although it began before and has the smaller transaction id."""
    session = new_session(owner, "item")
    first, second = connect(autocommit=False), connect(autocommit=False)
    with stuck(connect, "insert into item values (100, 'holder')"):
        second.execute("insert into item values (50, 'second')")
        first.execute("update item set v = 'first' where id = 1")
        waiting = Command(second, "update item set v = 'second' where id = 1")
        until(lambda: waits(owner, waiting.pid))
        first.commit()
        waiting.end()
        second.commit()
        assert without_places(owner) == 2
    until(lambda: len(told(owner, session)) == 4)
    assert told(owner, session) == [(100, "holder"), (1, "first"), (50, "second"), (1, "second")]
    assert owner.execute("select v from item where id = 1").fetchone() == ("second",)


def test_p08_who_has_read_what_another_wrote_comes_behind_it(connect, owner):
    """A chain over two tables, in which each later one has the smaller transaction id."""
    session = new_session(owner, "item", "place")
    links = [connect(autocommit=False) for _ in range(6)]
    tables = ["item", "place"] * 3
    with stuck(connect, "insert into item values (100, 'holder')"):
        for link in reversed(links):
            link.execute("select pg_current_xact_id()")
        for n, (link, table) in enumerate(zip(links, tables)):
            number, = link.execute("select max(id) from (table item union all table place) as known where id between 1000 and 2000 or id = 10").fetchone()
            assert n == 0 or number == 1000 + n - 1
            link.execute(f"insert into {table} values ({1000 + n}, '')")
            link.commit()
        assert without_places(owner) == 6
    until(lambda: len(told(owner, session)) == 7)
    assert [key for key, _ in told(owner, session)] == [100, *range(1000, 1006)]


def test_p17_unwatched_writers_do_not_wait_for_a_stuck_holder(connect, owner):
    """Neither who writes to a table that nobody watches, nor whose changes match nobody; they commit while the lock is held."""
    database(owner, "reldiff.commit_lock_timeout", "1h")
    owner.execute("create table other (id integer primary key)")
    session = new_session(owner)
    owner.execute("select event.subscribe_row('item', 1, session_id => %s)", (session,))
    writer = connect()
    with stuck(connect, "update item set v = 'holder' where id = 1"):
        writer.execute("insert into other select generate_series(1, 1000)")
        writer.execute("update item set v = 'x' where id = 2")
        writer.execute("insert into place values (20, 'x')")
        assert owner.execute("select count(*) from other").fetchone() == (1000,)
        assert without_places(owner) == 0
    assert told(owner, session) == [(1, "holder")]


def test_commit_lock_timeout_of_nothing(connect, owner):
    """0 waits for nobody; who finds the lock free has his place at once. The other one waits for as long as it says."""
    session = new_session(owner, "item")
    writer, patient = connect(), connect()
    writer.execute("set reldiff.commit_lock_timeout = 0")
    writer.execute("insert into item values (20, 'placed')")
    assert told(owner, session) == [(20, "placed")]
    patient.execute("set reldiff.commit_lock_timeout = '1h'")
    with stuck(connect, "insert into item values (100, 'holder')"):
        writer.execute("insert into item values (21, 'without a place')")
        waiting = Command(patient, "insert into item values (22, 'patient')")
        until(lambda: waits(owner, waiting.pid))
        assert without_places(owner) == 1
    waiting.end()
    # The patient one found the other one without a place, and was not there before it.
    assert told(owner, session) == [(20, "placed"), (100, "holder"), (21, "without a place"), (22, "patient")]


@pytest.mark.parametrize("commit_lock_timeout", ["0", "3ms", "200ms"])
@pytest.mark.parametrize("setting", ["lock_timeout = '1ms'", "lock_timeout = '10ms'", "statement_timeout = '10ms'", "deadlock_timeout = '1ms'"])
def test_p17_the_writers_own_timeouts_do_not_fail_it(connect, owner, setting, commit_lock_timeout):
    """Its commit succeeds whichever time is the longer one, and the settings are what they were."""
    session = new_session(owner, "item")
    name = setting.split()[0]
    writer = connect(autocommit=False)
    writer.execute(f"set reldiff.commit_lock_timeout = '{commit_lock_timeout}'")
    writer.execute(f"set {setting}")
    writer.commit()
    before = writer.execute("select current_setting(%s)", (name,)).fetchone()
    writer.rollback()
    with stuck(connect, "insert into item values (100, 'holder')"):
        writer.execute("insert into item values (20, 'x')")
        writer.commit()
        assert without_places(owner) == 1
        assert writer.execute("select current_setting(%s)", (name,)).fetchone() == before
        writer.rollback()
    until(lambda: told(owner, session) == [(100, "holder"), (20, "x")])
    if name == "lock_timeout":
        # It counts again for the writer's own locks.
        owner.execute("begin")
        owner.execute("lock table place")
        with pytest.raises(Exception, match="lock timeout"):
            writer.execute("select * from place")
        writer.rollback()
        owner.execute("rollback")
    # The timeout of the wait for the lock does not strike later.
    writer.execute("insert into item values (21, 'y')")
    writer.execute("select pg_sleep(0.005)")
    writer.commit()
    until(lambda: told(owner, session)[-1] == (21, "y"))


def test_p17_the_time_for_the_commit_lock_counts_for_no_other(connect, owner):
    """A writer that has got the lock in time waits for what comes after it for as long as it takes."""
    session = new_session(owner, "item")
    writer, second = connect(), connect(autocommit=False)
    writer.execute("set reldiff.commit_lock_timeout = '3s'")
    with stuck(connect, "insert into item values (100, 'holder')"):
        waiting = Command(writer, "insert into item values (20, 'x')")
        until(lambda: waits(owner, waiting.pid))
        # Another gate, which shuts behind the holder.
        shutting = Command(second, "lock table event.transaction_0 in share mode")
        until(lambda: waits(owner, shutting.pid))
    shutting.end()
    awaited = "select 1 from pg_locks where pid = %s and not granted and relation = 'event.transaction_0'::regclass"
    until(lambda: owner.execute(awaited, (waiting.pid,)).fetchone())
    time.sleep(3.2)
    assert waiting.is_running()
    second.rollback()
    waiting.end()
    assert without_places(owner) == 0 and told(owner, session) == [(100, "holder"), (20, "x")]


def test_attaching_without_the_lock_is_a_nudge(connect, owner):
    """The replay would not be in order with what others notify: a nudge stands for it, and the inbox has it."""
    session = new_session(owner, "item")
    owner.execute("update item set v = 'x' where id < 4")
    listener = Listener(connect())
    with stuck(connect, "insert into item values (100, 'holder')"):
        assert listener.connection.execute("select event.session_attach(%s)", (session,)).fetchone() == (3,)
        nudge, = listener.events()
        assert (nudge["type"], nudge["count"], nudge["cursor"][:20]) == ("nudge", 3, events(owner, session)[-1]["cursor"][:20])
        # Its own changes are committed without a place, and told when they get it.
        with listener.connection.transaction():
            listener.connection.execute("select event.session_attach(%s)", (session,))
            listener.connection.execute("insert into item values (20, 'own')")
        assert [event["type"] for event in listener.events()] == ["nudge"]
    heard = []
    until(lambda: heard.extend(listener.events()) or len(heard) >= 2)
    assert [event["key"]["id"] for event in heard] == [100, 20] and heard == events(owner, session)[3:]


def test_p17_the_end_of_the_writers_time_does_not_strike(connect, owner):
    """`transaction_timeout` ends a connection: less than what is left of it is waited for the lock."""
    if owner.info.server_version < 170000:
        assert owner.execute("select from pg_settings where name = 'transaction_timeout'").fetchall() == []
        return
    session = new_session(owner, "item")
    writer = connect()
    writer.execute("set reldiff.commit_lock_timeout = '1min'")
    writer.execute("set transaction_timeout = '1s'")
    with stuck(connect, "insert into item values (100, 'holder')"):
        writer.execute("insert into item values (20, 'x')")
        assert without_places(owner) == 1
    until(lambda: told(owner, session) == [(100, "holder"), (20, "x")])
