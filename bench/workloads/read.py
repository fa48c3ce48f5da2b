"""Reading an inbox by events(), in pages of 1,000: events per second, and processor time of the backend for each event.

Each inbox is read from its beginning to its end by the cursor of the last event. The client takes all columns and
counts the events; one that is missing fails the run.
"""

import time

import contenders as c
from figures import Column, Table, rounds
from processor import cpu_seconds
from workloads import Found

from harness.run import Trouble

TABLE = """
create table item (id integer primary key, name text, score integer);
"""

BULK = """
insert into item select n, 'name ' || n, n from generate_series(1, {events} / 2) n;
update item set score = score + 1 where id <= {events} / 4;
delete from item where id <= {events} / 4;
"""

SMALL = """
do $$
begin
    for n in 1..{events} / 2 loop
        insert into item values (n, 'name ' || n, n);
        commit;
        update item set score = score + 1 where id = n;
        commit;
    end loop;
end
$$;
"""

# Of as many events: few large transactions, one for each event, and the shorter format.
INBOXES = {"large": ("full", BULK), "single": ("full", SMALL), "compact": ("compact", BULK)}

PAGE = 1_000


def pages(database) -> int:
    """Reads everything; how many events that were."""
    cursor, count = None, 0
    while True:
        # The driver makes no Python objects of what is not asked for: it is the server that is measured.
        page = database.writer.execute("select * from event.events(%s, %s, %s)", (database.inbox.session, cursor, PAGE)).pgresult
        if page.ntuples == 0:
            return count
        count += page.ntuples
        cursor = page.get_value(page.ntuples - 1, 0).decode()


def run(bench) -> Found:
    events = bench.options.events
    contenders = [c.ours(name, form=form).named(name, fill.format(events=events) + "vacuum analyze;").without_listener()
                  for name, (form, fill) in INBOXES.items()]

    def measure(database) -> dict:
        pid = database.writer.info.backend_pid
        begun, used = time.perf_counter(), cpu_seconds(pid)
        count = pages(database)
        seconds, used = time.perf_counter() - begun, cpu_seconds(pid) - used
        if count != events:
            raise Trouble(f"{count} events were read from {database.name} instead of {events}.")
        return {"rate": count / seconds, "cpu": used * 1e6 / count, "read": count}

    with bench.databases(contenders, TABLE, synchronous_commit="off") as opened:
        figures = rounds(list(opened.values()), measure, bench.options.rounds)
    columns = [Column("events/s", "rate", digits=0), Column("backend CPU µs/event", "cpu", digits=2)]
    return Found([Table(f"read: events() in pages of {PAGE:,}", figures, columns, {"read": "events read"})], {("read",): figures})
