"""P3 and P4 by chance: rows of a hundred types, written under settings that change all the time, against the oracle."""

import os
import random
from collections import Counter

import psycopg
from psycopg import sql

import samples
from generators import Generator
from oracle import ForeignSettings, Oracle
from random_columns import columns
from wire import new_session

ROWS = 10_000
BATCH = 100


class Table:
    """A table `item` with a column for each type, a copy of it that nobody follows, and random values for both."""

    def __init__(self, connection, seed: int):
        self.random = random.Random(f"{seed} table")
        for extension in ("citext", "cube", "hstore", "ltree"):
            connection.execute(f"create extension {extension}")
        connection.execute(samples.BEFORE_KINDS)
        connection.execute(samples.KINDS)
        try:
            connection.execute("select '<a/>'::xml")
            with_xml = True
        except psycopg.errors.FeatureNotSupported:
            with_xml = False
        self.makers = dict(zip(self._names(), columns(Generator(f"{seed} values"), with_xml).items()))
        declared = ", ".join(f"{name} {kind}" for name, (kind, _) in self.makers.items())
        for table in ("item", "before"):
            connection.execute(f"create table {table} (id integer primary key, {declared})")
        self.ids = []
        self.rows = 0
        self.hits = Counter()

    @staticmethod
    def _names():
        """Some need quotes, in SQL or in JSON."""
        number = 0
        while True:
            number += 1
            yield f'"C ""{number}\\"' if number % 10 == 0 else f"c{number}"

    def value(self, name: str):
        if self.random.random() < 0.1:
            return None
        kind, make = self.makers[name]
        self.hits[kind] += 1
        return make()

    def insert(self, writer, count: int) -> list:
        ids = list(range(self.rows + 1, self.rows + count + 1))
        self.rows += count
        self.ids += ids
        names = ", ".join(self.makers)
        rows = [[id, *map(self.value, self.makers)] for id in ids]
        if self.random.random() < 0.5:
            with writer.cursor().copy(f"copy public.item (id, {names}) from stdin") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * (len(self.makers) + 1))
            writer.cursor().executemany(f"insert into public.item (id, {names}) values ({places})", rows)
        return ids

    def update(self, writer, count: int) -> list:
        """Each row once, some of its columns: to another value, to the same value, to null."""
        ids = self.random.sample(self.ids, min(count, len(self.ids)))
        for id in ids:
            names = self.random.sample(list(self.makers), self.random.choice([0, 1, 3, 20]))
            assignments = [f"{name} = {name}" if self.random.random() < 0.1 else f"{name} = %s" for name in names] or ["id = id"]
            writer.execute(f"update public.item set {', '.join(assignments)} where id = {id}",
                           [self.value(name) for name, text in zip(names, assignments) if text.endswith("%s")])
        return ids

    def delete(self, writer, count: int) -> list:
        ids = self.random.sample(self.ids, min(count, len(self.ids)))
        writer.execute("delete from public.item where id = any(%s)", (ids,))
        self.ids = sorted(set(self.ids) - set(ids))
        return ids


class Check:
    """Compares a batch's events with what the oracle says of the rows before and after it."""

    def __init__(self, table: Table, connection, oracle: Oracle):
        self.table, self.connection, self.oracle = table, connection, oracle
        self.names = list(table.makers)
        self.keys = [self._unquoted(name) for name in self.names]
        self.json_keys = [oracle.rows("select to_json(%s::text)::text", (key,))[0][0] for key in self.keys]
        self.counts = Counter()

    @staticmethod
    def _unquoted(name: str) -> str:
        return name[1:-1].replace('""', '"') if name.startswith('"') else name

    def expected(self, inserted: list, updated: list, deleted: list) -> dict:
        """By (type, id, column): (value, old value)."""
        events = {("row_delete", id, None): (None, None) for id in deleted}
        new = ", ".join(f"coalesce(to_json(n.{name})::text, 'null')" for name in self.names)
        for id, *texts in self.oracle.rows(f"select n.id, {new} from public.item n where id = any(%s)", (inserted,)):
            row = ",".join(f"{key}:{text}" for key, text in zip(self.json_keys, texts))
            events["row_insert", id, None] = (f'{{"id":{id},{row}}}', None)
        old = new.replace("to_json(n.", "to_json(o.")
        differ = ", ".join(f"record_image_ne(row(o.{name}), row(n.{name}))" for name in self.names)
        count = len(self.names)
        for id, *texts in self.oracle.rows(f"select n.id, {new}, {old}, {differ} from public.item n join public.before o using (id) "
                                           "where n.id = any(%s)", (updated,)):
            for key, value, old_value, differs in zip(self.keys, texts, texts[count:], texts[2 * count:]):
                if differs:
                    events["field_update", id, key] = (value, old_value)
                    self.counts["same JSON, another image"] += value == old_value
        return events

    def keep(self, ids: list) -> None:
        """The copy catches up."""
        self.connection.execute("delete from before where id = any(%s)", (ids,))
        self.connection.execute("insert into before select * from item where id = any(%s)", (ids,))

    def compare(self, expected: dict, got: list, settings: dict) -> None:
        told = {(kind, int(key[6:-1]), column): (value, old_value) for kind, key, column, value, old_value in got}
        assert len(told) == len(got), "an event came twice"
        for event in sorted({*expected, *told}, key=str):
            assert told.get(event) == expected.get(event), \
                f"{event} is {told.get(event)} instead of {expected.get(event)}; the writer had {settings}"
        self.counts.update(kind for kind, _, _ in told)
        self.counts["values"] += len(self.names) * sum(kind == "row_insert" for kind, _, _ in told)
        self.counts["values"] += 2 * sum(kind == "field_update" for kind, _, _ in told)


def test_p04_random_values(connect):
    seed = int(os.environ.get("RELDIFF_SEED", random.randrange(1_000_000)))
    print(f"RELDIFF_SEED={seed}")
    owner, writer, reader = connect(), connect(), connect()
    table = Table(owner, seed)
    session = new_session(owner, "item", notify="off")
    foreign = ForeignSettings(owner, random.Random(f"{seed} settings"))
    check = Check(table, owner, Oracle(connect()))
    chosen, seen, cursor = random.Random(f"{seed} batches"), Counter(), None
    while table.rows < ROWS:
        settings = foreign.set(writer)
        seen.update(settings.items())
        deleted = table.delete(writer, chosen.randint(0, 5))
        updated = table.update(writer, chosen.randint(20, 60))
        inserted = table.insert(writer, BATCH)
        expected = check.expected(inserted, updated, deleted)
        # P4 holds for readers, too.
        foreign.set(reader)
        got = reader.execute("select cursor, type, key::text, column_name, value::text, old_value::text "
                             "from event.events(%s, %s, 1000000)", (session, cursor)).fetchall()
        cursor = got[-1][0]
        check.compare(expected, [row[1:] for row in got], settings)
        check.keep([*inserted, *updated, *deleted])
    print(f"{table.rows} rows of {len(table.makers)} types,", dict(check.counts))
    assert table.rows >= ROWS
    for name, (kind, _) in table.makers.items():
        assert table.hits[kind] >= ROWS * 0.8, f"{kind} was hit {table.hits[kind]} times"
    for name, values in foreign.values.items():
        for value in values:
            assert seen[name, value], f"no writer had {name} = {value}"
    for kind, least in {"row_insert": ROWS, "field_update": 10_000, "row_delete": 50}.items():
        assert check.counts[kind] >= least, f"{check.counts[kind]} {kind} are too few to prove anything"
