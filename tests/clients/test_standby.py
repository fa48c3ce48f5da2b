"""A streaming standby tells what its primary tells, with the same cursors, and goes on when it is promoted."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import errors

from clusters import PrivateCluster, Standby
from load import in_threads, writing
from modes import both_modes, settle
from patience import until
from replay import Copy, Feed
from unplaced import MIXED, holding, settled
from waiters import Waiter, asleep, literal
from wire import inbox, new_session, parse

pytestmark = both_modes

SET_UP = """
create table item (id text primary key, v text);
create table place (id integer primary key, v text, n integer);
insert into place select n, 'row ' || n, n from generate_series(1, 50) n;
"""

# Everything that reads, each of it a query with a session and a cursor.
READS = {
    "events": "select * from event.events('{session}', {after}, 100000)",
    "a page": "select * from event.events('{session}', {after}, 7)",
    "events_of": "select session_id, change from event.events_of(array['{session}', '{other}']::uuid[], {after}, 100000)",
    "feed": "select event.feed('{session}', {after}, 100000)::text",
    "a page of feed": "select event.feed('{session}', {after}, 7)::text",
    "diff": "select * from event.diff('{session}', {after})",
    "wait_events": "select * from event.wait_events('{session}', {after}, 100000, '0')",
    "cursor": "select event.cursor()",
    "cursor(at)": "select event.cursor(at) from event.events('{session}', {after}, 3)",
    "session": "select * from event.session order by id",
    "subscription": "select * from event.subscription order by id",
    "tracked": "select * from event.tracked order by relation",
    "verify": "select * from event.verify()",
}

# Everything that writes, or needs what only the primary has.
WRITES = [
    "ack('{cursor}', '{session}')", "session_create()", "session_create(attach => false)", "session_alter('{session}', name => 'x')",
    "session_attach('{session}')", "session_attach('{session}', replay => false)", "session_delete('{session}')",
    "subscribe_table('item', session_id => '{session}')", "subscribe_column('item', 'v', session_id => '{session}')",
    "subscribe_row('item', 'a', session_id => '{session}')", "subscribe_field('item', 'a', 'v', session_id => '{session}')",
    "subscribe_table('{session}', meta.relation_id('public', 'item'))", "unsubscribe('{session}')", "unsubscribe_all('{session}')",
    "track('item')", "untrack('item')", "await_ready('{session}')", "maintain()",
]


def connect(cluster, database: str) -> psycopg.Connection:
    return psycopg.connect(cluster.dsn(database), autocommit=True)


@dataclass
class Pair:
    primary: PrivateCluster
    standby: Standby
    owner: psycopg.Connection
    reader: psycopg.Connection
    database: str

    def catch_up(self) -> None:
        """Returns when the standby has what the primary has flushed, each transaction with its place."""
        settle(self.owner)
        end, = self.owner.execute("select pg_current_wal_flush_lsn()").fetchone()
        until(lambda: self.reader.execute("select pg_last_wal_replay_lsn() >= %s", (end,)).fetchone()[0], "the standby's replay")

    def stop_shipping(self) -> None:
        self.reader.execute("alter system set primary_conninfo = ''")
        self.reader.execute("select pg_reload_conf()")
        until(lambda: self.reader.execute("select count(*) from pg_stat_wal_receiver").fetchone() == (0,), "the end of the shipping")


@contextmanager
def servers():
    """A primary and its standby."""
    with PrivateCluster({"fsync": "off", "max_standby_streaming_delay": "2s"}) as primary, Standby(primary) as standby:
        yield primary, standby


def in_database(primary: PrivateCluster, standby: Standby, name: str, delivery: str):
    """A new database, with connections to it on both servers."""
    primary.new_database(name, extension=True)
    primary.sql(f"alter database {name} set reldiff.delivery = {delivery}")
    with connect(primary, name) as owner:
        owner.execute(SET_UP)
        end, = owner.execute("select pg_current_wal_flush_lsn()").fetchone()
        until(lambda: standby.sql(f"select pg_last_wal_replay_lsn() >= '{end}'") == "t\n", "the standby's replay")
        with connect(standby, name) as reader:
            yield Pair(primary, standby, owner, reader, name)


@pytest.fixture(scope="module")
def shared_servers():
    with servers() as both:
        yield both


@pytest.fixture
def pair(shared_servers, request, delivery):
    """A database on a primary and its standby, which tests share."""
    yield from in_database(*shared_servers, f"{request.node.originalname}_{delivery}", delivery)


@pytest.fixture
def own_pair(delivery):
    """The same on servers of the test's own."""
    with servers() as both:
        yield from in_database(*both, "own", delivery)


def cursors(connection, session: str) -> list:
    return [cursor for cursor, in connection.execute("select cursor from event.events(%s, null, 1000000)", (session,))]


def test_p10_standby_tells_the_same(pair):
    """Whatever reads gives the same bytes for the same cursor; whatever writes is refused with 25006, and the standby goes on."""
    owner, reader = pair.owner, pair.reader
    session, other = new_session(owner, "item", "place"), new_session(owner, format="compact", channel="shared")
    owner.execute("select event.subscribe_row('place', 7, session_id => %s)", (other,))
    in_threads(*[writing(pair.primary.dsn(pair.database), name, 40, 1) for name in "ab"])
    with owner.transaction():
        owner.execute("set local reldiff.outbox_memory = '64kB'")
        owner.execute("update place set v = repeat(v, 200), n = n + 1")
        owner.execute("truncate place")
    pair.catch_up()
    known = cursors(owner, session)
    assert len(known) > 200
    for round in range(2):
        for after in (None, known[0], known[len(known) // 2], known[-3], known[-1]):
            for name, query in READS.items():
                query = f"select q::text from ({query.format(session=session, other=other, after=literal(after))}) q"
                rows = owner.execute(query).fetchall()
                assert reader.execute(query).fetchall() == rows, (name, after)
                assert rows or after == known[-1], name
        if round == 0:
            # What is acknowledged on the primary is so on the standby.
            owner.execute("select event.ack(%s, %s)", (known[100], session))
            pair.catch_up()
    for call in WRITES:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            reader.execute(f"select event.{call.format(session=session, cursor=known[-1])}")
    with pytest.raises(errors.ReadOnlySqlTransaction):
        reader.execute(f'listen "{session}"')
    for wrong, error in ((known[-1][:-8] + "0badcafe", errors.InvalidCursorState), ("x", errors.InvalidTextRepresentation)):
        for call in ("select event.events(%s, %s)", "select event.feed(%s, %s)", "select event.wait_events(%s, %s)"):
            with pytest.raises(error):
                reader.execute(call, (session, wrong))
    # What only concerns the connection is no writing.
    assert reader.execute("select event.session_use(%s)::text", (session,)).fetchone() == (session,)
    assert reader.execute("select count(*) from event.events(max_events => 100000)").fetchone() == (len(known) - 101,)
    reader.execute("select event.session_detach()")
    assert reader.execute("select event.session_current()").fetchone() == (None,)


def test_p09_reader_on_a_standby(pair):
    """It pages with its last cursor while writers of the primary commit: it skips nothing, and reads what readers there read."""
    feed = Feed(new_session(pair.owner, "item", notify="off"), Copy("public.item", ["id"]))
    done, pages = threading.Event(), Counter()
    pair.catch_up()

    def writers():
        try:
            dsn = pair.primary.dsn(pair.database)
            with holding(dsn, 2):
                in_threads(*[writing(dsn, name, 150, 2, settings=MIXED) for name in "abc"])
            pages["without a place"] = settled(pair.owner)
            pair.catch_up()
        finally:
            done.set()

    def reading():
        with connect(pair.standby, pair.database) as connection:
            while True:
                finished = done.is_set()
                read = feed.read(connection, 20)
                pages["afterwards" if finished else "while they write"] += bool(read)
                if finished and not read:
                    return

    in_threads(writers, reading)
    feed.compare(pair.reader)
    feed.compare(pair.owner)
    assert inbox(pair.owner, feed.session) == feed.texts
    print(f"{len(feed.texts)} events of {feed.transactions} transactions, pages {dict(pages)}")
    assert feed.transactions > 300 and pages["while they write"] >= 10 and pages["without a place"] >= 20


def heard(waiter: Waiter) -> list:
    """What it has waited for. It calls again if it was in the way of the replay, which can happen at any time."""
    while True:
        try:
            return waiter.ids()
        except errors.SerializationFailure:
            waiter.send()


def test_waits_on_a_standby(pair):
    """wait_events there returns what commits on the primary meanwhile, and nothing when its time is over."""
    session, others = new_session(pair.owner, "item"), new_session(pair.owner, "place")
    pair.catch_up()
    waiter, stranger = Waiter(pair.standby.dsn(pair.database), session), Waiter(pair.standby.dsn(pair.database), others, seconds=0.5)
    for n in range(3):
        waiter.send()
        asleep(pair.reader, [waiter])
        pair.owner.execute("insert into item values (%s, '')", (str(n),))
        assert heard(waiter) == [str(n)]
    assert heard(stranger.send()) == []
    for one in (waiter, stranger):
        one.connection.close()


def test_wait_gives_way_to_the_replay(pair):
    """What VACUUM has removed on the primary is replayed after a while: who waits is told to call again, and then hears of all."""
    session = new_session(pair.owner, "item", "place")
    pair.catch_up()
    waiter = Waiter(pair.standby.dsn(pair.database), session).send()
    asleep(pair.reader, [waiter])
    pair.owner.execute("create table other as select 1 as id")
    pair.owner.execute("delete from other")
    pair.owner.execute("vacuum other")
    with pytest.raises(errors.SerializationFailure):
        waiter.ids()
    waiter.send()
    asleep(pair.reader, [waiter])
    pair.owner.execute("insert into item values ('a', '')")
    assert heard(waiter) == ["a"]
    waiter.connection.close()


def test_p14_expiry_on_a_standby(pair):
    """What goes on the primary goes on the standby, and who has not read it is told the same: overflow, or 24000."""
    for setting in ("retention = '1s'", "maintenance_interval = 0"):
        pair.owner.execute(f"alter database {pair.database} set reldiff.{setting}")
    session, other = new_session(pair.owner, "place"), new_session(pair.owner, "item")
    with connect(pair.primary, pair.database) as owner:
        owner.execute("update place set n = 0")
        settle(owner)
        lost = cursors(owner, session)
        pair.catch_up()
        # No test of time: older than the retention is what it has to be.
        time.sleep(1.1)
        owner.execute("select event.maintain()")
        assert [kind for kind, in owner.execute("select type from event.events(%s)", (session,))] == ["overflow"]
        owner.execute("update place set n = 1 where id = 1")
        pair.catch_up()
        left = cursors(owner, session)
        assert len(lost) == 50 and len(left) == 2
        for after in (None, left[0], left[1]):
            for name, query in READS.items():
                query = f"select q::text from ({query.format(session=session, other=other, after=literal(after))}) q"
                assert pair.reader.execute(query).fetchall() == owner.execute(query).fetchall(), (name, after)
        for connection in (owner, pair.reader):
            for cursor in (lost[0], lost[-2]):
                for call in ("events(%s, %s)", "feed(%s, %s)", "diff(%s, %s)", "wait_events(%s, %s)"):
                    with pytest.raises(errors.InvalidCursorState):
                        connection.execute(f"select event.{call}", (session, cursor))


def test_p14_promotion(own_pair):
    """What the standby has not got is lost with the primary: its cursors are refused, all others go on where they were."""
    pair, owner, reader = own_pair, own_pair.owner, own_pair.reader
    session = new_session(owner, "item", "place")
    in_threads(*[writing(pair.primary.dsn(pair.database), name, 30, 3) for name in "ab"])
    settle(owner)
    shipped, kept = inbox(owner, session), cursors(owner, session)
    owner.execute("select event.ack(%s, %s)", (kept[9], session))
    pair.catch_up()
    pair.stop_shipping()
    owner.execute("insert into item values ('lost', '')")
    owner.execute("update place set n = -n")
    settle(owner)
    owner.execute("select event.ack(%s, %s)", (kept[19], session))
    lost = cursors(owner, session)[-51:]
    assert len(lost) == 51 and not set(lost) & set(kept)
    fresh, = owner.execute("select event.feed(%s, %s, 100) ->> 'cursor'", (session, lost[-1])).fetchone()
    # One who waits through the promotion, and one connection that was there before.
    waiter = Waiter(pair.standby.dsn(pair.database), session)
    waiter.cursor = kept[-1]
    waiter.send()
    asleep(reader, [waiter])

    pair.primary.kill()
    pair.standby.promote()
    new = connect(pair.standby, pair.database)
    for connection in (new, reader):
        for cursor in (lost[0], lost[20], lost[-1], fresh):
            for call in ("event.events(%s, %s)", "event.feed(%s, %s)", "event.diff(%s, %s)", "event.wait_events(%s, %s)",
                         "event.events_of(array[%s::uuid], %s)", "event.ack(session_id => %s, cursor => %s)"):
                with pytest.raises(errors.InvalidCursorState) as refused:
                    connection.execute(f"select {call}", (session, cursor))
                assert refused.value.diag.message_hint == "SELECT event.cursor()"
    # The acknowledgement of the lost primary is lost, too: what it was for comes again.
    assert inbox(new, session) == shipped[10:]
    assert inbox(reader, session, after=kept[-1]) == []

    # Writers go on behind all that has survived, a new table with its subscription included.
    feed = Feed(session, Copy("public.item", ["id"]), Copy("public.place", ["id"]))
    feed.last = {"cursor": kept[-1], "at": parse(shipped[-1])["at"], "last": True}
    for copy in feed.copies.values():
        copy.start(new)
    reader.execute("insert into item values ('later', '')")
    assert heard(waiter) == ["later"]
    waiter.connection.close()
    in_threads(*[writing(pair.standby.dsn(pair.database), name, 30, 4) for name in "cd"])
    new.execute("update place set n = 0")
    settle(new)
    while feed.read(new, 100):
        pass
    feed.compare(new)
    assert feed.transactions > 40
    again = cursors(reader, session)
    assert again[:len(kept) - 10] == kept[10:] and sorted(again) == again and not set(again) & set(lost)
    new.execute("create table fresh (id integer primary key)")
    second = new_session(new, "fresh")
    reader.execute("insert into fresh values (1)")
    settle(new)
    assert len(inbox(new, second)) == 1
    for call in (f"event.ack('{again[-1]}', '{session}')", f"event.session_attach('{session}')", f"event.await_ready('{second}')"):
        reader.execute(f"select {call}")
    assert inbox(new, session) == []
    new.close()
