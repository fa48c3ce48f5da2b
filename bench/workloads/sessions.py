"""Many sessions on one table, each with its own channel and listener, or all on one channel with one listener.

Each update is an event for each session, and all are received: on the shared channel a notification names up to 64
sessions, and stands as a nudge for more. Then the sequencer: what many sessions cost the writer, for whom it notifies.
"""

import time

import contenders as c
from figures import Column, Table, rounds
from pgbench import pgbench
from workloads import Found
from workloads.nothing import UPDATES
from workloads.update import CHANGES, SCRIPT
from workloads.update import TABLE as ITEM

SESSIONS = """
select count(event.session_create(attach => false{channel})) from generate_series(1, {count});
select count(event.subscribe_table('item', session_id => id)) from event.session;
"""
SHARED = ", channel => 'all'"

# More would be many millions of events.
MOST_EVENTS = 5_000_000


def name(kind: str, count: int) -> str:
    return f"{kind}_{count}"


def with_sessions(kind: str, count: int, channel: str, delivery: str = "inline"):
    contender = c.OURS.with_settings(**{"reldiff.delivery": delivery})
    return contender.named(name(kind, count), SESSIONS.format(count=count, channel=channel))


def many_listeners(bench) -> tuple:
    options = bench.options
    contenders = [with_sessions(kind, count, channel) for count in options.sessions for kind, channel in (("own", ""), ("shared", SHARED))]

    def measure(database) -> dict:
        sessions = int(database.name.rpartition("_")[2])
        before = database.one(CHANGES)
        with database.listener.listening() as listener, database.meter() as meter:
            run = pgbench(database.cluster, database.name, SCRIPT, seconds=options.seconds)
            ended = time.perf_counter()
            changes = database.one(CHANGES) - before
            listener.settle(changes * sessions)
            behind = max(0.0, listener.last - ended) * 1000
        return {"tps": run.tps, "cpu": meter.seconds * 1e6 / run.transactions, "behind": behind, "changes": changes,
                "events": listener.events, "notifications": listener.notifications, "read": database.inbox.read(changes)}

    connections = sum(options.sessions) + 10 * len(contenders) + 50
    with bench.databases(contenders, ITEM, synchronous_commit="off", max_connections=str(connections)) as opened:
        figures = rounds(list(opened.values()), measure, options.rounds)
    columns = [Column("transactions/s", "tps", compare=""), Column("CPU µs/transaction", "cpu", compare=""),
               Column("last event ms after the end", "behind", compare="")]
    counts = {"changes": "changes", "events": "events received", "notifications": "notifications", "read": "events read by one session"}
    return figures, Table("sessions: own channels and a shared one, inline", figures, columns, counts)


def pairs(figures: dict, counts: tuple) -> Table:
    """Shared ÷ own, round by round."""
    compared = {f"{count:,}": [{"ratio": shared["tps"] / own["tps"]} for shared, own in
                                       zip(figures[name("shared", count)], figures[name("own", count)])] for count in counts}
    return Table("sessions: shared channel ÷ own channels, by their number", compared, [Column("ratio of transactions/s", "ratio", digits=2, compare="")])


def writers(bench) -> tuple:
    """The writer's processor time, with the sequencer."""
    most = bench.options.most_sessions
    contenders = [with_sessions("writer", count, SHARED, "sequencer") for count in (1, most)]
    updates = min(bench.options.updates, MOST_EVENTS // most)

    def measure(database) -> dict:
        sessions = int(database.name.rpartition("_")[2])
        with database.listener.listening() as listener:
            figure = database.write(UPDATES.format(updates=updates), updates)
            listener.settle(updates * sessions)
        return {**figure, "events": listener.events, "read": database.inbox.read(updates)}

    with bench.databases(contenders, ITEM, synchronous_commit="off") as opened:
        figures = rounds(list(opened.values()), measure, bench.options.rounds)
    return figures, Table(f"sessions: the writer, with the sequencer and a shared channel, {updates:,} updates in each round", figures,
                          [Column("writer's CPU µs/update", "cpu", digits=2), Column("wall µs/update", "wall", digits=2)],
                          {"events": "events received", "read": "events read by one session"})


def run(bench) -> Found:
    figures, table = many_listeners(bench)
    of_writers, table_of_writers = writers(bench)
    return Found([table, pairs(figures, bench.options.sessions), table_of_writers],
                 {("sessions",): figures, ("writers",): of_writers})
