"""One client, tables of all shapes, random changes: the events applied one by one to an empty copy make the table."""

import json
import random
from collections import Counter

import pytest

from modes import both_modes, settle
from replay import Contradiction, Copy, Feed, enough, seed
from shape_tables import ALL, CREATURE, DOC, MEASURE, WIDE
from wire import new_session
from writer import FUNCTIONS, OUTBOX, Writer

MINIMUM = {"transactions": 1000, "key moves": 100, "partition moves": 100, "rolled-back savepoints": 100, "undone blocks": 100, "blocks": 100,
           "re-inserts": 100, "inserts": 100, "upserts": 100, "merges": 100, "copied rows": 100, "updates": 100, "deletes": 100,
           "replaced by a function": 100, "moved by a function": 10, "truncates": 10, "columns of children": 20, "stored again": 20,
           "a_touch": 100, "zz_touch": 100, "replace": 100, "take_over": 10, "spilled": 10}


def subscribed(owner, shapes: list) -> list:
    """Sessions that hear of all, of parts of a tree, of a tree and parts of it, and of single columns.

    The first one's payloads are validated, which takes half of the time; the others' come from the same code.
    """
    names = {shape.name for shape in shapes}

    def copy(name: str, key, columns: list = None) -> Copy:
        return Copy(name, key, columns).start(owner)

    def session(*relations: str) -> str:
        return new_session(owner, *relations, notify="off")

    feeds = [Feed(session(*names), *(copy(shape.name, shape.key) for shape in shapes))]
    if MEASURE in shapes and CREATURE in shapes:
        feeds.append(Feed(session("public.measure_mid", "public.measure_low", "public.animal"),
                          copy("public.measure_mid", MEASURE.key), copy("public.measure_low", MEASURE.key),
                          copy("public.animal", CREATURE.key), parse=json.loads))
        # Once each, under the name of the topmost; but a dog has columns that no creature has, so it is told as both.
        feeds.append(Feed(session("public.measure_mid_1", "public.measure", "public.measure_mid", "public.creature", "public.cat", "public.dog"),
                          copy(MEASURE.name, MEASURE.key), copy(CREATURE.name, CREATURE.key), copy("public.dog", CREATURE.key),
                          also_truncated=("public.measure_mid", "public.measure_mid_1", "public.cat"), parse=json.loads))
    columns = {MEASURE.name: ["v"], CREATURE.name: ["size"], DOC.name: ["body"], WIDE.name: ["c1", "later"]}
    shapes = [shape for shape in shapes if shape.name in columns]
    if shapes:
        some = session()
        for shape in shapes:
            for column in columns[shape.name]:
                owner.execute("select event.subscribe_column(%s, %s, session_id => %s)", (shape.name, column, some))
        feeds.append(Feed(some, *(copy(shape.name, shape.key, columns[shape.name]) for shape in shapes), parse=json.loads))
    return feeds


def replayed(dsn: str, connect, shapes: list, transactions: int) -> Counter:
    number = seed()
    owner = connect()
    owner.execute(FUNCTIONS)
    for shape in shapes:
        owner.execute(shape.setup)
    feeds = subscribed(owner, shapes)
    writer = Writer(dsn, shapes, f"{number} writer", OUTBOX)
    choose = random.Random(f"{number} reader")
    scripts = {}

    def before_commit():
        xid, logged = writer.connection.execute(
            "select pg_current_xact_id_if_assigned()::text, "
            "(select count(*) from event.log where xid = pg_current_xact_id_if_assigned())").fetchone()
        scripts[xid] = writer.script
        writer.counts["spilled"] += logged > 0

    def read():
        settle(owner)
        for feed in feeds:
            while feed.read(owner, choose.choice([1, 7, 50, 1000])):
                pass
            feed.compare(owner)

    try:
        while writer.counts["transactions"] < transactions:
            writer.transaction(before_commit)
            if choose.random() < 0.02:
                read()
                scripts.clear()
        read()
    except Contradiction as contradiction:
        script = ";\n".join(text[:500] for text in scripts.get(contradiction.xid, []))
        raise AssertionError(f"{contradiction}\nThe transaction was\n{script};") from contradiction
    for feed in feeds:
        print(dict(feed.counts), f"of {feed.transactions} transactions")
        # P8, P10: a reader that comes later and reads it all at once sees the same.
        rows = owner.execute("select event::text from event.events(%s, null, 10000000)", (feed.session,))
        assert [text for text, in rows] == feed.texts
    return writer.counts


def counted(connect, counts: Counter) -> Counter:
    """With what the triggers of place did."""
    return counts + Counter(dict(connect().execute("select what, count(*) from did group by 1")))


@both_modes
def test_p07_copies_equal_tables(dsn, connect):
    counts = replayed(dsn, connect, ALL, 1500)
    enough(counted(connect, counts), MINIMUM)


@pytest.mark.long
@both_modes
def test_p07_copies_equal_tables_for_long(dsn, connect):
    counts = replayed(dsn, connect, ALL, 10_000)
    enough(counted(connect, counts), {name: least * 5 for name, least in MINIMUM.items()})


@pytest.mark.long
@both_modes
@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.name)
def test_p07_copy_equals_table(dsn, connect, shape):
    """Each shape for itself, so that its statements meet in one transaction."""
    shapes = [shape] if shape.name != "public.pet" else [ALL[0], shape]
    counts = replayed(dsn, connect, shapes, 3_000)
    enough(counts, {"transactions": 3000, "key moves": 200, "rolled-back savepoints": 300, "re-inserts": 150})
