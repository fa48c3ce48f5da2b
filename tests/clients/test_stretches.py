"""P9: a set of recipients finds what concerns it alone by the first transaction of each stretch of the feed (src/tables/stretch.rs)."""

import random

import psycopg
import pytest

from clusters import PrivateCluster
from load import in_threads
from modes import both_modes, settle
from replay import enough
from stretches import STRETCH
from wire import Listener, events, new_session

# Transactions of one set, with how many lead in their stretch, no later than they.
ALONE = f"""
select t.set_id, t.epoch, {STRETCH.format('t')}, (select count(*) from event.transaction_0 s
    where s.leads and s.set_id = t.set_id and s.epoch = t.epoch and {STRETCH.format('s')} = {STRETCH.format('t')} and s.position <= t.position)
from event.transaction_0 t where t.set_id is not null"""
READ = "select cursor, (key ->> 'id')::integer, value from event.events(%s, %s, %s)"


@pytest.fixture
def item(connect):
    owner = connect()
    owner.execute("create table item (id integer primary key, n integer); create table other (like item including all)")
    for table in ("item", "other"):
        owner.execute(f"insert into {table} select n, 0 from generate_series(1, 30) n")
    return owner


def in_pages(connection, session: str, size: int) -> list:
    read, after = [], None
    while page := connection.execute(READ, (session, after, size)).fetchall():
        read += [(key, value) for _, key, value in page]
        after = page[-1][0]
    return read


@both_modes
def test_p09_pages_begin_anywhere_in_a_stretch(item, delivery):
    """Of what concerns a session alone, with others, and both in turn, pages of any size give the same."""
    sessions = {"all": new_session(item, "item", notify="off"), "third": new_session(item, notify="off"), "rare": new_session(item, notify="off")}
    for key in range(3, 31, 3):
        item.execute("select event.subscribe_row('item', %s, session_id => %s)", (key, sessions["third"]))
    for key in (3, 4):
        item.execute("select event.subscribe_row('other', %s, session_id => %s)", (key, sessions["rare"]))
    item.execute("select event.subscribe_row('item', 6, session_id => %s)", (sessions["rare"],))
    expected = {name: [] for name in sessions}
    choose = random.Random(7)
    for n in range(1, 1501):
        with item.transaction():
            # Neighbours in one transaction are mostly told to other sets than each other.
            for _ in range(choose.choice([1, 1, 1, 2])):
                table, key = choose.choice(["item"] * 9 + ["other"]), choose.randint(1, 30)
                if item.execute(f"update {table} set n = %s where id = %s and n < %s", (n, key, n)).rowcount:
                    for name, hears in {"all": table == "item", "third": table == "item" and key % 3 == 0,
                                        "rare": (table, key) in (("other", 3), ("other", 4), ("item", 6))}.items():
                        expected[name] += [(key, n)] * hears
    settle(item)
    for name, session in sessions.items():
        for size in (1, 2, 7, 100, 10_000):
            assert in_pages(item, session, size) == expected[name], (name, size)
    alone = item.execute(ALONE).fetchall()
    assert all(leading for *_, leading in alone)
    several, = item.execute("select count(*) from event.transaction_0 where set_id is null").fetchone()
    leading, = item.execute("select count(*) from event.transaction_0 where leads").fetchone()
    stretches = len({stretch for _, _, stretch, _ in alone})
    enough({"alone": len(alone), "of several sets": several, "stretches": stretches, "rare": len(expected["rare"])},
           {"alone": 900, "of several sets": 100, "stretches": 5, "rare": 20})
    # What all this is for. Two sets that have the same place in the shared memory by chance lead in turn.
    assert leading < len(alone) * 3 / 4


def test_p09_writers_at_once_lead_in_turn(connect, item, dsn):
    """Also where transactions are rolled back."""
    session = new_session(item, "item", notify="off")

    def write(n: int):
        choose = random.Random(n)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for turn in range(200):
                with connection.transaction(force_rollback=choose.random() < 0.2):
                    connection.execute("update item set n = n + 1 where id = %s", (n * 5 + choose.randint(1, 5),))

    in_threads(*(lambda n=n: write(n) for n in range(4)))
    read = in_pages(item, session, 50)
    last = {key: value for key, value in read}
    assert last == {key: n for key, n in item.execute("select id, n from item where n > 0").fetchall()}
    assert len(read) == sum(last.values())
    alone = item.execute(ALONE).fetchall()
    assert all(leading for *_, leading in alone)
    enough({"transactions": len(read), "stretches": len({stretch for _, _, stretch, _ in alone})}, {"transactions": 500, "stretches": 3})


def test_p09_sets_that_forget_each_other(item):
    """Of so many, some have the same place in the shared memory by chance, so that several lead in one stretch."""
    sessions = [new_session(item, notify="off") for _ in range(300)]
    item.execute("insert into item select n, 0 from generate_series(31, 300) n")
    for key, session in enumerate(sessions, 1):
        item.execute("select event.subscribe_row('item', %s, session_id => %s)", (key, session))
    choose = random.Random(7)
    expected, last = {session: [] for session in sessions}, [1]
    for n in range(1, 4001):
        # Often one of those that were chosen a short time ago, which are in the same stretch.
        key = choose.choice([choose.choice(last[-60:]), choose.randint(1, 300)])
        last.append(key)
        item.execute("update item set n = %s where id = %s", (n, key))
        expected[sessions[key - 1]].append((key, n))
    for session in sessions:
        for size in (2, 10_000):
            assert in_pages(item, session, size) == expected[session], size
    alone = item.execute(ALONE).fetchall()
    assert all(leading for *_, leading in alone)
    enough({"behind several": sum(leading > 1 for *_, leading in alone)}, {"behind several": 1})


def test_p09_copies_of_a_database_lead_for_themselves(connect, item):
    """They have the same sets, and begin the same epoch: what is known of one is not true of the other."""
    session = new_session(item, "item", notify="off")
    item.execute("update item set n = 1 where id = 1")
    name = item.info.dbname
    item.close()
    with connect("dbname=postgres") as admin:
        for copy in ("one", "other"):
            admin.execute(f"create database {name}_{copy} template {name}")
        with connect(f"dbname={name}_one") as one, connect(f"dbname={name}_other") as other:
            for n in range(2, 42):
                # In turn, so that each of them is the first one in some stretch.
                for connection in (one, other) if n % 2 else (other, one):
                    connection.execute("update item set n = %s where id = 1", (n,))
            for connection in (one, other):
                assert [event["payload"]["n"] for event in events(connection, session)] == list(range(1, 42))
            epochs = [connection.execute("select array_agg(distinct epoch) from event.transaction").fetchone() for connection in (one, other)]
            assert epochs[0] == epochs[1]
        for copy in ("one", "other"):
            admin.execute(f"drop database {name}_{copy} with (force)")


def test_p09_database_that_is_made_anew_is_another_one():
    """With the same oid, the same sets and the same epoch as the one before it, and in the same stretch."""
    # Images of pages, and a copy by the WAL, would be longer than a stretch.
    with PrivateCluster({"fsync": "off", "full_page_writes": "off"}) as cluster:
        cluster.sql("create database origin")
        with psycopg.connect(cluster.dsn("origin"), autocommit=True) as origin:
            origin.execute("create extension pg_reldiff; create table item (id integer primary key, n integer); insert into item values (1, 0)")
            session, told = new_session(origin, "item", notify="off"), new_session(origin, "item")
            # Which makes the set.
            origin.execute("set reldiff.notify_queue_limit = 0; update item set n = 1 where id = 1")
        stretches = set()
        for turn in range(1, 9):
            cluster.sql("create database again template origin oid 3000000000 strategy file_copy")
            with psycopg.connect(cluster.dsn("again"), autocommit=True) as again:
                listener = Listener(again).listen(told)
                for n in (2, 3):
                    again.execute("update item set n = %s where id = 1", (n,))
                assert [event["payload"]["n"] for event in events(again, session)] == [1, 2, 3], turn
                # What was kept back in the one that it has been copied from comes first.
                assert [event["type"] for event in listener.events()] == ["nudge", "field_update"], turn
                stretches |= set(again.execute(f"select epoch, {STRETCH.format('t')} from event.transaction t where leads order by 1 desc, 2 desc limit 1").fetchall())
            cluster.sql("drop database again with (force)")
    # Otherwise this shows nothing.
    assert len(stretches) < 8
