"""Bulk INSERT, UPDATE of two columns and DELETE: processor time of the backend for each row.

One session of ours gets one nudge for each statement, or with `reldiff.notify_limit = 0` a notification for each
event; either way all events are in its inbox.
"""

import contenders as c
from figures import Column, Table, rounds
from workloads import Found

from harness.run import Trouble

TABLE = """
create table item (id integer primary key, name text, score integer);
"""

INLINE_ALL = c.INLINE.named("inline_all").with_settings(**{"reldiff.notify_limit": 0, "reldiff.notify_bytes": "1GB"})
SEQUENCER_ALL = c.SEQUENCER.named("seq_all").with_settings(**{"reldiff.notify_limit": 0, "reldiff.notify_bytes": "1GB"})
CONTENDERS = [c.NO_TRIGGER, c.EMPTY_TRIGGER, c.TCN, c.PLPGSQL_JSON, c.PLPGSQL_DIFF, c.FLOOR, c.INLINE, INLINE_ALL, c.SEQUENCER, SEQUENCER_ALL]
NUDGED = (c.INLINE.name, c.SEQUENCER.name)
BY_FIELD = (c.PLPGSQL_DIFF.name, INLINE_ALL.name, SEQUENCER_ALL.name, *NUDGED)

# In this order, so that a round leaves an empty table.
STATEMENTS = {
    "INSERT": "insert into item select n, 'name ' || n, n from generate_series(1, {rows}) n",
    "UPDATE": "update item set name = 'other ' || id, score = score + 1",
    "DELETE": "delete from item",
}

COLUMNS = [Column("backend CPU µs/row", "cpu", digits=2), Column("with listener and sequencer", "all", digits=2, compare=""),
           Column("wall µs/row", "wall", digits=2)]
COUNTS = {"events": "events received", "notifications": "notifications", "read": "events read"}


def one_statement(database, statement: str, rows: int, events: int) -> dict:
    """All of its events have been received and read when this returns."""
    if database.listener is None:
        with database.meter() as meter:
            figure = database.write(statement, rows)
        return {**figure, "all": meter.seconds * 1e6 / rows}
    with database.listener.listening() as listener:
        with database.meter() as meter:
            figure = database.write(statement, rows)
            listener.settle(events)
        if listener.notifications != (1 if database.name in NUDGED else events):
            raise Trouble(f"{database.name}: {listener.notifications} notifications for {events} events, {listener.nudges} of them nudges.")
        figure |= {"all": meter.seconds * 1e6 / rows, "events": listener.events, "notifications": listener.notifications}
    if database.inbox:
        figure["read"] = database.inbox.read(events)
    return figure


def run(bench) -> Found:
    found, rows = Found(), bench.options.bulk_rows
    with bench.databases(CONTENDERS, TABLE, synchronous_commit="off") as opened:

        def measure(database) -> dict:
            figures = {}
            for name, statement in STATEMENTS.items():
                events = rows * (2 if name == "UPDATE" and database.name in BY_FIELD else 1)
                figures[name] = one_statement(database, statement.format(rows=rows), rows, events)
            # Not measured: the next round finds the table as this one did.
            database.owner.execute("vacuum item")
            database.owner.execute("checkpoint")
            return figures

        measured = rounds(list(opened.values()), measure, bench.options.rounds)
    for name in STATEMENTS:
        figures = {contender: [each[name] for each in all_of] for contender, all_of in measured.items()}
        title = f"bulk: {name} of {rows:,} rows{', two columns' if name == 'UPDATE' else ''}"
        found.tables.append(Table(title, figures, COLUMNS, COUNTS))
        found.figures["bulk", name] = figures
    return found
