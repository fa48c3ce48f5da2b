"""Load for the tables `item`: several writers at once."""

import random
import threading

import psycopg


def in_threads(*functions) -> None:
    """Run them at once and raise what any of them raised."""
    failures = []

    def guarded(function):
        try:
            function()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def writing(dsn: str, name: str, transactions: int, seed: int, committed=lambda key: None, settings: tuple = ("",)):
    """A writer: transactions of one to three inserts; some are rolled back, some are too long or too many to notify.

    Every now and then it calls `committed` with a key that it has inserted. `settings` are chosen from for each transaction.
    """
    def write():
        choose = random.Random(f"{seed} {name}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("load 'pg_reldiff'")
            connection.execute("set reldiff.notify_limit = 30")
            for n in range(transactions):
                kind = choose.random()
                with connection.transaction(force_rollback=kind < 0.1):
                    connection.execute(choose.choice(settings))
                    for part in range(choose.randint(1, 3)):
                        connection.execute("insert into item values (%s, %s)",
                                           (f"{name} {n} {part}", "x" * (9000 if kind > 0.9 else 10)))
                    if 0.1 < kind < 0.15:
                        connection.execute("insert into item select %s || s, '' from generate_series(1, 40) s", (f"{name} {n} many ",))
                if kind >= 0.1 and n % 5 == 0:
                    committed(f"{name} {n} 0")
    return write
