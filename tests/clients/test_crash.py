"""kill -9 of the whole server under load: what survives is told whole, and whoever has seen what is lost is told so."""

import os
import random
import re
import signal

import psycopg
import pytest
from psycopg import errors

from clusters import PrivateCluster
from load import in_threads
from modes import both_modes
from patience import until
from replay import Copy, Feed, seed
from survivors import TABLES, Feeds, Gate, Hears, Pages, Waits, Writer, parsed
from unplaced import Holder, settled
from wire import events, new_session, parse

# How the commits of each writer end, how long they wait for a place in the feed, and how they get it. Who gives places in the
# background makes all durable that was committed before, so that those whose commits may be lost wait.
INLINE = {"durable": ("on", "1h", "inline"), "solid": ("on", "0", "inline"), "fleeting": ("off", "1h", "inline"),
          "volatile": ("off", "1h", "inline")}
SEQUENCER = {name: (commit, "1h", "sequencer") for name, (commit, _, _) in INLINE.items()} | {"volatile": INLINE["volatile"]}
WRITERS = {"inline": INLINE, "sequencer": SEQUENCER}

# What is killed, and who commits meanwhile. Of an inline writer the readers see commits that nobody has flushed; the sequencer
# flushes before they see anything.
CRASHES = {
    "inline": [(killed, ("fleeting", "volatile")) for killed in ("the server", "the server", "the process that flushes")],
    "sequencer": [("the server", ("volatile",)), ("the server", ("fleeting",)), ("the sequencer", ("fleeting",)),
                  ("the process that flushes", ("volatile",))],
}
PROCESSES = {
    "the process that flushes": "select pid from pg_stat_activity where backend_type = 'walwriter'",
    "the sequencer": "select pid from pg_locks where classid = 'event.sequenced'::regclass and granted",
}

# A reader that begins anew has the whole feed before it.
PATIENCE = 300

LAST = '"last":true}'
CURSOR = re.compile(r'.*"cursor":"([0-9a-f]{50})"', re.S)


def cursor_of(text: str) -> str:
    """Of an event: the last one in it, whatever the row's values are."""
    return CURSOR.match(text).group(1)


def transaction(cursor: str) -> tuple:
    """What all cursors of one transaction have in common, and no other one has."""
    return cursor[:20], cursor[-8:]


class Ordeal:
    """A cluster that dies again and again, and all who work with it."""

    def __init__(self, cluster: PrivateCluster, number: int, writers: dict):
        self.cluster, self.dsn = cluster, cluster.dsn("crash")
        self.random = random.Random(number)
        with self.connect() as owner:
            owner.execute(TABLES)
            self.session = new_session(owner, "item", "ledger", notify="off")
            heard = new_session(owner, "item", "ledger")
            self.start, = owner.execute("select event.cursor()").fetchone()
            # The rows that the first page's reader has to begin with.
            self.rows = Copy("public.item", ["id"]).start(owner).rows
        self.writers = [Writer(self.dsn, Gate(), number, name, *settings) for name, settings in writers.items()]
        self.readers = [kind(self.dsn, Gate(), number, heard if kind is Hears else self.session, self.start)
                        for kind in (Pages, Feeds, Waits, Hears)]
        self.losses = 0

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def committed(self) -> int:
        return sum(len(writer.committed) for writer in self.writers)

    def load(self, commits: int) -> None:
        """So many commits. Some readers are there at once, others come back when the feed has gone on."""
        before, answers = self.committed(), [reader.answers for reader in self.readers]
        late = [reader for reader in self.readers if self.random.random() < 0.5]
        for reader in self.readers:
            if reader not in late:
                reader.gate.open()
        for writer in self.writers:
            writer.gate.open()
        until(lambda: self.committed() >= before + commits // 4, "the first commits")
        for reader in late:
            reader.gate.open()
        until(lambda: self.committed() >= before + commits, "the commits")
        until(lambda: all(reader.answers > n for reader, n in zip(self.readers, answers)), "an answer for each reader", PATIENCE)

    def catch_up(self) -> str:
        """Stops the writers; returns the end of the feed when all readers have come there."""
        for writer in self.writers:
            writer.gate.close()
        with self.connect() as admin:
            settled(admin)
            newest, = admin.execute("select event.cursor()").fetchone()
        def is_there(reader) -> bool:
            # A page can end in the middle of a transaction, and the cursor there is of that one, too.
            return transaction(reader.cursor) == transaction(newest) and all(text.endswith(LAST) for text in reader.seen[-1:])

        until(lambda: all(is_there(reader) for reader in self.readers), "the end of the feed", PATIENCE)
        return newest

    def crash(self, killed: str, names: tuple) -> None:
        """Kills all of the server, or one process of it, for which the server kills the others, and has it started again.

        Each reader has seen a commit of these writers then, who themselves flush nothing.
        """
        ready = "database system is ready to accept connections"
        starts = self.cluster.log.read_text().count(ready)
        here = self.catch_up()
        writers = [writer for writer in self.writers if writer.name in names]
        with self.connect() as admin:
            flusher, = admin.execute(PROCESSES["the process that flushes"]).fetchone()
            os.kill(flusher, signal.SIGSTOP)
            for writer in writers:
                writer.gate.open()
            until(lambda: all(reader.cursor > here for reader in self.readers), "an unflushed commit for each reader")
            if killed == "the server":
                assert self.cluster.kill() > len(self.writers) + len(self.readers)
            else:
                victim, = until(lambda: admin.execute(PROCESSES[killed]).fetchone(), killed)
                # In this order: the one that is stopped hears nothing of the other's end, which would end the other.
                for pid in dict.fromkeys((victim, flusher)):
                    os.kill(pid, signal.SIGKILL)
        for one in writers + self.readers:
            one.gate.close()
        if killed == "the server":
            self.cluster.start()
        until(lambda: self.cluster.log.read_text().count(ready) > starts, "the restart")

    def whole(self) -> list:
        """The texts of all events, from the beginning; their replay equals the tables."""
        item, ledger = Copy("public.item", ["id"]), Copy("public.ledger", ["writer", "n"])
        item.rows = {key: dict(row) for key, row in self.rows.items()}
        feed = Feed(self.session, item, ledger, parse=parsed)
        feed.last = {"cursor": self.start, "at": "", "last": True}
        with self.connect() as control:
            self.unplaced = settled(control)
            while feed.read(control, 1000):
                pass
            feed.compare(control)
            acknowledged = [cursor for cursor, in control.execute("select acknowledged from event.session")]
            self.ledger = {name: set(n) for name, n in control.execute("select writer, array_agg(n) from ledger group by writer")}
        # What is acknowledged has not been lost.
        assert {cursor for cursor in acknowledged if cursor} <= {cursor_of(text) for text in feed.texts}
        return feed.texts

    def judge(self, what: str, is_lossy: bool) -> None:
        """After a restart: who has to be refused. The readers have not come back."""
        whole = self.whole()
        exist = {transaction(cursor_of(text)) for text in whole} | {transaction(self.start)}
        undone = {writer.name: len(writer.committed - self.ledger[writer.name]) for writer in self.writers}
        for writer in self.writers:
            # P15: an event is as durable as its writer's commit.
            assert writer.commit == "off" or not undone[writer.name], f"{writer.name} has lost commits"
            assert not writer.refused & self.ledger[writer.name], f"{writer.name} was told that it has not committed"
            # What is lost will not come back.
            writer.committed &= self.ledger[writer.name]
        report = []
        for reader in self.readers:
            lost = [text for text in reader.seen if transaction(cursor_of(text)) not in exist]
            survived = len(reader.seen) - len(lost)
            # What is lost is the last that it has seen, and before that nothing is missing.
            assert reader.seen[:survived] == whole[:survived] and reader.seen[survived:] == lost
            reader.must_be_refused = transaction(reader.cursor) not in exist
            assert is_lossy >= reader.must_be_refused >= bool(lost), f"{type(reader).__name__} has seen {len(lost)} events that are lost"
            report.append(f"{type(reader).__name__} has seen {len(reader.seen)}, {len(lost)} of them lost")
            self.losses += bool(lost)
        print(f"{what}: {len(whole)} events of {len(exist) - 1} transactions survive; commits lost: {undone}; {'; '.join(report)}")
        self.refusals = [reader.refusals for reader in self.readers]

    def check_refusals(self) -> None:
        """Each reader has asked again: who has seen what is lost was refused, nobody else."""
        for reader, before in zip(self.readers, self.refusals):
            assert reader.refusals - before == reader.must_be_refused, f"{type(reader).__name__} {reader.must_be_refused}"

    def end(self) -> None:
        self.catch_up()
        for reader in self.readers:
            reader.gate.close()
        whole = self.whole()
        for text in whole[:500]:
            parse(text)
        for reader in self.readers:
            assert reader.seen == whole, type(reader).__name__

    def stop(self) -> None:
        for worker in self.writers + self.readers:
            worker.stopped = True
            worker.gate.open()


@both_modes
@pytest.mark.parametrize("rounds, commits", [(1, 120), pytest.param(3, 1200, marks=pytest.mark.long)])
def test_p15_crash_under_load(rounds, commits, delivery):
    """Events are as durable as their commits, and a cursor of a commit that is lost is an error, never a gap. What the sequencer
    has told is never lost."""
    number, crashes = seed(), CRASHES[delivery] * rounds
    with PrivateCluster({"wal_writer_delay": "10s"}) as cluster:
        cluster.new_database("crash", extension=True)
        ordeal = Ordeal(cluster, number, WRITERS[delivery])

        def dying():
            try:
                for n, (killed, names) in enumerate(crashes, 1):
                    ordeal.load(commits)
                    if n > 1:
                        ordeal.check_refusals()
                    ordeal.crash(killed, names)
                    ordeal.judge(f"crash {n}, of {killed} while {names} commit", is_lossy="volatile" in names)
                ordeal.load(commits // 2)
                ordeal.check_refusals()
                ordeal.end()
            finally:
                ordeal.stop()

        in_threads(dying, *[worker.run for worker in ordeal.writers + ordeal.readers])
        assert cluster.log.read_text().count("was not properly shut down") == len(crashes)
        # A run proves nothing in which nobody had seen what was lost.
        print(f"{ordeal.losses} times a reader had seen what was lost")
        print(f"{ordeal.unplaced} commits without a place")
        lossy = [names for _, names in crashes if "volatile" in names]
        assert ordeal.losses >= len(lossy) and ordeal.unplaced >= 20
        assert ordeal.committed() >= len(crashes) * commits


def test_p15_places_of_a_commit_that_is_lost():
    """A durable commit without a place got its place from one that a crash takes back: it gets another one."""
    # Without background processes only writers give places.
    with PrivateCluster({"wal_writer_delay": "10s", "max_worker_processes": "0"}) as cluster:
        cluster.new_database("crash", extension=True)
        dsn = cluster.dsn("crash")
        owner, durable, fleeting = (psycopg.connect(dsn, autocommit=True) for _ in range(3))
        owner.execute("create table item (id integer primary key)")
        owner.execute("select event.track('item')")
        session, holder = new_session(owner, "item"), Holder(dsn)
        flusher, = owner.execute("select pid from pg_stat_activity where backend_type = 'walwriter'").fetchone()
        os.kill(flusher, signal.SIGSTOP)
        durable.execute("set reldiff.commit_lock_timeout = 0")
        for connection in (fleeting, holder.connection):
            connection.execute("set synchronous_commit = off")
        with holder.holds():
            durable.execute("insert into item values (1)")
        fleeting.execute("insert into item values (2)")
        told = events(owner, session)
        assert [event["key"]["id"] for event in told] == [1, 2]
        cluster.kill()
        cluster.start()
        with psycopg.connect(dsn, autocommit=True) as owner:
            assert owner.execute("select array_agg(id) from item").fetchone() == ([1],)
            assert owner.execute("select count(*) from event.unsequenced").fetchone() == (1,)
            for event in told:
                with pytest.raises(errors.InvalidCursorState):
                    events(owner, session, event["cursor"])
            assert events(owner, session) == []
            owner.execute("insert into item values (3)")
            assert [event["key"]["id"] for event in events(owner, session)] == [1, 3]
