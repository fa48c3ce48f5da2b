"""Ten to a million row subscriptions: what they cost the update of a subscribed row, a backend's memory, and whoever
subscribes or unsubscribes among them.

The same ten rows are updated everywhere, and every contender's table is as big.
"""

import re
import statistics
import time
from pathlib import Path

import contenders as c
from database import connected
from figures import Column, Table, rounds
from workloads import Found

TABLE = """
create table item (id integer primary key, name text, score integer not null) with (fillfactor = 50);
insert into item select n, 'name ' || n, 0 from generate_series(1, {size}) n;
vacuum analyze item;
"""
SUBSCRIBED = """
select event.session_create(attach => false);
select count(event.subscribe_row('item', n * {step}, session_id => id)) from event.session, generate_series(1, {count}) n;
"""

# The ten rows that are subscribed everywhere.
UPDATES = """
do $$
begin
    for n in 1..{updates} loop
        update item set score = score + 1 where id = (n % 10 + 1) * {step};
        commit;
    end loop;
end
$$
"""
# A backend's memory is looked at after so many.
FEW = 1_000
# Times of subscribing and unsubscribing in one round.
CALLS = 20


def anonymous_kb(connection) -> int:
    """Memory of the backend that it shares with nobody."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{connection.info.backend_pid}/status").read_text())[1])


def memory(database, step: int) -> dict:
    """What a fresh backend takes for its first updates."""
    connection = connected(database.cluster, database.name)
    connection.execute("load 'pg_reldiff'")
    before = anonymous_kb(connection)
    connection.execute(UPDATES.format(updates=FEW, step=step))
    grown = anonymous_kb(connection) - before
    connection.close()
    return {"memory": grown / 1024}


def calls(database, size: int) -> dict:
    """Milliseconds of a subscription to a row that is not subscribed, and of its end."""
    session, times = database.inbox.session, {"subscribe": [], "unsubscribe": []}

    def timed(kind: str, statement: str, *arguments):
        begun = time.perf_counter()
        answer, = database.owner.execute(statement, arguments).fetchone()
        times[kind].append((time.perf_counter() - begun) * 1000)
        return answer

    for number in range(CALLS):
        made = timed("subscribe", "select event.subscribe_row('item', %s, session_id => %s)", size + 1 + number, session)
        timed("unsubscribe", "select event.unsubscribe(%s)", made)
    return {kind: statistics.median(measured) for kind, measured in times.items()}


def run(bench) -> Found:
    options, size = bench.options, max(bench.options.rows)
    contenders = [c.OURS.named(f"rows_{count}", SUBSCRIBED.format(count=count, step=size // count)) for count in options.rows]
    step = size // min(options.rows)

    def measure(database) -> dict:
        with database.listener.listening() as listener:
            figure = database.write(UPDATES.format(updates=options.updates, step=step), options.updates)
            grown = memory(database, step)
            listener.settle(options.updates + FEW)
        figure |= {**grown, **calls(database, size), "events": listener.events, "read": database.inbox.read(listener.events)}
        database.owner.execute("vacuum item")
        database.owner.execute("checkpoint")
        return figure

    with bench.databases(contenders, TABLE.format(size=size), synchronous_commit="off", max_wal_size="'8GB'") as opened:
        figures = rounds(list(opened.values()), measure, options.rounds)
    columns = [Column("backend CPU µs/update", "cpu", digits=2), Column("memory of a fresh backend, MB", "memory", digits=2, compare=""),
               Column("subscribe_row, ms", "subscribe", digits=3, compare=""), Column("unsubscribe, ms", "unsubscribe", digits=3, compare="")]
    table = Table(f"rows: row subscriptions to a table of {size:,} rows", figures, columns, {"events": "events received", "read": "events read"})
    return Found([table], {("rows",): figures})
