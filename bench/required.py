"""What is to be reached, line by line, and what was.

Ratios hold on every machine, absolute figures do not: where a figure is absolute, the line below it says the same as a
ratio to tcn, both as they were measured when the figure was set.
"""

from figures import Requirement, differences, ratios, values


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
                    ratios(one, "inline", "no_trigger", "tps"), digits=3),
        Requirement("the same, nobody listens", 0.72, ratios(quiet, "inline", "no_trigger", "tps"), digits=3),
        Requirement("16 clients, synchronous_commit on: inline ÷ no trigger", 0.19, ratios(many, "inline", "no_trigger", "tps"), digits=3),
        Requirement("the same: sequencer ÷ no trigger", 0.70, ratios(many, "sequencer", "no_trigger", "tps"), digits=3),
        Requirement("the same: sequencer ÷ tcn", 2.7, ratios(many, "sequencer", "tcn", "tps")),
    ]
    for name in ("another_row", "another_column", "unsubscribed"):
        required.append(Requirement(f"nothing matches ({name.replace('_', ' ')}): added backend CPU", 1.0,
                                    differences(nothing, name, "no_trigger", "cpu"), "µs/update", at_least=False))
    for statement, contender, what, limit, tcn in BULK:
        bulk = of("bulk", statement)
        required.append(Requirement(f"bulk {statement}, {what}: backend CPU", limit, values(bulk, contender, "cpu"), "µs/row", at_least=False))
        required.append(Requirement(f"the same ÷ tcn ({limit} / {tcn})", round(limit / tcn, 2), ratios(bulk, contender, "tcn", "cpu"), at_least=False))
    return required + [
        Requirement(f"CPU of an update with {max(options.rows):,} row subscriptions ÷ with {min(options.rows)}", 1.1,
                    ratios(of("rows"), most_rows, fewest_rows, "cpu"), at_least=False),
        Requirement("events() in pages of 1,000, the slowest inbox", 100_000, min(rates, key=sum, default=[]), "events/s", digits=0),
        Requirement("statement → listener, p50: inline ÷ tcn", 1.2, ratios(latency, "inline", "tcn", "p50"), at_least=False),
        Requirement("the same: sequencer ÷ tcn", 1.2, ratios(latency, "sequencer", "tcn", "p50"), at_least=False),
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
