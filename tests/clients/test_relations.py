"""What a listener on another connection hears of relations as a whole, and of relations that contain others."""

import pytest

from wire import Listener, inbox, new_session, parse

TREE = """
create table city (country text, id integer, name text, primary key (country, id)) partition by list (country);
create table city_no partition of city for values in ('no');
create table city_rest (name text, id integer not null, country text not null) partition by range (id);
create table city_rest_1 (id integer not null, name text, country text not null);
alter table city_rest attach partition city_rest_1 for values from (0) to (100);
alter table city attach partition city_rest for values in ('it', 'se');
"""

FAMILY = """
create table animal (id integer primary key, name text);
create table dog (breed text, primary key (id)) inherits (animal);
"""


@pytest.fixture
def heard(connect):
    """Opens a session and returns what its listener hears, which is also what its inbox holds."""
    owner = connect()

    def subscribe(*relations):
        session = new_session(owner, *relations)
        listener = Listener(connect()).listen(session)

        def events() -> list:
            payloads = [text for _, text in listener.payloads()]
            assert payloads == inbox(owner, session)
            owner.execute("select event.ack(event.cursor(), %s)", (session,))
            told = [parse(text) for text in payloads]
            assert all(event.get("last") for event in told[-1:])
            return [(event["type"], event["relation"], event.get("key"), event.get("payload")) for event in told]

        events.session = session
        return events

    return owner, subscribe


def test_p06_partitioned_table_covers_its_partitions(heard, connect):
    owner, subscribe = heard
    owner.execute(TREE)
    root, both, leaf = subscribe("city"), subscribe("city_rest_1", "city"), subscribe("city_rest_1")
    writer = connect()
    writer.execute("insert into city values ('no', 1, 'Oslo')")
    writer.execute("insert into city_rest_1 (country, id, name) values ('it', 2, 'Roma')")
    writer.execute("update city set name = 'Rome' where id = 2")
    writer.execute("update city set country = 'se' where id = 1")

    def city(kind, country, id, payload=None):
        return kind, "public.city", {"country": country, "id": id}, payload

    oslo = {"country": "no", "id": 1, "name": "Oslo"}
    rest = [city("row_insert", "it", 2, {"country": "it", "id": 2, "name": "Roma"}),
            city("field_update", "it", 2, {"name": "Rome"})]
    moved = city("row_insert", "se", 1, {**oslo, "country": "se"})
    expected = [city("row_insert", "no", 1, oslo), *rest, city("row_delete", "no", 1), moved]
    assert root() == expected
    assert both() == expected
    # Under the leaf's name, and with its columns in its order.
    assert leaf() == [(kind, "public.city_rest_1", key, payload) for kind, _, key, payload in [*rest, moved]]


def test_p06_parent_covers_its_children(heard, connect):
    owner, subscribe = heard
    owner.execute(FAMILY)
    parent, child = subscribe("animal"), subscribe("dog")
    owner.execute("create table cat (primary key (id)) inherits (animal)")
    writer = connect()
    writer.execute("insert into animal values (1, 'any')")
    writer.execute("insert into dog values (2, 'Rex', 'collie')")
    writer.execute("insert into cat values (3, 'Tom')")
    writer.execute("update dog set breed = 'pug'")
    writer.execute("delete from animal where id > 1")

    def animal(id, name):
        return "row_insert", "public.animal", {"id": id}, {"id": id, "name": name}

    # What only the child has is not the parent's.
    assert parent() == [animal(1, "any"), animal(2, "Rex"), animal(3, "Tom"),
                        *(("row_delete", "public.animal", {"id": id}, None) for id in (2, 3))]
    assert child() == [("row_insert", "public.dog", {"id": 2}, {"id": 2, "name": "Rex", "breed": "collie"}),
                       ("field_update", "public.dog", {"id": 2}, {"breed": "pug"}),
                       ("row_delete", "public.dog", {"id": 2}, None)]


@pytest.mark.parametrize("command", [
    "alter table city detach partition city_no", "alter table city detach partition city_no concurrently",
    "drop table city_no", "truncate city_no", "truncate city_rest_1", "truncate city_rest",
    "alter table city_rest detach partition city_rest_1",
])
def test_p06_rows_that_go_without_events_are_a_resync(heard, connect, command):
    owner, subscribe = heard
    owner.execute(TREE)
    root = subscribe("city")
    of_a_row = subscribe()
    owner.execute("""select event.subscribe_row('city', '{"country":"no","id":7}'::jsonb, session_id => %s)""", (of_a_row.session,))
    owner.execute("insert into city values ('no', 1, 'Oslo'), ('it', 2, 'Roma')")
    assert len(root()) == 2
    connect().execute(command)
    assert root() == of_a_row() == [("resync", "public.city", None, None)]


def test_p02_truncate_is_one_event_for_each_relation(heard, connect):
    owner, subscribe = heard
    owner.execute(TREE + FAMILY + "create table toy (id integer primary key, animal integer references animal)")
    sessions = [subscribe("city", "toy"), subscribe()]
    owner.execute("select event.subscribe_field('toy', 1, 'animal', session_id => %s)", (sessions[1].session,))
    writer = connect()
    writer.execute("begin")
    writer.execute("insert into toy values (1)")
    writer.execute("truncate city, animal cascade")
    writer.execute("insert into toy values (2)")
    writer.execute("commit")
    truncated = ("truncate", "public.toy", None, None)

    def toy(id):
        return "row_insert", "public.toy", {"id": id}, {"id": id, "animal": None}

    table, field = (session() for session in sessions)
    assert sorted(table[1:3]) == [("truncate", "public.city", None, None), truncated]
    assert [table[0], *table[3:]] == [toy(1), toy(2)]
    assert field == [truncated]


@pytest.mark.parametrize("command, kind", [
    ("alter table animal drop constraint animal_pkey", "relation_unkeyed"),
    ("alter table animal drop column id cascade", "relation_unkeyed"),
    ("alter table dog drop constraint dog_pkey", "relation_unkeyed"),
    ("alter table animal drop constraint animal_pkey, add primary key (name)", "relation_unkeyed"),
    ("drop table animal cascade", "relation_gone"),
])
def test_p05_losing_the_key_ends_the_subscriptions(heard, connect, command, kind):
    owner, subscribe = heard
    owner.execute(FAMILY + "insert into animal values (1, 'any')")
    table, row = subscribe("animal"), subscribe()
    owner.execute("select event.subscribe_row('animal', 1, session_id => %s)", (row.session,))
    writer = connect()
    writer.execute(command)
    assert table() == row() == [(kind, "public.animal", None, None)]
    assert owner.execute("select count(*) from event.subscription").fetchone() == (0,)
    # Whatever comes now is nobody's business.
    writer.execute("create table if not exists animal (name text)")
    writer.execute("update animal set name = 'late'")
    assert table() == row() == []


def test_p05_lost_key_of_a_rolled_back_transaction_is_no_event(heard, connect):
    owner, subscribe = heard
    owner.execute(FAMILY)
    table = subscribe("animal")
    writer = connect()
    writer.execute("begin")
    writer.execute("alter table animal drop constraint animal_pkey")
    writer.execute("rollback")
    writer.execute("insert into animal values (1, 'still told')")
    assert [event[0] for event in table()] == ["row_insert"]


def test_bulk_load_without_capture_is_one_gap(heard, connect):
    """A client that loads the table anew at the gap is right again, and told of everything that comes later."""
    owner, subscribe = heard
    owner.execute(TREE)
    root, leaf, nudged = subscribe("city"), subscribe("city_no"), new_session(owner, "city", notify="nudge")
    nudges = Listener(connect()).listen(nudged)
    loader = connect()
    loader.execute("begin")
    loader.execute("insert into city values ('it', 1, 'Roma')")
    loader.execute("set local reldiff.capture = off")
    loader.execute("insert into city select 'no', n, 'Oslo' from generate_series(1, 10000) n")
    loader.execute("update city set name = 'Rome' where country = 'it'")
    loader.execute("set local reldiff.capture = on")
    loader.execute("insert into city values ('no', 0, 'Bergen')")
    loader.execute("commit")
    gap = ("gap", "public.city", None, None)
    told = root()
    assert [event[0] for event in told] == ["row_insert", "row_insert", "gap"] and told[-1] == gap
    assert [(event[0], event[1]) for event in leaf()] == [("row_insert", "public.city_no"), ("gap", "public.city_no")]
    assert [(event["type"], event["count"]) for event in nudges.events()] == [("nudge", 3)]
    loader.execute("delete from city where id = 0")
    assert [event[0] for event in root()] == ["row_delete"]
