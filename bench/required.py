"""What is to be reached, line by line, and what was.

Ratios hold on every machine, absolute figures do not: where a figure is absolute, the line below it says the same as a
ratio to tcn, both as they were measured when the figure was set.
"""

from figures import Requirement, differences, ratios, spread, values

# Instructions were counted by callgrind, in a backend without a client.
ONE_UPDATE = """an update of one field costs 41,000 instructions more with an inbox and a notification. 29,000 of them are the
server's: a row with an index entry (14,000), five locks (8,500), the trigger (3,600) and the notification (2,600)."""
LISTENER = ONE_UPDATE + """ Waking the listener costs time, too: tcn, whose payload is a few words and which stores nothing, has {} here."""
ONE_BY_ONE = "NOTIFY takes a lock before the flush and keeps it until the commit is visible, so that writers who notify flush one after the other."
BARE_TRIGGER = "of that a row trigger in C that does nothing takes {}: the server fetches both versions of the row again, and calls it."
ONE_SEARCH = BARE_TRIGGER + " The rest is one search for the row's key in the index of row subscriptions, which serves any number of them."
PENDING = """of the 30,000 instructions that a row costs more, 7,000 are the server's look for duplicates among a transaction's notifications, by a
hash table of all of them. The payloads of all, 100 MB, are in memory until the commit. Then the server opens, writes and closes a file of its
queue for each page of 8 kB, 11,000 times: the system takes a third of the time (perf, strace)."""
BULK_ROW = """a row costs 13,000 instructions more than without a trigger: 4,000 for the server to queue and call it, 5,000 to compare and record
the row, 2,000 to store it."""
TWO_COMMITS = "two commits follow one another: the writer's, and that of the sequencer, which flushes the places before anybody hears of them."


def rows(figures: dict, options) -> list:
    """`figures` by what the workloads call them; those of a workload that did not run are not there."""
    def of(*key) -> dict:
        return figures.get(key, {})

    one, many = of("update", 1, "off", True), of("update", 16, "on", True)
    quiet = of("update", 1, "off", False)
    nothing, sessions, writers, latency = of("nothing"), of("sessions"), of("writers"), of("latency")
    most, most_rows, fewest_rows = options.sessions[-1], f"rows_{max(options.rows)}", f"rows_{min(options.rows)}"
    rates = [values(of("read"), name, "rate") for name in of("read")]
    required = [
        Requirement("one-field UPDATE, 1 client, synchronous_commit off, with a listener: inline ÷ no trigger", 0.72,
                    ratios(one, "inline", "no_trigger", "tps"), digits=3,
                    why=LISTENER.format(spread(ratios(one, "tcn", "no_trigger", "tps"), 2) if "tcn" in one else "no figure")),
        Requirement("the same, nobody listens", 0.72, ratios(quiet, "inline", "no_trigger", "tps"), digits=3, why=ONE_UPDATE),
        Requirement("16 clients, synchronous_commit on: inline ÷ no trigger", 0.19, ratios(many, "inline", "no_trigger", "tps"), digits=3, why=ONE_BY_ONE),
        Requirement("the same: inline ÷ tcn (0.19 / 0.26)", 0.73, ratios(many, "inline", "tcn", "tps")),
        Requirement("the same: sequencer ÷ no trigger", 0.70, ratios(many, "sequencer", "no_trigger", "tps"), digits=3),
        Requirement("the same: sequencer ÷ tcn", 2.7, ratios(many, "sequencer", "tcn", "tps")),
    ]
    bare = differences(nothing, "empty_trigger", "no_trigger", "cpu")
    for name, why in (("another_row", ONE_SEARCH), ("another_column", BARE_TRIGGER), ("unsubscribed", BARE_TRIGGER)):
        required.append(Requirement(f"nothing matches ({name.replace('_', ' ')}): added backend CPU", 1.0,
                                    differences(nothing, name, "no_trigger", "cpu"), "µs/update", at_least=False,
                                    why=why.format(spread(bare, 2) if bare else "some")))
    for statement, contender, what, limit, tcn in BULK:
        bulk = of("bulk", statement)
        why = PENDING if contender == "inline_all" else BULK_ROW
        required.append(Requirement(f"bulk {statement}, {what}: backend CPU", limit, values(bulk, contender, "cpu"), "µs/row", at_least=False, why=why))
        required.append(Requirement(f"the same ÷ tcn ({limit} / {tcn})", round(limit / tcn, 2), ratios(bulk, contender, "tcn", "cpu"), at_least=False))
    return required + [
        Requirement(f"CPU of an update with {max(options.rows):,} row subscriptions ÷ with {min(options.rows)}", 1.1,
                    ratios(of("rows"), most_rows, fewest_rows, "cpu"), at_least=False),
        Requirement("events() in pages of 1,000, the slowest inbox", 100_000, min(rates, key=sum, default=[]), "events/s", digits=0),
        Requirement("statement → listener, p50: inline ÷ tcn", 1.2, ratios(latency, "inline", "tcn", "p50"), at_least=False),
        Requirement("the same: sequencer ÷ tcn", 1.2, ratios(latency, "sequencer", "tcn", "p50"), at_least=False, why=TWO_COMMITS),
        Requirement(f"{most:,} sessions on one table: shared channel ÷ own channels", 10,
                    ratios(sessions, f"shared_{most}", f"own_{most}", "tps"), digits=1),
        Requirement(f"memory of a backend with {max(options.rows):,} row subscriptions", 16, values(of("rows"), most_rows, "memory"), "MB", at_least=False),
        Requirement("subscribe_row among them", 2, values(of("rows"), most_rows, "subscribe"), "ms", at_least=False),
        Requirement("unsubscribe among them", 2, values(of("rows"), most_rows, "unsubscribe"), "ms", at_least=False),
        Requirement(f"the writer's CPU with {options.most_sessions:,} sessions and the sequencer ÷ with one", 3,
                    ratios(writers, f"writer_{options.most_sessions}", "writer_1", "cpu"), at_least=False),
    ]


# Statement, contender, how it notifies, the most microseconds for a row, and what tcn took then.
BULK = [
    ("UPDATE", "inline", "one nudge", 5.0, 3.3),
    ("UPDATE", "inline_all", "a notification for each field", 6.5, 3.3),
    ("INSERT", "inline", "one nudge", 3.7, 2.2),
    ("DELETE", "inline", "one nudge", 2.0, 1.2),
]
