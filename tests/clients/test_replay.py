"""The order of a transaction's events, where it is not the one in which triggers fire."""

import pytest

from replay import Copy, Feed, page
from wire import new_session, parse


def places(connection, options: str) -> Feed:
    """Rows 1 to 5 and a session that hears of them."""
    connection.execute(f"create table place (id integer primary key {options}, v text)")
    connection.execute("insert into place select n, 'row ' || n from generate_series(1, 5) n")
    return Feed(new_session(connection, "place"), Copy("public.place", ["id"]).start(connection))


def test_p07_keys_that_change_places(connect):
    """Rows that move into each other's keys in one statement: the events apply one by one without a clash."""
    owner = connect()
    feed = places(owner, "deferrable")
    writer = connect()
    with writer.transaction():
        writer.execute("update place set id = id + 1")
        writer.execute("update place set id = case id when 2 then 3 else 2 end where id in (2, 3)")
        writer.execute("update place set id = id - 1, v = v || '!'")
    feed.read(owner, 1000)
    feed.compare(owner)
    assert feed.copies["public.place"].rows["1",]["v"] == '"row 2!"'


@pytest.mark.parametrize("memory", ["64kB", "8MB"])
def test_p07_trigger_that_makes_room_for_thousands(connect, memory):
    """Each row's BEFORE trigger deletes the row that has its key: an insert comes after its delete, however many there are."""
    owner = connect()
    feed = places(owner, "")
    owner.execute("insert into place select n, 'row ' || n from generate_series(6, 3000) n")
    owner.execute("create function make_room() returns trigger language plpgsql as "
                  "$$ begin delete from place where id = new.id; return new; end $$")
    owner.execute("create trigger make_room before insert on place for each row execute function make_room()")
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    with writer.transaction():
        writer.execute(f"set local reldiff.outbox_memory = '{memory}'")
        # Each key twice: it makes room for itself, too.
        writer.execute("insert into place select n % 3000 + 1, 'new ' || n from generate_series(1, 6000) n")
    while feed.read(owner, 10_000):
        pass
    feed.compare(owner)


def test_p07_changes_of_a_trigger_come_after_what_caused_them(connect):
    """A user's trigger that changes rows of the statement that fired it."""
    owner = connect()
    owner.execute("create table item (id integer primary key, v text)")
    owner.execute("create function touch() returns trigger language plpgsql as "
                  "$$ begin update item set v = v || '!' where id = new.id; return null; end $$")
    # Its name comes before ours: it fires first.
    owner.execute("create trigger a_touch after insert on item for each row execute function touch()")
    session = new_session(owner, "item")
    connect().execute("insert into item values (1, 'a'), (2, 'b')")
    got = [parse(text) for _, text, _, _ in page(owner, session, None, 100)]
    assert [(event["type"], event["key"]["id"]) for event in got] == [
        ("row_insert", 1), ("row_insert", 2), ("field_update", 1), ("field_update", 2)]
    assert [event["payload"]["v"] for event in got] == ["a", "b", "a!", "b!"]
