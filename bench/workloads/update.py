"""One-field UPDATE per transaction, by 1 to 32 clients, synchronous_commit on and off.

Whoever notifies has a listener, which drains and counts what it gets; ours are read from the inbox, too. One
client is also measured without listeners, which is what the change itself costs: waking a listener is the server's
own work, and costs the more, the longer the payload.
"""

import time
from contextlib import ExitStack

import contenders as c
from figures import Column, Table, rounds
from pgbench import pgbench
from workloads import Found

TABLE = """
create table item (id integer primary key, score integer not null);
insert into item select n, 0 from generate_series(1, 1000) n;
vacuum analyze item;
"""
CHANGES = "select sum(score) from item"

SCRIPT = """\\set id random(1, 1000)
update item set score = score + 1 where id = :id;
"""
# Starts the sequencer, so that it is not started on the core of a single client.
WAKE = "update item set score = score + 1 where id = 1"

USUAL = [c.NO_TRIGGER, c.EMPTY_TRIGGER, c.TCN, c.PLPGSQL_JSON, c.PLPGSQL_DIFF, c.FLOOR, c.INLINE, c.SEQUENCER]
SILENT = [c.NO_TRIGGER, c.TCN, c.FLOOR, c.INLINE, c.SEQUENCER]

COLUMNS = [Column("transactions/s", "tps"), Column("CPU µs/transaction", "cpu")]
BEHIND = Column("last event ms after the end", "behind", compare="")
COUNTS = {"changes": "changes", "received": "events received", "read": "events read"}


def one_run(database, *, seconds: int, clients: int, synchronous_commit: str, listens: bool) -> dict:
    """Everything that was changed has been received and read when this returns, and counts for the processor time."""
    before = database.one(CHANGES)
    figure = {}
    with ExitStack() as stack:
        listens = listens and database.listener is not None
        if listens:
            stack.enter_context(database.listener.listening())
        if database.is_sequenced:
            database.owner.execute(WAKE)
        with database.meter() as meter:
            run = pgbench(database.cluster, database.name, SCRIPT, seconds=seconds, clients=clients, synchronous_commit=synchronous_commit)
            ended = time.perf_counter()
            figure["changes"] = database.one(CHANGES) - before
            if listens:
                database.listener.settle(figure["changes"])
                figure["received"] = database.listener.events
                figure["behind"] = max(0.0, database.listener.last - ended) * 1000
            if database.inbox:
                figure["read"] = database.inbox.read(figure["changes"])
    return {**figure, "tps": run.tps, "cpu": meter.seconds * 1e6 / run.transactions}


def run(bench) -> Found:
    found, options = Found(), bench.options
    with bench.databases(USUAL + c.COMPACT, TABLE) as opened:

        def compare(contenders: list, clients: int, commit: str, listens: bool) -> None:
            def measure(database) -> dict:
                return one_run(database, seconds=options.seconds, clients=clients, synchronous_commit=commit, listens=listens)

            chosen = [opened[contender.name] for contender in contenders if contender.name in opened]
            figures = rounds(chosen, measure, options.rounds)
            title = f"update: {clients} client{'s' * (clients > 1)}, synchronous_commit {commit}{'' if listens else ', nobody listens'}"
            columns = COLUMNS + [BEHIND] * listens
            found.tables.append(Table(title, figures, columns, COUNTS))
            found.figures["update", clients, commit, listens] = figures

        compare(SILENT, 1, "off", False)
        for clients in options.clients:
            for commit in ("off", "on"):
                with_compact = clients == 1 and commit == "off"
                compare(USUAL + c.COMPACT * with_compact, clients, commit, True)
    return found
