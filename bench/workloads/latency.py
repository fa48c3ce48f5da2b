"""From a statement to the listener, synchronous_commit on: an update is sent, and its notification waited for, one after
the other."""

import selectors
import statistics
import time

import contenders as c
from figures import Column, Table, rounds
from psycopg import pq
from workloads import Found
from workloads.update import CHANGES, TABLE

from harness.run import Trouble

CONTENDERS = [c.TCN, c.FLOOR, c.PLPGSQL_JSON, c.PLPGSQL_DIFF, c.INLINE, c.SEQUENCER]
# Not timed: the first ones load libraries, and start the sequencer.
FIRST = 20

COLUMNS = [Column("p50 µs", "p50", digits=0), Column("p99 µs", "p99", digits=0)]
COUNTS = {"events": "events received"}


def once(writer, listener, selector) -> float:
    """Microseconds until the notification is here. The statement's own result is taken, too, whichever comes first."""
    answered, heard = False, None
    begun = time.perf_counter()
    writer.send_query(b"update item set score = score + 1 where id = 500")
    writer.flush()
    while not answered or heard is None:
        ready = selector.select(30)
        now = time.perf_counter()
        if not ready:
            raise Trouble("A notification was lost." if answered else "An update does not end.")
        for key, _ in ready:
            key.data.consume_input()
            if key.data is listener:
                while listener.notifies() is not None:
                    if heard is not None:
                        raise Trouble("One update was notified twice.")
                    heard = now
            else:
                while not answered and not writer.is_busy():
                    result = writer.get_result()
                    if result is not None and result.status != pq.ExecStatus.COMMAND_OK:
                        raise Trouble(f"An update failed: {result.error_message.decode()}")
                    answered = result is None
    return (heard - begun) * 1e6


def one_round(database, count: int) -> dict:
    """So many statements; all that they changed has been received and read when this returns."""
    writer, (listener,) = database.owner.pgconn, database.listener.connections
    before = database.one(CHANGES)
    database.listener.listen()
    with selectors.DefaultSelector() as selector:
        for connection in (writer, listener):
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        times = [once(writer, listener, selector) for _ in range(FIRST + count)][FIRST:]
    database.listener.unlisten()
    if database.listener.events or database.one(CHANGES) - before != FIRST + count:
        raise Trouble(f"{database.name} notified something else, too.")
    if database.inbox:
        database.inbox.read(FIRST + count)
    return {"p50": statistics.median(times), "p99": statistics.quantiles(times, n=100)[98], "events": FIRST + count}


def run(bench) -> Found:
    count = bench.options.statements
    with bench.databases(CONTENDERS, TABLE) as opened:
        figures = rounds(list(opened.values()), lambda database: one_round(database, count), bench.options.rounds)
    title = f"latency: statement to listener, synchronous_commit on, {count:,} statements in each round"
    return Found([Table(title, figures, COLUMNS, COUNTS)], {("latency",): figures})
