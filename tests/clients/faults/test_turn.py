"""The process that gives places leaves the rest to a new one after a minute, which a setting of this library makes shorter."""

import threading
import time

import psycopg
import pytest

from load import in_threads
from modes import settle
from patience import until
from replay import Copy, Feed, enough
from survivors import parsed
from wire import Listener, new_session

SEQUENCER = "select pid from pg_locks where classid = 'event.sequenced'::regclass and granted"
BATCHES = "select count(*) from event.transaction_0 where epoch = 1 and position > %s::pg_lsn group by xmin"
WRITERS = 3


@pytest.fixture
def delivery() -> str:
    return "sequencer"


@pytest.fixture
def owner(dsn, connect):
    """Each process works for so long."""
    connection = connect()
    connection.execute(f"alter database {connection.info.dbname} set reldiff.turn = '300ms'")
    connection.execute("create table item (id integer primary key, v integer)")
    return connect()


def under_load(dsn: str, work, before_each=lambda connection: None) -> int:
    """Writers commit one transaction after the other while `work` is done; how many they were."""
    done, counts = threading.Event(), [0] * WRITERS

    def writing(number: int):
        def write() -> None:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not done.is_set():
                    before_each(connection)
                    counts[number] += 1
                    connection.execute("insert into item values (%s, 1)", (counts[number] * WRITERS + number,))
                    connection.execute("update item set v = v + 1 where id = %s", (counts[number] * WRITERS + number,))
        return write

    def working() -> None:
        try:
            work()
        finally:
            done.set()

    in_threads(working, *map(writing, range(WRITERS)))
    return 2 * sum(counts)


def told_once(owner, feed: Feed) -> None:
    """Each event once, as the table is."""
    settle(owner)
    while feed.read(owner, 1000):
        pass
    feed.compare(owner)


def test_p09_sequencers_take_turns(dsn, connect, owner):
    """One follows the other under load, and has the settings of then; nothing is lost or told twice."""
    feed = Feed(new_session(owner, "item"), Copy("public.item", ["id"]))
    listener = Listener(connect()).listen(feed.session)
    pids = set()

    def seen(number: int) -> None:
        until(lambda: pids.update(pid for pid, in owner.execute(SEQUENCER)) or len(pids) >= number, f"{number} processes")

    def watch() -> None:
        seen(3)
        owner.execute(f"alter database {owner.info.dbname} set reldiff.sequencer_batch = 1")
        # The next one may have begun before that.
        seen(5)
        watch.position, = owner.execute("select max(position) from event.transaction").fetchone()
        seen(7)

    # A backlog would hide how many there are in a batch.
    commits = under_load(dsn, watch, settle)
    told_once(owner, feed)
    assert [event["cursor"] for event in listener.events()] == [parsed(text)["cursor"] for text in feed.texts]
    assert {number for number, in owner.execute(BATCHES, (watch.position,))} == {1}
    enough({"processes": len(pids), "transactions": feed.transactions}, {"processes": 7, "transactions": commits})


def test_p09_sequencer_that_nobody_can_follow(dsn, connect, owner, taken_processes):
    """Without a free process it goes on, as long as something waits."""
    feed = Feed(new_session(owner, "item", notify="off"), Copy("public.item", ["id"]), parse=parsed)

    # Between two turns somebody else could get its place: there is none while the others are taken.
    owner.execute(f"alter database {owner.info.dbname} set reldiff.turn = '4s'")

    def watch() -> None:
        earlier, = until(lambda: owner.execute(SEQUENCER).fetchone(), "the process")
        pid, = until(lambda: {pid for pid, in owner.execute(SEQUENCER)} - {earlier}, "another one, with its turn before it")
        free = taken_processes()
        several_turns = time.monotonic() + 9
        while time.monotonic() < several_turns:
            settle(owner)
            # Between two turns nobody is it.
            assert owner.execute(SEQUENCER).fetchall() in ([(pid,)], [])
        free()

    under_load(dsn, watch)
    told_once(owner, feed)


def test_p09_sequencer_that_nobody_can_follow_and_that_has_nothing_to_do(owner, taken_processes):
    """It stays for what comes next: who waits for a free process would take its place."""
    feed = Feed(new_session(owner, "item", notify="off"), Copy("public.item", ["id"]), parse=parsed)
    # Most turns end in a nap, and nothing comes meanwhile.
    for setting in ("turn = '1s'", "sequencer_nap = '400ms'"):
        owner.execute(f"alter database {owner.info.dbname} set reldiff.{setting}")
    free = None
    for number in range(30):
        owner.execute("insert into item values (%s, 1)", (number,))
        settle(owner)
        # The process with the settings before has gone by then.
        free = taken_processes() if number == 5 else free
        time.sleep(0.6)
    free()
    told_once(owner, feed)
