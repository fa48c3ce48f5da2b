"""P4, type by type: the JSON of every value of every type that the server has is the oracle's."""

import itertools
import json
import random

import psycopg
import pytest

import samples
from kinds import Kinds, quoted
from oracle import FIXED, ForeignSettings, Oracle, configure
from wire import Listener, new_session

class World:
    """A database with types of all kinds, a session that follows tables, and the oracle."""

    def __init__(self, connect):
        self.admin, self.writer, self.subscriber, self.reader = connect(), connect(), connect(), connect()
        for extension in samples.EXTENSIONS:
            self.admin.execute(f"create extension {extension}")
        offered = {name for name, in self.admin.execute("select name from pg_available_extensions")}
        self.extensions = [name for name in samples.MORE_EXTENSIONS if name in offered]
        for extension in self.extensions:
            self.admin.execute(f"create extension {extension}")
        self.admin.execute(samples.BEFORE_KINDS)
        self.admin.execute(samples.KINDS)
        self.admin.execute("analyze public.correlated")
        for connection in (self.admin, self.subscriber):
            configure(connection, FIXED)
        self.kinds = Kinds(self.admin)
        self.foreign = ForeignSettings(self.admin, random.Random(1))
        self.connect = connect
        self.session = new_session(self.subscriber, format="compact")
        self.listener = Listener(connect()).listen(self.session)
        self.cursor, = self.admin.execute("select event.cursor()").fetchone()
        self.oracle = None
        self.numbers = itertools.count(1)
        self.checked, self.failed = 0, []

    def ask(self) -> Oracle:
        """The oracle is asked after the writing, which goes on with all casts to json in place."""
        self.oracle = self.oracle or Oracle(self.connect())
        return self.oracle

    def check(self, got, expected, what: str) -> None:
        self.checked += 1
        if got != expected:
            self.failed.append(f"{what}: {str(got)[:500]} should be {str(expected)[:500]}")

    def events(self) -> list:
        """What is new in the inbox, read under foreign settings; each event was notified as it stands there."""
        self.foreign.set(self.reader)
        rows = self.reader.execute("select cursor, type, key::text, column_name, value::text, old_value::text, event::text "
                                   "from event.events(%s, %s, 1000000)", (self.session, self.cursor)).fetchall()
        heard = [text for _, text in self.listener.payloads()]
        assert len(heard) == len(rows)
        for (cursor, _, _, _, _, _, event), notified in zip(rows, heard):
            assert notified == event or ('"truncated":true' in notified and len(event.encode()) > 7999)
        if rows:
            self.cursor = rows[-1][0]
        return [row[1:] for row in rows]

    def column(self, declared: str, values: list, what: str) -> None:
        """A table with a column of this type goes from each value to the next, with NULL among them."""
        number = next(self.numbers)
        sample, table = f"sample_{number}", f"table_{number}"
        self.admin.execute(f"create table public.{sample} (id integer primary key, v {declared}, scratch {declared})")
        self.admin.execute(f"create table public.{table} (id integer primary key, v {declared})")
        for id, fill in enumerate([*values, "null"], 1):
            if isinstance(fill, list):
                self.admin.execute(f"insert into public.{sample} values ({id})")
                for assignment in fill:
                    self.admin.execute(f"update public.{sample} set {assignment} where id = {id}")
            else:
                self.admin.execute(f"insert into public.{sample} values ({id}, {fill})")
        count = len(values) + 1
        subscription, = self.subscriber.execute("select event.subscribe_table(%s, session_id => %s)",
                                                (f"public.{table}", self.session)).fetchone()
        self.foreign.set(self.writer)
        write = self.writer.execute
        write(f"insert into public.{table} select id, v from public.{sample}")
        write(f"update public.{table} t set v = s.v from public.{sample} s where s.id = t.id % {count} + 1")
        # The same image again is no change.
        write(f"update public.{table} t set v = s.v from public.{sample} s where s.id = t.id % {count} + 1")
        write(f"update public.{table} set v = v")
        got = self.events()

        oracle = self.ask()
        of = oracle.json(sample)
        differ = dict(oracle.rows(f"select a.id, record_image_ne(row(a.v), row(b.v)) from public.{sample} a "
                                  f"join public.{sample} b on b.id = a.id % {count} + 1"))
        after = {id: id % count + 1 for id in of}
        expected = [("row_insert", f'{{"id":{id}}}', None, f'{{"id":{id},"v":{of[id]}}}', None) for id in sorted(of)]
        expected += [("field_update", f'{{"id":{id}}}', "v", of[after[id]], of[id]) for id in sorted(of) if differ[id]]
        key_of = lambda event: (event[0] != "row_insert", int(event[1][6:-1]))
        self.check(sorted((event[:5] for event in got), key=key_of), expected, what)
        for _, _, column, value, _, event in got:
            payload = value if column is None else f'{{"v":{value}}}'
            self.check(f'"payload":{payload},"relation":"public.{table}"' in event, True, f"{what}: payload of {event}")
        self.check(all(differ.values()) or count == 1, True, f"{what}: two samples that follow each other are the same")
        self.subscriber.execute("select event.unsubscribe(%s)", (subscription,))
        self.admin.execute(f"drop table public.{table}")

    def verdict(self, what: str) -> None:
        print(what, self.checked, "comparisons")
        assert not self.failed, "\n".join(self.failed)


@pytest.fixture
def world(connect):
    return World(connect)


def test_every_type_has_samples_or_a_reason(world):
    """A type of a new server version is in neither table: then give it samples."""
    kinds = world.kinds
    assert {kind for _, kind, _, _, _ in kinds.types.values()} == set("bcderm")
    missing = set()
    for oid in kinds.types:
        try:
            if not kinds.has_pseudo(oid):
                kinds.samples(oid)
        except KeyError as error:
            missing.add(error.args[0])
    assert not missing, f"no samples for {sorted(missing)}"
    absent = {f"public.{name}" for name in ("vector", "halfvec", "sparsevec")} if "vector" not in world.extensions else set()
    assert {*samples.SAMPLES, *samples.SKIP} - absent <= {kinds.name(oid) for oid in kinds.types}
    assert not {*samples.SAMPLES} & {*samples.SKIP}
    # What nobody can store, nobody can store.
    for name in kinds.skip:
        for text in ("", "1", "<a/>"):
            with pytest.raises((psycopg.errors.FeatureNotSupported, psycopg.errors.InternalError_)):
                world.admin.execute(f"select {quoted(text)}::{name}")


def test_p04_every_type(world):
    kinds = world.kinds
    done = [oid for oid in kinds.types if not kinds.is_array(oid) and not kinds.is_composite(oid)]
    for oid in done:
        world.column(kinds.name(oid), kinds.samples(oid), kinds.name(oid))
    for name, texts in samples.MODIFIED.items():
        world.column(name, [f"{quoted(text)}::{name}" for text in texts], name)
    assert world.oracle.casts_dropped >= 2
    assert len(done) > 100
    world.verdict(f"{len(done)} types, {len(samples.MODIFIED)} with modifiers,")


def test_p04_every_composite(world):
    """The row types of all relations, those of the catalog among them, and those that users made."""
    kinds = world.kinds
    composites = [oid for oid in kinds.types if kinds.is_composite(oid)]
    refused = 0
    for oid in composites:
        name = kinds.name(oid)
        if kinds.has_pseudo(oid):
            refused += 1
            with pytest.raises(psycopg.errors.InvalidTableDefinition):
                world.admin.execute(f"create table public.refused (v {name})")
        elif not name.startswith("public.sample_"):
            world.column(name, kinds.samples(oid), name)
    assert len(composites) > 150 and refused < 10
    world.verdict(f"{len(composites)} composite types, of which {refused} cannot be columns,")


def test_p04_arrays_of_every_type(world):
    """One and two dimensions, nulls, other lower bounds, empty."""
    kinds = world.kinds
    arrays = [oid for oid in kinds.types if kinds.is_array(oid) and not kinds.has_pseudo(oid)]
    for oid in arrays:
        name, element = kinds.name(oid), kinds.types[oid][4]
        of_element = kinds.samples(element) or ["null"]
        first, last = of_element[0], of_element[-1]
        listed = [f"v[{at}] = {value}" for at, value in enumerate([*of_element, "null", first], 1)]
        four = [f"scratch[{at}] = {value}" for at, value in enumerate([first, last, "null", first], 1)]
        world.column(name, [
            listed, f"'{{}}'::{name}", ["v[1] = null"], *[["v[1] = " + one] for one in of_element[:1] if one != "null"],
            ["v[5] = " + first], [*four, "v[1:2][1:2] = scratch"], [*four, "v[0:0][-1:0][7:8] = scratch"]], name)
    assert len(arrays) > 200
    world.verdict(f"{len(arrays)} array types")


def test_p04_keys_of_every_type(world):
    """The key of an event is the key's JSON, and pk_value its text form."""
    kinds, keyed = world.kinds, 0
    full = new_session(world.subscriber, format="full", notify="off")
    row_watcher = new_session(world.subscriber, notify="off")
    for oid in kinds.types:
        name = kinds.name(oid)
        if kinds.has_pseudo(oid) or name.startswith("public.sample_"):
            continue
        values = kinds.samples(oid)
        if not values:
            continue
        table = f"key_{next(world.numbers)}"
        try:
            world.admin.execute(f"create table public.{table} (v {name} primary key, n integer)")
        except psycopg.errors.UndefinedObject:
            continue
        keyed += _one_key(world, table, values, name, full, row_watcher)
    assert keyed > 150
    world.verdict(f"{keyed} types as keys,")


def _one_key(world, table: str, values: list, name: str, full: str, row_watcher: str) -> bool:
    start, = world.admin.execute("select event.cursor()").fetchone()
    for number, value in enumerate(values, 1):
        try:
            # Some samples are equal.
            world.admin.execute(f"insert into public.{table} values ({value}, {number}) on conflict do nothing")
        except (psycopg.errors.UndefinedFunction, psycopg.errors.ProgramLimitExceeded):
            # A row type or an array can be a key whose parts cannot be compared, or are too long for an index.
            pass
    world.subscriber.execute("select event.subscribe_table(%s, session_id => %s)", (f"public.{table}", full))
    rows = world.ask().rows(f"select n, to_json(v)::text, format('%s', v) from public.{table}")
    keys = {n: (of_key, text) for n, of_key, text in rows}
    if not keys:
        return False
    # A text that the type itself cannot read names no row: of pg_node_tree, or an operator's name that several have.
    named = {n: of_row for n, of_row in keys.items() if _can_be_read(world.admin, of_row[1], name)}
    for _, text in named.values():
        world.subscriber.execute("select event.subscribe_row(%s, %s::text, session_id => %s)", (f"public.{table}", text, row_watcher))
    for _ in range(3):
        world.foreign.set(world.writer)
        world.writer.execute(f"update public.{table} set n = n + 1000")
    for session, rows in ((full, keys), (row_watcher, named)):
        got = [(n % 1000, key, json.loads(event, parse_int=str)["row_id"]["pk_value"]) for n, key, event in world.reader.execute(
            "select value::text::integer, key::text, event::text from event.events(%s, %s, 1000000)", (session, start))]
        world.check(sorted(got), sorted([(n, f'{{"v":{of_key}}}', text) for n, (of_key, text) in rows.items()] * 3),
                    f"key {name}, {'table' if session == full else 'rows'}")
    return True


def _can_be_read(connection, text: str, kind: str) -> bool:
    try:
        connection.execute(f"select num_nulls(%s::{kind})", (text,))
        return True
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.AmbiguousFunction, psycopg.errors.UndefinedFunction):
        return False
