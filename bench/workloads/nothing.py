"""The triggers are there and nothing matches: what they add to a backend's processor time for an update.

A session is subscribed to another row of the table, or to another column, or to nothing any more. No event, no
notification, no place in the order of events: one would fail the run.
"""

import contenders as c
from figures import Column, Table, rounds
from workloads import Found

from harness.run import Trouble

TABLE = """
create table item (id integer primary key, name text, score integer not null);
insert into item select n, 'name ' || n, 0 from generate_series(0, 1000) n;
vacuum analyze item;
"""

UPDATES = """
do $$
begin
    for n in 1..{updates} loop
        update item set score = score + 1 where id = n % 1000 + 1;
        commit;
    end loop;
end
$$
"""

SESSION = "select event.session_create(attach => false);\n"
OURS = [
    c.OURS.named("another_row", SESSION + "select event.subscribe_row('item', 0, session_id => id) from event.session;"),
    c.OURS.named("another_column", SESSION + "select event.subscribe_column('item', 'name', session_id => id) from event.session;"),
    c.OURS.named("unsubscribed", SESSION + "select event.unsubscribe(event.subscribe_table('item', session_id => id)) from event.session;"),
]

# Of a transaction that took the commit lock, or leaves it to another one to do so.
TRACES = "select (select count(*) from event.transaction) + (select count(*) from event.unsequenced) + (select count(*) from event.log)"


def run(bench) -> Found:
    updates = bench.options.updates

    def measure(database) -> dict:
        figure = database.write(UPDATES.format(updates=updates), updates)
        if database.inbox:
            database.inbox.read(0)
            if traces := database.one(TRACES):
                raise Trouble(f"{database.name}: {traces} transactions or changes were recorded, though nothing matches.")
            figure["events"] = database.listener.events
        return figure

    def listened(database) -> dict:
        if database.listener is None:
            return measure(database)
        with database.listener.listening() as listener:
            listener.settle(0)
            return measure(database)

    with bench.databases([c.NO_TRIGGER, c.EMPTY_TRIGGER, *OURS], TABLE, synchronous_commit="off") as opened:
        figures = rounds(list(opened.values()), listened, bench.options.rounds)
    columns = [Column("backend CPU µs/update", "cpu", digits=2, compare="difference"), Column("wall µs/update", "wall", digits=2, compare="difference")]
    notes = [f"{updates:,} updates in each round, each a transaction; no event, no notification and no place in the order of events in any of them."]
    return Found([Table("nothing: triggers are there, nothing matches", figures, columns, {"events": "events received"}, notes)],
                 {("nothing",): figures})
