"""A client that changes tables at random: transactions, savepoints, PL/pgSQL exception blocks, statements."""

import random
from collections import Counter

import psycopg
from psycopg import errors

from changes import Change, Changes
from shapes import literal

# What a table or another client may answer to a random statement; anything else is a failure of the test.
REFUSED = (errors.IntegrityError, errors.TriggeredDataChangeViolation, errors.CardinalityViolation, errors.DeadlockDetected)

# The default, and the least: then even small transactions are written to the log early.
OUTBOX = ("set local reldiff.outbox_memory = '8MB'", *["set local reldiff.outbox_memory = '64kB'"] * 3)

FUNCTIONS = """
create function remove(relation text, condition text) returns bigint language plpgsql as $$
declare
    removed bigint;
begin
    execute format('delete from %s where %s', relation, condition);
    get diagnostics removed = row_count;
    return removed;
end $$;
-- Statements in an exception block: how many rows each of them changed, or null if they were undone.
create function block(statements text[], undone boolean) returns bigint[] language plpgsql as $$
declare
    statement text;
    changed bigint;
    counts bigint[] = '{}';
begin
    foreach statement in array statements loop
        execute statement;
        get diagnostics changed = row_count;
        counts = counts || changed;
    end loop;
    if undone then
        raise exception 'undone';
    end if;
    return counts;
exception when raise_exception or integrity_constraint_violation or triggered_data_change_violation or cardinality_violation or
               deadlock_detected then
    return null;
end $$;
"""


class Writer:
    """`settings` are chosen from for each transaction. Counts what was committed, and savepoints that were rolled back."""

    def __init__(self, dsn: str, shapes: list, seed: str, settings: tuple = ()):
        # Random statements of several clients deadlock all the time.
        self.connection = psycopg.connect(dsn, autocommit=True, options="-c deadlock_timeout=5ms")
        self.connection.execute("load 'pg_reldiff'")
        self.random = random.Random(seed)
        self.changes = Changes(self.random)
        self.shapes, self.settings = shapes, settings
        self.counts = Counter()
        # What the transaction has done, and the keys that it has deleted, each with its shape.
        self.script, self.gone = [], []
        self._names = 0

    def run(self, transactions: int) -> None:
        while self.counts["transactions"] < transactions:
            self.transaction()
        self.connection.close()

    def transaction(self, before_commit=lambda: None) -> bool:
        """Whether it was committed; `script` is what it did."""
        self.script, self.gone = [], []
        self._do("begin")
        try:
            if self.settings:
                self._do(self.random.choice(self.settings))
            done = self._steps(0)
            if self.random.random() < 0.05:
                self._do("rollback")
                return False
            before_commit()
            self._do("commit")
        except REFUSED:
            self._do("rollback")
            self.counts["refused transactions"] += 1
            return False
        self.counts += done
        self.counts["transactions"] += 1
        return True

    def _do(self, text: str) -> psycopg.Cursor:
        self.script.append(text)
        return self.connection.execute(text)

    def _steps(self, depth: int) -> Counter:
        done = Counter()
        for _ in range(self.random.randint(1, 3)):
            kind = self.random.random()
            if kind < 0.25 and depth < 3:
                done += self._savepoint(depth)
            elif kind < 0.4:
                done += self._block()
            else:
                done += self._guarded()
        return done

    def _savepoint(self, depth: int) -> Counter:
        """Released, rolled back, rolled back and used again, or left open."""
        self._names += 1
        name = f"s{self._names}"
        self._do(f"savepoint {name}")
        try:
            done = self._steps(depth + 1)
            end = self.random.choice(["release", "leave", "rollback", "rollback", "again"])
            if end in ("rollback", "again"):
                self._do(f"rollback to {name}")
                done = Counter({"rolled-back savepoints": 1})
            if end == "again":
                done += self._steps(depth + 1)
        except REFUSED:
            self._do(f"rollback to {name}")
            return Counter({"refused": 1})
        if end != "leave":
            self._do(f"release {name}")
        return done

    def _next(self) -> Change:
        if self.gone and self.random.random() < 0.8:
            return self.changes.reinsert(*self.gone.pop())
        return self.changes.any(self.random.choice(self.shapes))

    def _block(self) -> Counter:
        """Statements in an exception block, which may be nested."""
        changes = [change for change in (self._next() for _ in range(self.random.randint(1, 3))) if change.rows is None]
        if not changes:
            return Counter()
        undone = self.random.random() < 0.3
        texts = [change.text for change in changes]
        if self.random.random() < 0.3:
            texts.append(self._call(texts[:1], self.random.random() < 0.5))
        counts, = self._do(self._call(texts, undone)).fetchone()
        if counts is None:
            return Counter({"undone blocks": 1})
        done = Counter({"blocks": 1})
        for change, rows in zip(changes, counts):
            done[change.kind] += rows
        return done

    def _call(self, texts: list, undone: bool) -> str:
        array = ", ".join(literal(text, "text") for text in texts)
        return f"select block(array[{array}], {undone})"

    def _guarded(self) -> Counter:
        """A statement; most of them in a savepoint, so that one that is refused takes nothing else along."""
        change = self._next()
        if self.random.random() < 0.4:
            return self._change(change)
        self._names += 1
        name = f"s{self._names}"
        self._do(f"savepoint {name}")
        try:
            done = self._change(change)
        except REFUSED:
            self._do(f"rollback to {name}")
            done = Counter({"refused": 1})
        self._do(f"release {name}")
        return done

    def _change(self, change: Change) -> Counter:
        if change.rows is None:
            cursor = self._do(change.text)
            if change.returns_keys:
                self.gone += [(change.shape, key) for key in cursor]
        else:
            self.script.append(f"{change.text}; {change.rows}")
            cursor = self.connection.cursor()
            with cursor.copy(change.text) as copy:
                for row in change.rows:
                    copy.write_row(row)
        rows = 1 if change.kind == "truncates" else cursor.rowcount
        return Counter({change.kind: rows})
