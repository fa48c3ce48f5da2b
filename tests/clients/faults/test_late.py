"""Changes that another callback makes at the commit after our own work there: told like all others, behind them."""

from contextlib import nullcontext

import psycopg
import pytest

from load import in_threads
from patience import until
from replay import Copy, Feed
from survivors import parsed
from unplaced import LOCK, MIXED, Holder, settled
from wire import Listener, events, new_session

# What the transaction has done before. Rows of `t` and `u` with the keys {0} and {0} + 1 are there.
EARLY = {
    "nothing": "select 1",
    "one row": "update t set v = 'early' where id = {0}",
    "several rows": "insert into t select n, repeat('x', 300) from generate_series({0} + 10, {0} + 50) n; delete from t where id = {0} + 1",
    "two tables": "update t set v = 'early' where id = {0}; update u set v = 'early' where id = {0}; insert into u values ({0} + 9)",
    "two sets": "update t set v = 'early' where id in ({0}, 1)",
    "spilled": "set local reldiff.outbox_memory = '64kB'; insert into t select n, repeat('x', 3000) from generate_series({0} + 10, {0} + 50) n; "
               "update t set v = 'early' where id = {0}",
    "savepoint": "savepoint s; insert into t values ({0} + 9); rollback to s; savepoint r; update u set v = 'early' where id = {0}; release r",
}

# What comes late.
LATE = {
    "the same table": "insert into t values ({0} + 100, 'late')",
    "another table": "delete from u where id = {0}",
    "the same row": "update t set v = 'late' where id = {0}",
    "a row for others": "update t set v = 'late' || {0} where id = 1",
    "a new row of it": "delete from t where id = {0}; insert into t values ({0}, 'late'); update t set v = v || '!' where id = {0}",
    "undone": "do $$ begin insert into t values ({0} + 100, 'undone'); update t set id = 1 where id = {0}; exception when unique_violation then end $$",
    "handled": "do $$ begin insert into t values ({0} + 100, 'undone'); update t set id = 1 where id = {0}; "
               "exception when unique_violation then insert into u values ({0} + 100, 'handled'); end; $$; update t set v = 'late' where id = {0}",
    "released": "do $$ begin begin insert into t values ({0} + 100); exception when others then null; end; delete from u where id = {0}; end $$",
    "many": "insert into t select n, 'late' from generate_series({0} + 101, {0} + 1100) n; update u set v = 'late' where id in ({0}, {0} + 1)",
    "of a second one": "update t set v = 'late' where id = {0}; truncate few",
}


class Scene:
    """Sessions of several kinds, a writer, and one who keeps the commit lock if it is wanted."""

    def __init__(self, connect, dsn: str):
        self.admin, self.writer, self.holder = connect(), connect(), Holder(dsn)
        self.admin.execute("create table t (id integer primary key, v text); create table u (like t including all); create table few (like t including all); "
                           "insert into t values (1, '')")
        # The last one is told of one row, which makes its recipients another set.
        self.feed = Feed(new_session(self.admin, "t", "u", "few"), *(Copy(f"public.{name}", ["id"]).start(self.admin) for name in ("t", "u", "few")), parse=parsed)
        one = new_session(self.admin, format="compact")
        self.admin.execute("select event.subscribe_row('t', 1, session_id => %s)", (one,))
        nudged = new_session(self.admin, "u", notify="nudge")
        self.ears = [Ear(connect(), session) for session in (self.feed.session, one, nudged)]
        # Settings of ours are nothing before that.
        self.writer.execute("load 'pg_reldiff'")
        self.writer.execute("set reldiff.commit_lock_timeout = '1h'")
        self.number = 0

    def start(self) -> int:
        """The first of the keys of the next case."""
        self.number += 10_000
        for table in "tu":
            self.admin.execute(f"insert into {table} values ({self.number}, ''), ({self.number} + 1, '')")
        return self.number

    def commit(self, early: str, late: str) -> None:
        with self.writer.transaction():
            self.writer.execute(early)
            self.writer.execute("select set_config('reldiff.late_command', %s, true)", (late,))

    def check(self) -> None:
        settled(self.admin)
        while self.feed.read(self.admin, 1000):
            pass
        self.feed.compare(self.admin)
        for ear in self.ears:
            ear.follow(self.admin)


class Ear:
    """A client that follows the recipe of the README, and reads only when it is told to."""

    def __init__(self, connection, session: str):
        self.listener, self.session = Listener(connection).listen(session), session
        self.position, = connection.execute("select event.cursor()").fetchone()

    def follow(self, connection) -> None:
        """It has heard of everything, in order."""
        rows = connection.execute("select cursor from event.events(%s, %s, 1000000)", (self.session, self.position))
        behind = [cursor for cursor, in rows]
        for _, text in self.listener.payloads():
            heard = parsed(text)
            if heard["cursor"] <= self.position:
                continue
            if heard["type"] == "nudge":
                self.position = behind[-1]
            else:
                assert heard["cursor"] == behind.pop(0), "an event was passed over"
                self.position = heard["cursor"]
        assert self.position >= max(behind, default=""), "an event was not told"


@pytest.fixture
def scene(connect, dsn):
    scene = Scene(connect, dsn)
    yield scene
    scene.holder.close()


@pytest.mark.parametrize("early", EARLY)
def test_p01_late_changes_are_told(scene, early):
    """Each once, behind the others of the transaction, whose `last` is the last of them; also without a place."""
    for late in LATE.values():
        scene.commit(EARLY[early].format(scene.start()), late.format(scene.number))
        scene.check()
        first = scene.start()
        scene.writer.execute("set reldiff.commit_lock_timeout = 0")
        with scene.holder.holds():
            scene.commit(EARLY[early].format(first), late.format(first))
        scene.writer.execute("set reldiff.commit_lock_timeout = '1h'")
        scene.check()


def test_p01_late_changes_while_others_commit(scene, connect):
    """Writers of the same row, each of which changes it once more at its commit."""
    writers = [connect() for _ in range(4)]

    def writing(number):
        def write():
            for n in range(60):
                with writers[number].transaction():
                    writers[number].execute(MIXED[n % 3])
                    writers[number].execute("update t set v = coalesce(nullif(v, ''), '0')::integer + 1 where id = 1")
                    writers[number].execute("insert into u values (%s)", (1000 * number + n,))
                    writers[number].execute("set local reldiff.late_command = $$update t set v = v::integer + 1 where id = 1$$")
        return write

    in_threads(*map(writing, range(4)))
    scene.check()
    told = [event["payload"]["v"] for event in events(scene.admin, scene.feed.session) if event["relation"] == "public.t"]
    assert told == [str(n) for n in range(1, 481)]


def test_p08_late_change_of_what_another_has_committed_meanwhile(scene, connect):
    """Without places: who made its change first comes first, though it began its commit later."""
    slow, fast, gate = connect(), connect(), connect()
    gate.execute("select pg_advisory_lock(1)")
    for connection in (slow, fast):
        connection.execute("set reldiff.commit_lock_timeout = 0")
    with scene.holder.holds():
        slow.execute("begin; insert into u values (2)")
        slow.execute("set local reldiff.late_command = $$select pg_advisory_xact_lock(1); update t set v = v || ' slow' where id = 1$$")
        slow.pgconn.send_query(b"commit")
        until(lambda: gate.execute("select from pg_locks where locktype = 'advisory' and not granted").fetchall())
        fast.execute("update t set v = v || 'fast' where id = 1")
        gate.execute("select pg_advisory_unlock(1)")
        while result := slow.pgconn.get_result():
            assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.error_message
    scene.check()
    told = [event["payload"]["v"] for event in events(scene.admin, scene.feed.session) if event["relation"] == "public.t"]
    assert told == ["fast", "fast slow"]


def sequencing(scene, connection, statement: str) -> None:
    """The connection executes this; while it waits for the commit lock, another one commits without a place."""
    with scene.holder.holds():
        connection.pgconn.send_query(statement.encode())
        until(lambda: (connection.info.backend_pid, False) in scene.admin.execute(LOCK).fetchall())
        with scene.admin.transaction():
            scene.admin.execute("set local reldiff.commit_lock_timeout = 0")
            scene.admin.execute("insert into t values (3, 'without a place')")
    while result := connection.pgconn.get_result():
        assert result.status in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK), result.error_message


def test_p01_late_change_of_who_only_attaches(scene, connect):
    """It has no change of its own when it gives others their places."""
    attaching = connect()
    attaching.execute("set reldiff.commit_lock_timeout = '1h'")
    # Its id is older than that of those others.
    attaching.execute(f"begin; select event.session_attach('{scene.feed.session}'), pg_current_xact_id()")
    attaching.execute("set local reldiff.late_command = $$insert into u values (4, 'late')$$")
    sequencing(scene, attaching, "commit")
    scene.check()


def test_p10_replay_of_who_gives_others_their_places(scene, connect):
    """What is pending comes first, and then what others have committed without a place."""
    scene.admin.execute("insert into t values (2, 'pending')")
    attaching = connect()
    listener = Listener(attaching)
    attaching.execute("set reldiff.commit_lock_timeout = '1h'")
    sequencing(scene, attaching, f"select event.session_attach('{scene.feed.session}')")
    heard = [event["cursor"] for event in listener.events()]
    told = [event["cursor"] for event in events(scene.admin, scene.feed.session)]
    assert len(told) == 2 and sorted(heard) == heard and sorted(set(heard)) == told


@pytest.mark.parametrize("is_placed", [True, False])
def test_late_gap(scene, is_placed):
    """A bulk load in a callback: one gap for each relation, behind everything else."""
    scene.start()
    scene.check()
    scene.writer.execute(f"set reldiff.commit_lock_timeout = '{'1h' if is_placed else 0}'")
    seen = len(scene.feed.texts)
    with scene.holder.holds() if not is_placed else nullcontext():
        with scene.writer.transaction():
            scene.writer.execute("insert into t values (5, 'told')")
            scene.writer.execute("""set local reldiff.late_command = $$set local reldiff.capture = off;
                insert into t select n from generate_series(6, 20) n; delete from u; insert into u values (5)$$""")
    settled(scene.admin)
    told = events(scene.admin, scene.feed.session, scene.feed.cursor)
    assert seen and [(event["type"], event["relation"], event.get("last")) for event in told] == [
        ("row_insert", "public.t", None), ("gap", "public.t", None), ("gap", "public.u", True)]
    for ear in scene.ears:
        ear.follow(scene.admin)


def test_late_changes_are_prepared(scene):
    """Told with the others when it is committed, and not before; not at all when it is rolled back."""
    scene.start()
    scene.check()

    def prepare(*statements):
        scene.writer.execute("begin")
        for statement in statements:
            scene.writer.execute(statement)
        scene.writer.execute("set local reldiff.late_command = 'insert into t values (7); insert into u values (7)'")
        scene.writer.execute("prepare transaction 'late'")

    prepare("insert into t values (6)")
    assert events(scene.admin, scene.feed.session, scene.feed.cursor) == []
    scene.writer.execute("rollback prepared 'late'")
    for first in ((), ("insert into t values (6)",)):
        prepare(*first)
        scene.writer.execute("commit prepared 'late'")
        settled(scene.admin)
        told = events(scene.admin, scene.feed.session, scene.feed.cursor)
        expected = [("public.t", 6, None)] * len(first) + [("public.t", 7, None), ("public.u", 7, True)]
        assert [(event["relation"], event["key"]["id"], event.get("last")) for event in told] == expected
        scene.writer.execute("delete from t where id in (6, 7)")
        scene.writer.execute("delete from u where id = 7")
        scene.check()


def test_p12_late_change_that_is_rolled_back(scene, connect):
    """What it would have notified was never there: what was kept back before is still told by the next notification."""
    session = new_session(scene.admin, "t")
    listener = Listener(connect()).listen(session)
    scene.admin.execute("set reldiff.notify_queue_limit = 0")
    scene.admin.execute("insert into t values (2, 'kept back')")
    scene.admin.execute("reset reldiff.notify_queue_limit")
    scene.commit("insert into few values (1)", "do $$ begin insert into t values (3); perform 1 / 0; exception when division_by_zero then end $$")
    assert listener.events() == []
    scene.admin.execute("insert into t values (4, 'next')")
    assert [(event["type"], event.get("count")) for event in listener.events()] == [("nudge", 2)]


def test_p09_who_was_to_lead_concerns_others_late(scene):
    """Behind the first transaction that would concern a set alone, without its late change, all others are found (src/tables/stretch.rs)."""
    for _ in range(5):
        first = scene.start()
        # With it the sets are new ones, of which nothing is known.
        session = new_session(scene.admin, "t", notify="off")
        scene.commit(f"update t set v = 'early' where id = {first}", f"update u set v = 'late' where id = {first}")
        for n in range(3):
            scene.admin.execute(f"update t set v = {n} where id = {first}")
        assert [event["payload"]["v"] for event in events(scene.admin, session)] == ["early", "0", "1", "2"]
    scene.check()
