"""Something goes wrong at each fault point of src/pg/fault_kind.rs, in each way, in transactions of each shape, inline and with the
sequencer.

Whatever it is, the client gets a clean error or nothing, the server stays, no lock is left, the next writer goes on, the log equals the
table, and listeners have heard of what was committed and of nothing else.
"""

import threading
import time

import psycopg
import pytest

from modes import settle
from patience import until
from scenes import SHAPES, Scene, attached, plain, savepoint, sequencing, spilled, unplaced
from unplaced import Holder, settled
from wire import Listener, events, new_session

# What the client may be told. None: nothing, since it made no difference.
TOLD = {
    "error": {"XX000"},
    "panic": {"XX000"},
    "memory": {"53200"},
    "heap": {"53200", None},
    "cancel": {"57014", None},
    "terminate": {"57P01", None},
    "sleep": {"57014"},
}
# They end the connection.
FATAL = ("heap", "terminate")
# The transaction is committed when the backend comes here: nothing of it can fail any more.
COMMITTED = "commit_callback"
IDLE = psycopg.pq.TransactionStatus.IDLE

# The background processes of the extension.
PROCESS = "select pid from pg_stat_activity where datname = current_database() and backend_type = 'pg_reldiff'"

# Where the process comes that gives places, and when it is at the second of three transactions.
SEQUENCER = {"inline": {"sequence": 2}, "sequencer": {"sequence": 3, "position": 3, "notify": 2, COMMITTED: 4}}


@pytest.fixture(scope="module", params=["inline", "sequencer"])
def scene(request):
    """In a database that goes with the cluster: dropping it would wait for a page that nobody will ever release."""
    name = f"faults_{request.param}"
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"create database {name} template template0")
        admin.execute(f"alter database {name} set reldiff.delivery = {request.param}")
    with psycopg.connect(dbname=name, autocommit=True) as connection:
        connection.execute("create extension pg_reldiff")
        # Some servers come without it.
        if connection.execute("select from pg_available_extensions where name = 'pg_buffercache'").fetchall():
            connection.execute("create extension pg_buffercache")
    return Scene(f"dbname={name}", request.param)


@pytest.fixture
def delivery(scene) -> str:
    """Of databases of a test's own, too."""
    return scene.delivery


@pytest.fixture(autouse=True)
def nothing_is_left(scene):
    yield
    if scene.observer.execute("select to_regclass('pg_buffercache')").fetchone()[0] is None:
        return
    until(lambda: not scene.observer.execute("select from pg_buffercache where pinning_backends > 0").fetchall())


@pytest.fixture(scope="module")
def come(scene) -> dict:
    """How often each shape comes to each point, when nothing goes wrong."""
    counts = {}
    for shape in SHAPES:
        writer = scene.start()
        before = {}
        shape(scene, lambda: before.update(scene.hits(writer)))
        after = scene.hits(writer)
        counts[shape] = {point: after[point][0] - before[point][0] for point in after if after[point][0] > before[point][0]}
        scene.check(None)
    return counts


def one(scene, shape, point: str, kind: str, nth: int) -> None:
    """One case."""
    writer = scene.start()
    pid = writer.info.backend_pid
    happened = scene.hits(writer)[point][1]
    arm = lambda: writer.execute(f"set reldiff.fault = '{point}:{kind}:{nth}'")  # noqa: E731
    waker = threading.Thread(target=wake, args=(scene.dsn, pid)) if kind == "sleep" and point != COMMITTED else None
    if waker:
        waker.start()
    try:
        shape(scene, arm)
        told = None
    except psycopg.Error as error:
        told = state_of(error)
    if waker:
        waker.join()
    # A writer that cannot give others their places goes on without one of its own.
    is_caught = shape is sequencing and point != COMMITTED and kind in ("error", "panic") and told is None
    if point == COMMITTED:
        assert told in ({None, *TOLD[kind]} if kind in FATAL else {None}), told
    else:
        assert is_caught or told in TOLD[kind] and (point != "sequence" or kind not in ("error", "panic")), told
    if kind in FATAL:
        # At the latest now: memory and interrupts are not asked for everywhere.
        if not writer.closed:
            with pytest.raises(psycopg.OperationalError) as late:
                scene.hits(writer)
            told = told or state_of(late.value)
        assert writer.closed and told in TOLD[kind], told
    else:
        if writer.info.transaction_status != IDLE:
            writer.execute("rollback")
        assert scene.hits(writer)[point][1] == happened + 1, "nothing happened"
    failed = point == COMMITTED and kind in ("error", "panic", "memory")
    assert scene.warnings == (["pg_reldiff has failed where nothing may fail, and goes on"] if failed else [])
    reason = f"pg_reldiff could not sequence the transactions that wait for it: fault at {point}"
    assert scene.logged == ([reason] if is_caught else [])
    if failed:
        # The connection still listens to who wants it to stop.
        writer.execute("set statement_timeout = '10ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            writer.execute("select pg_sleep(10)")
        writer.execute("reset statement_timeout")
    scene.tally[point, kind] += 1
    scene.check(pid if writer.closed else None)


def state_of(error):
    """None where the connection was closed before libpq had read why."""
    if error.sqlstate or "server closed the connection unexpectedly" in str(error):
        return error.sqlstate
    # The answer to a commit and the end of the connection may come at once.
    no_memory = ("FATAL:  out of memory", "received 2 results from command 'COMMIT'")
    return dict.fromkeys(no_memory, "53200").get(str(error).splitlines()[0], str(error))


def wake(dsn: str, pid: int) -> None:
    """Cancel what the writer does, once it sleeps."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        until(lambda: connection.execute("select from pg_stat_activity where pid = %s and wait_event_type = 'Extension'",
                                            (pid,)).fetchall())
        connection.execute("select pg_cancel_backend(%s)", (pid,))


@pytest.mark.parametrize("kind", TOLD)
def test_faults_are_clean_errors_or_harmless(scene, come, kind):
    for shape in SHAPES:
        for point, count in come[shape].items():
            # The first time, and in the middle of many.
            for nth in {1, count // 2 + 1}:
                try:
                    one(scene, shape, point, kind, nth)
                except Exception as error:
                    raise AssertionError(f"{shape.__name__}, {point}:{kind}:{nth}") from error


@pytest.mark.parametrize("kind", TOLD)
def test_faults_of_retention(dsn, scene, kind):
    """In the background process that removes old events: the next one does what this one has left undone."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        database = dsn.removeprefix("dbname=")
        for setting in ("retention = '1s'", "maintenance_interval = 0", f"fault = 'retention:{kind}'"):
            admin.execute(f"alter database {database} set reldiff.{setting}")
        admin.execute("create table t (id integer primary key)")
        session = new_session(admin, "t")
        admin.execute("insert into t values (1)")
        settle(admin)
        time.sleep(1.1)
        # The one that gives places has nothing to do.
        end_process(admin)
        waker = threading.Thread(target=wake_process, args=(dsn,)) if kind == "sleep" else None
        if waker:
            waker.start()
        # Whoever has it done hears that it has ended too early.
        try:
            admin.execute("select event.maintain()")
            has_failed = False
        except psycopg.errors.ObjectNotInPrerequisiteState:
            has_failed = True
        if waker:
            waker.join()
        until(lambda: not admin.execute(PROCESS).fetchall())
        removed = admin.execute("select from event.removed_segment").rowcount
        # Where interrupts are not looked for, nothing has happened.
        assert removed == 0 or None in TOLD[kind] and kind != "heap"
        assert removed == 1 or has_failed
        assert len(events(admin, session)) == 1
        admin.execute(f"alter database {database} reset reldiff.fault")
        admin.execute("select event.maintain()")
        assert admin.execute("select from event.removed_segment").rowcount == 1
        admin.execute("insert into t values (2)")
        settle(admin)
        assert [event["type"] for event in events(admin, session)] == ["overflow", "row_insert"]
        scene.tally["retention", kind] += 1


@pytest.mark.parametrize("kind", TOLD)
def test_faults_of_the_sequencer(dsn, connect, scene, kind):
    """In the background process that gives places: it is late, and nothing is lost or heard twice."""
    admin, listener, holder = connect(), Listener(connect()), Holder(dsn)
    database = dsn.removeprefix("dbname=")
    admin.execute("create table t (id integer primary key)")
    session = new_session(admin, "t")
    listener.listen(session)
    admin.execute("set reldiff.commit_lock_timeout = 0")
    for start, (point, nth) in zip(range(0, 1000, 10), SEQUENCER[scene.delivery].items()):
        admin.execute(f"alter database {database} set reldiff.fault = '{point}:{kind}:{nth}'")
        with holder.holds():
            for n in range(3):
                admin.execute("insert into t values (%s)", (start + n,))
            first = until(lambda: admin.execute(PROCESS).fetchone())
        if kind == "sleep":
            wake_process(dsn)
        # Where interrupts are not looked for, nothing has happened.
        until(lambda: first not in admin.execute(PROCESS).fetchall())
        told, expected = keys(admin, session), [start, start + 1, start + 2]
        if point == COMMITTED:
            # What ends the process may do so before they are its turn.
            assert told == expected or told == [] and kind in FATAL
        else:
            assert told == [] or None in TOLD[kind] and kind != "heap" and told == expected, point
        admin.execute(f"alter database {database} reset reldiff.fault")
        until(lambda: is_mended(admin), "their places")
        told = events(admin, session)
        assert [event["key"]["id"] for event in told] == expected, point
        assert [event["cursor"] for event in listener.events()] == [event["cursor"] for event in told], point
        admin.execute("select event.ack(%s, %s)", (told[-1]["cursor"], session))
        end_process(admin)
        scene.tally[point, kind] += 1
    holder.close()


def test_points_of_the_sequencer(dsn, connect, scene):
    """It comes to no others: what it has to know of a change is stored."""
    admin, name = connect(), dsn.removeprefix("dbname=")
    admin.execute("set reldiff.delivery = sequencer")
    admin.execute("create table t (id integer primary key)")
    session = new_session(admin, "t")
    others = [point for point in scene.hits(scene.observer) if point not in SEQUENCER["sequencer"]]
    for n, point in enumerate(others):
        admin.execute(f"alter database {name} set reldiff.fault = '{point}'")
        end_process(admin)
        admin.execute("insert into t values (%s)", (n,))
        settled(admin)
    assert keys(admin, session) == list(range(len(others))) and len(others) > 8


def keys(connection, session: str) -> list:
    return [event["key"]["id"] for event in events(connection, session)]


def end_process(connection) -> None:
    end = f"select pg_terminate_backend(pid) from ({PROCESS}) p"
    until(lambda: connection.execute(end) and not connection.execute(PROCESS).fetchall())


def is_mended(connection) -> bool:
    """One that was started while the fault was set may fail as the first one did, and may not have begun when the others are ended."""
    end_process(connection)
    try:
        return settled(connection, seconds=2) > 0
    except AssertionError:
        return False


def wake_process(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        until(lambda: connection.execute(f"{PROCESS} and wait_event_type = 'Extension'").fetchall())
        connection.execute(f"select pg_cancel_backend(pid) from ({PROCESS}) p")


@pytest.mark.parametrize("scene", ["inline"], indirect=True)
@pytest.mark.parametrize("shape, fault", [(plain, "pre_commit_end:error"), (sequencing, "position:error:2")], ids=["its own", "of others"])
def test_p09_who_was_to_lead_a_stretch_fails(scene, shape, fault):
    """The next one leads (src/tables/stretch.rs). A sequencer that fails ends, and takes along what it knows."""
    for _ in range(10):
        writer = scene.start()
        point = fault.split(":")[0]
        happened = scene.hits(writer)[point][1]

        def arm():
            # More than a stretch.
            writer.execute("select pg_logical_emit_message(false, 'reldiff', repeat('x', 70000))")
            writer.execute(f"set reldiff.fault = '{fault}'")

        try:
            shape(scene, arm)
        except psycopg.errors.InternalError_:
            pass
        assert scene.hits(writer)[point][1] == happened + 1
        scene.check(None)


@pytest.mark.parametrize("shape", [plain, savepoint, attached, spilled, unplaced, sequencing], ids=lambda shape: shape.__name__)
def test_each_allocation_can_fail(scene, shape):
    """From the trigger on, or from the reading of what is replayed; of very many the later ones are passed over more and more."""
    point = {attached: "page_read", sequencing: "sequence"}.get(shape, "trigger")
    later = ended = 0
    while True:
        writer = scene.start()
        pid = writer.info.backend_pid
        try:
            shape(scene, lambda: writer.execute(f"set reldiff.fault = '{point}:heap+{later}'"))
            # The commit may have been the last that asked for memory, or have asked for less.
            writer.execute("set reldiff.fault = ''")
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            assert state_of(error) in TOLD["heap"]
            # The answer to the commit and the end of the connection may come at once.
            if not writer.closed:
                with pytest.raises(psycopg.OperationalError):
                    writer.execute("select")
            assert writer.closed
        assert scene.warnings == []
        scene.check(pid if writer.closed else None)
        if not writer.closed:
            break
        ended += 1
        later += 1 + later // 20
    print(f"{shape.__name__}: {ended} of about {later} allocations failed")
    # With the sequencer a writer renders nothing.
    assert ended >= (30 if scene.delivery == "inline" else 15)


def test_every_point_was_hit(scene, come):
    """Behind the others: of those that ran it has the counts."""
    points = list(scene.hits(scene.observer))
    print(f"{scene.delivery}: {sum(scene.tally.values())} faults in {len(come)} shapes; by point and kind:")
    print("                 " + "".join(f"{kind:>10}" for kind in TOLD))
    for point in points:
        print(f"{point:<17}" + "".join(f"{scene.tally[point, kind]:>10}" for kind in TOLD))
    for point in points:
        assert all(scene.tally[point, kind] for kind in TOLD), point


def test_wrong_settings_are_refused(scene):
    for wrong in ("nowhere", "append:hunger", "append:heap+x", "append:error:0", "append:error:x", "append:error:1:1"):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            scene.observer.execute(f"set reldiff.fault = '{wrong}'")
