"""Channels that several sessions share: who is named, what becomes a nudge, and clients and writers under load."""

import itertools
import random
import threading
import time
from collections import Counter

import psycopg
import pytest

from shared_client import SharedClient
from test_attach import in_threads
from wire import Listener, events, inbox, new_session, parse

# What NOTIFY takes, in bytes.
LIMIT = 7_999


@pytest.fixture
def item(connect):
    connection = connect()
    connection.execute("create table item (id text primary key, v text, secret text)")
    return connection


def on(connection, channel="news", *relations, **options) -> str:
    return new_session(connection, *(relations or ["item"]), channel=channel, **options)


def alone(connection, subscription: str, channel="news", **options) -> str:
    """A session with one subscription of another kind than to the table."""
    session = new_session(connection, channel=channel, **options)
    connection.execute(f"select event.{subscription}", {"session": session})
    return session


def configured(connect, **settings):
    writer = connect()
    writer.execute("load 'pg_reldiff'")
    for name, value in settings.items():
        writer.execute("select set_config(%s, %s, false)", (f"reldiff.{name}", str(value)))
    return writer


def by_session(heard: list) -> dict:
    """What each session was told, in order, without the names."""
    told = {}
    for event in heard:
        named = event["sessions"]
        assert len(named) == len(set(named)) and event["type"] != "nudge"
        for session in named:
            told.setdefault(session, []).append({key: value for key, value in event.items() if key != "sessions"})
    return told


def test_each_text_once_with_its_sessions(connect, item):
    """Formats, granularities, columns and owners: each session is told what its inbox has, each text comes once."""
    item.execute("create role reldiff_reader")
    item.execute("grant select (id, v) on item to reldiff_reader")
    try:
        sessions = [
            on(item), on(item), on(item, format="compact"), on(item, format="compact"),
            alone(item, "subscribe_row('item', 'b', session_id => %(session)s)"),
            alone(item, "subscribe_row('item', 'b', session_id => %(session)s)", format="compact"),
            alone(item, "subscribe_column('item', 'v', session_id => %(session)s)"),
            alone(item, "subscribe_column('item', 'v', session_id => %(session)s)", format="compact"),
            alone(item, "subscribe_field('item', 'b', 'secret', session_id => %(session)s)", format="compact"),
            alone(item, "subscribe_column('item', 'v', session_id => %(session)s)", owner="reldiff_reader", format="compact"),
        ]
        off, elsewhere, own = on(item, notify="off"), on(item, "other"), new_session(item, "item")
        listener = Listener(connect()).listen("news").listen("other").listen(own)
        writer = connect()
        writer.execute("insert into item values ('a', '1', 'x'), ('b', '1', 'x')")
        with writer.transaction():
            writer.execute("update item set v = '2', secret = 'y'")
            writer.execute("insert into item values ('c', '', '')")
            writer.execute("delete from item where id = 'b'")
        writer.execute("truncate item")
        heard = {}
        for channel, text in listener.payloads():
            heard.setdefault(channel, []).append(parse(text))
        assert set(heard) == {"news", "other", own}
        told = by_session(heard["news"])
        assert set(told) == set(sessions)
        for session in sessions:
            assert told[session] == events(item, session) != []
        assert by_session(heard["other"]) == {elsewhere: events(item, elsewhere)}
        # A session with a channel of its own is not named, nor is one that has it in its inbox.
        assert heard[own] == events(item, own)
        assert len(events(item, off)) == len(events(item, own)) and all("sessions" not in text for text in inbox(item, off))

        cursors = [event["cursor"] for event in heard["news"]]
        assert cursors == sorted(cursors)
        # An inserted row comes by itself for those who may read other columns, though they asked for the same.
        texts = {(text, event["cursor"], event["type"] == "row_insert" and session == sessions[-1]) for session in sessions
                 for text, event in zip(inbox(item, session), events(item, session))}
        assert Counter(cursors) == Counter(cursor for _, cursor, _ in texts)
        assert max(Counter(cursors).values()) >= 5
    finally:
        item.execute("drop owned by reldiff_reader")
        for session, in item.execute("select id from event.session where name is null").fetchall():
            item.execute("select event.session_delete(%s)", (session,))
        item.execute("drop role reldiff_reader")


@pytest.mark.parametrize("formats", [["compact"], ["compact", "full"]], ids=["one text", "two texts"])
def test_more_than_64_sessions_are_not_named(connect, item, formats):
    """Up to 64 sessions are named, whatever they are told; for one more a nudge comes, which names nobody."""
    format_of = itertools.cycle(formats)
    sessions = {on(item, format=next(format_of)) for _ in range(64)}
    listener = Listener(connect()).listen("news")
    writer = connect()
    writer.execute("insert into item values ('a')")
    heard = listener.events()
    assert len(heard) == len(formats)
    assert set.union(*[set(event["sessions"]) for event in heard]) == sessions
    assert sum(len(event["sessions"]) for event in heard) == 64

    one_more = on(item, format="compact")
    elsewhere = on(item, "other")
    listener.listen("other")
    writer.execute("insert into item values ('b')")
    heard = {channel: parse(text) for channel, text in listener.payloads()}
    last = events(item, one_more)[-1]["cursor"]
    assert heard["news"] == {"type": "nudge", "cursor": last, "count": 65}
    assert heard["other"]["sessions"] == [elsewhere]

    # A nudge without data that can name them does.
    item.execute("select event.session_alter(%s, notify => 'nudge', channel => 'other')", (one_more,))
    writer.execute("insert into item values ('c')")
    heard = [(channel, parse(text)) for channel, text in listener.payloads()]
    assert sum(channel == "news" for channel, _ in heard) == len(formats)
    nudge, = [event for channel, event in heard if channel == "other"]
    assert (nudge["type"], nudge["count"], set(nudge["sessions"])) == ("nudge", 2, {one_more, elsewhere})


def test_a_channel_stops_at_what_it_cannot_tell(connect, item):
    """What comes before is told, what comes behind is not: whoever heard it would take it for the whole truth."""
    item.execute("create table rare (id integer primary key)")
    sessions = [on(item) for _ in range(65)]
    both = on(item, "news", "item", "rare")
    listener = Listener(connect()).listen("news")
    writer = connect()
    with writer.transaction():
        writer.execute("insert into rare values (1)")
        writer.execute("insert into item values ('a')")
        writer.execute("insert into rare values (2)")
    first, nudge = listener.events()
    whole = events(item, both)
    assert first == {**whole[0], "sessions": [both]}
    assert nudge == {"type": "nudge", "cursor": whole[2]["cursor"], "count": 67}
    # The next transaction is told again.
    writer.execute("insert into rare values (3)")
    assert [event["sessions"] for event in listener.events()] == [[both]]
    assert len(events(item, sessions[0])) == 1


@pytest.mark.parametrize("format", ["full", "compact"])
@pytest.mark.parametrize("count", [1, 2, 64])
def test_p17_names_count_for_the_length(connect, item, format, count):
    """An event is whole if it fits with the names of its sessions; otherwise it goes without payload."""
    sessions = [on(item, format=format) for _ in range(count)]
    listener = Listener(connect()).listen("news")
    writer = connect()
    writer.execute("insert into item values ('k', '')")
    (_, text), = listener.payloads()
    room = LIMIT - len(text.encode())
    lengths = []
    for n, length in enumerate(range(room - 1, room + 2)):
        writer.execute("insert into item values (%s, %s)", (chr(ord("A") + n), "x" * length))
        (_, text), = listener.payloads()
        event = parse(text)
        assert set(event.pop("sessions")) == set(sessions)
        whole = events(item, sessions[0])[-1]
        if length <= room:
            lengths.append(len(text.encode()))
            assert event == whole
        else:
            del whole["payload"]
            assert event == {**whole, "truncated": True}
    assert lengths == [LIMIT - 1, LIMIT]


def test_p17_key_too_long_for_a_shared_notification(connect, item):
    """A nudge for the event that no notification holds, and for all that comes behind it on the channel."""
    sessions = {on(item), on(item, format="compact")}
    listener = Listener(connect()).listen("news")
    writer = connect()
    with writer.transaction():
        writer.execute("insert into item values ('a')")
        writer.execute("insert into item values (%s)", ("b" * 10_000,))
        writer.execute("insert into item values ('c')")
    *told, nudge = listener.events()
    assert {session: len(heard) for session, heard in by_session(told).items()} == dict.fromkeys(sessions, 1)
    assert set(nudge.pop("sessions")) == sessions
    assert nudge == {"type": "nudge", "cursor": events(item, min(sessions))[-1]["cursor"], "count": 4}


def test_notify_limit_of_a_shared_channel(connect, item):
    """One session above reldiff.notify_limit makes it a nudge for all of the channel, and for no other channel."""
    many = on(item)
    few = alone(item, "subscribe_row('item', 'key 1', session_id => %(session)s)")
    alone(item, "subscribe_row('item', 'another', session_id => %(session)s)")
    elsewhere = alone(item, "subscribe_row('item', 'key 1', session_id => %(session)s)", "other")
    item.execute("insert into item select 'key ' || n from generate_series(1, 4) n")
    listener = Listener(connect()).listen("news").listen("other")
    writer = configured(connect, notify_limit=3)
    writer.execute("update item set v = 'x' where id < 'key 4'")
    heard = [(channel, parse(text)) for channel, text in listener.payloads()]
    # `many` has three: told, and so are the others.
    assert by_session([event for channel, event in heard if channel == "news"]) == {
        many: events(item, many)[4:], few: events(item, few)}
    writer.execute("update item set v = 'y'")
    heard = dict(listener.payloads())
    nudge = parse(heard["news"])
    assert set(nudge.pop("sessions")) == {many, few}
    assert nudge == {"type": "nudge", "cursor": events(item, many)[-1]["cursor"], "count": 5}
    assert parse(heard["other"]) == {**events(item, elsewhere)[-1], "sessions": [elsewhere]}


def test_notify_bytes_of_a_shared_channel(connect, item):
    """Up to reldiff.notify_bytes events are told; one nudge stands for the rest of a channel."""
    sessions = {on(item), on(item), on(item, format="compact")}
    listener = Listener(connect()).listen("news")
    writer = configured(connect, notify_bytes="3kB")
    writer.execute("insert into item select n::text from generate_series(100, 119) n")
    texts = [text for _, text in listener.payloads()]
    *told, nudge = map(parse, texts)
    heard = by_session(told)
    assert set(heard) == sessions
    for session in sessions:
        whole = events(item, session)
        assert heard[session] == whole[:len(heard[session])] and 0 < len(heard[session]) < 20 == len(whole)
    assert sum(len(text.encode()) for text in texts[:-1]) <= 3 * 1024
    assert set(nudge.pop("sessions")) == sessions
    assert nudge == {"type": "nudge", "cursor": whole[-1]["cursor"], "count": 60 - sum(map(len, heard.values()))}


def test_spilled_transaction_on_a_shared_channel(connect, item):
    """A transaction that does not fit into memory is told as any other."""
    sessions = [on(item), on(item, format="compact"), alone(item, "subscribe_row('item', '1500', session_id => %(session)s)")]
    listener = Listener(connect()).listen("news")
    writer = configured(connect, outbox_memory="64kB", notify_limit=0, notify_bytes="100MB")
    with writer.transaction():
        writer.execute("insert into item select n::text, repeat('x', 100) from generate_series(1, 2000) n")
        writer.execute("update item set v = 'y' where id = '1500'")
    heard = by_session(listener.events())
    assert heard == {session: events(item, session) for session in sessions}
    assert [len(heard[session]) for session in sessions] == [2001, 2001, 1]


@pytest.mark.parametrize("limit", [0, 3])
def test_who_has_gone_meanwhile_does_not_count(connect, item, limit):
    """Sessions that are deleted, altered or revoked while a transaction is in flight whose changes are in the log already."""
    item.execute("create role reldiff_reader")
    item.execute("grant select on item to reldiff_reader")
    try:
        stays, goes = on(item, format="compact"), on(item, format="compact")
        moves, loses = on(item, format="compact"), on(item, format="compact", owner="reldiff_reader")
        listener = Listener(connect()).listen("news").listen("other")
        writer = configured(connect, outbox_memory="64kB", notify_limit=limit, notify_bytes="100MB")
        with writer.transaction():
            writer.execute("insert into item select n::text, repeat('x', 100) from generate_series(1, 1000) n")
            item.execute("select event.session_delete(%s)", (goes,))
            item.execute("select event.session_alter(%s, channel => 'other')", (moves,))
            item.execute("revoke select on item from reldiff_reader")
        heard = {}
        for channel, text in listener.payloads():
            heard.setdefault(channel, []).append(parse(text))
        whole = events(item, stays)
        assert len(whole) == 1000 and events(item, loses) == []
        if limit == 0:
            assert by_session(heard["news"]) == {stays: whole} and by_session(heard["other"]) == {moves: whole}
        else:
            assert heard == {channel: [{"type": "nudge", "cursor": whole[-1]["cursor"], "count": 1000, "sessions": [session]}]
                             for channel, session in [("news", stays), ("other", moves)]}
    finally:
        for session, in item.execute("select id from event.session").fetchall():
            item.execute("select event.session_delete(%s)", (session,))
        item.execute("drop role reldiff_reader")


class Pace:
    """Keeps writers from being far ahead of the clients, which would find all in their inboxes and no notification."""

    AHEAD = 15

    def __init__(self):
        self.changed = threading.Condition()
        self.written = 0
        # How many of these each client has seen.
        self.seen = Counter()

    def has_written(self, count: int) -> None:
        with self.changed:
            self.written += count
            # What was kept back is heard of with what comes next: if need be it comes without waiting any longer.
            self.changed.wait_for(lambda: all(self.written - seen < self.AHEAD for seen in self.seen.values()), timeout=1)

    def has_seen(self, client) -> None:
        with self.changed:
            self.seen[client] += 1
            self.changed.notify_all()


def writing(dsn: str, name: str, transactions: int, seed: int, counts: Counter, pace: Pace):
    """A writer: rows for all and for some; transactions that are rolled back, too long, too many, or kept back."""
    def write():
        choose = random.Random(f"{seed} {name}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("load 'pg_reldiff'")
            connection.execute("set reldiff.notify_limit = 20")
            for n in range(transactions):
                kind, parts = choose.random(), choose.randint(1, 3)
                with connection.transaction(force_rollback=kind < 0.1):
                    if kind > 0.85:
                        connection.execute("set local reldiff.notify_queue_limit = 0")
                        counts["kept back"] += 1
                    for part in range(parts):
                        connection.execute("insert into item values (%s, %s)",
                                           (f"{name} {n} {part}", "x" * (9000 if choose.random() < 0.05 else 10)))
                    connection.execute("update item set secret = %s where id = 'row'", (f"{name} {n}",))
                    if 0.1 < kind < 0.15:
                        connection.execute("insert into item select %s || s from generate_series(1, 25) s", (f"{name} {n} many ",))
                    if choose.random() < 0.3:
                        connection.execute("insert into rare values (%s)", (f"{name} {n}",))
                # The parts, the update, and perhaps many more.
                pace.has_written((parts + 1 + 25 * (kind < 0.15)) * (kind >= 0.1))
    return write


def test_p12_killed_listeners_of_a_shared_channel_lose_nothing(dsn, connect, item):
    """Clients that follow the recipe and are killed again and again see each event of each session once, in order.

    They read at a nudge, a truncated event and a new connection only: what they miss otherwise nobody tells them.
    """
    killer = connect()
    item.execute("create table rare (id text primary key)")
    item.execute("insert into item values ('row')")
    row = "subscribe_row('item', 'row', session_id => %(session)s)"
    channels = {
        "news": [on(item), on(item), on(item, format="compact"), on(item, "news", "rare"), alone(item, row),
                 alone(item, row, format="compact"), on(item, "news", "item", "rare", format="compact")],
        "other news": [on(item, "other news", notify="nudge"), on(item, "other news", "rare")],
    }
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    writers, transactions = 4, 100
    counts, clients, pace = Counter(), [], Pace()
    deadline = time.monotonic() + 120

    def following(number, channel):
        sessions = channels[channel]
        seen = {session: [] for session in sessions}
        kills = random.Random(f"{seed} {number} kills")
        countdown = [kills.randint(1, 30)]
        ends = set()

        def handle(session, event):
            """Every so many events this client's connection dies, at whatever it is doing then."""
            seen[session].append(event)
            if session == sessions[0]:
                pace.has_seen(number)
            if event["key"]["id"] == "the end":
                ends.add(session)
            countdown[0] -= 1
            if countdown[0] < 0:
                countdown[0] = kills.randint(1, 1000)
                counts["kills"] += 1
                killer.execute("select pg_terminate_backend(%s)", (client.connection.info.backend_pid,))

        client = SharedClient(dsn, channel, sessions, handle)
        clients.append((client, seen))
        # The last event reaches these sessions; by then the others have heard all that came before.
        last = {session for session in sessions if session in all_of_item}
        client.follow(lambda: ends >= last or time.monotonic() > deadline)
        assert ends >= last, f"{len(last - ends)} sessions have not heard the end"
        client.connection.close()

    all_of_item = {session for session, in item.execute(
        "select session_id::text from event.subscription where relation = 'item'::regclass and subscription_type = 'table'")}

    def writing_all():
        try:
            in_threads(*[writing(dsn, f"writer {n}", transactions, seed, counts, pace) for n in range(writers)])
        finally:
            item.execute("insert into item values ('the end')")

    started = [("news", 0), ("news", 1), ("other news", 2)]
    pace.seen.update({number: 0 for _, number in started})
    in_threads(writing_all, *[lambda channel=channel, number=number: following(number, channel) for channel, number in started])

    whole = {session: events(item, session) for sessions in channels.values() for session in sessions}
    for client, seen in clients:
        for session, heard in seen.items():
            assert heard == whole[session], f"{len(heard)} of {len(whole[session])} events"
    total = {name: sum(getattr(client, name) for client, _ in clients)
             for name in ("connections", "reads", "nudges", "truncated", "notified")}
    total["handled"] = sum(len(heard) for _, seen in clients for heard in seen.values())
    print(f"{total}, {dict(counts)}")
    assert counts["kills"] >= 12 and total["connections"] >= 12
    assert total["nudges"] >= 100 and total["truncated"] >= 10 and counts["kept back"] >= 20
    assert total["notified"] >= 500 and total["handled"] >= 8000


def test_p17_writers_do_not_notice_what_becomes_of_sessions(dsn, connect, item):
    """Sessions are created, altered, deleted and expire, quotas are reached: no writer fails, and who stays misses nothing."""
    own, shared = new_session(item, "item"), on(item, "news")
    names, transactions = "abc", 250
    counts = Counter()
    wanted = []

    def write(name):
        def run():
            with psycopg.connect(dsn, autocommit=True) as connection:
                try:
                    for n in range(transactions):
                        with connection.transaction():
                            connection.execute("insert into item values (%s, '0')", (f"{name} {n}",))
                            connection.execute("update item set v = '1' where id = %s", (f"{name} {n}",))
                        wanted.extend([(f"{name} {n}", "row_insert"), (f"{name} {n}", "field_update")])
                finally:
                    counts[f"{name} done"] = 1
        return run

    def until_done(body):
        def run():
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("load 'pg_reldiff'")
                choose = random.Random()
                while sum(counts[f"{name} done"] for name in names) < len(names):
                    body(connection, choose)
        return run

    def alter(session):
        def body(connection, choose):
            connection.execute("select event.session_alter(%s, notify => %s, format => %s, channel => %s, ttl => %s)", (
                session, choose.choice(["payload", "nudge", "off"]), choose.choice(["full", "compact"]),
                choose.choice(["", "news", "other news"]), choose.choice(["0", "1 day"])))
            counts["altered"] += 1
        return body

    def churn(connection, choose):
        """Most of them expire at once, and are taken away by the next session_create; some are deleted."""
        connection.execute("select set_config('reldiff.sessions_per_role', %s, false)", (str(choose.choice([0, 0, 4])),))
        try:
            session, = connection.execute("select event.session_create(channel => %s, ttl => %s, notify => %s, attach => %s)", (
                choose.choice(["news", None]), choose.choice(["1 microsecond", "0"]), choose.choice(["payload", "nudge"]),
                choose.random() < 0.5)).fetchone()
            counts["created"] += 1
            connection.execute("select event.subscribe_table('item', session_id => %s)", (session,))
            connection.execute("select event.subscribe_row('item', 'a 1', session_id => %s)", (session,))
            if choose.random() < 0.5:
                connection.execute("select event.session_delete(%s)", (session,))
                counts["deleted"] += 1
        except psycopg.errors.ConfigurationLimitExceeded:
            counts["refused"] += 1
            connection.execute("select event.session_delete(id) from event.session where id not in (%s, %s)", (own, shared))
        except psycopg.errors.UndefinedObject:
            # The other one has taken it away.
            counts["expired under us"] += 1
        connection.execute("unlisten *")

    read = []

    def reading(connection, choose):
        """Pages with the last cursor, while the session's format changes."""
        after = read[-1] if read else None
        read.extend(cursor for cursor, in connection.execute("select cursor from event.events(%s, %s, 40)", (own, after)))

    in_threads(*[write(name) for name in names], *[until_done(body) for body in (alter(own), alter(shared), churn, churn, reading)])

    assert len(wanted) == 2 * len(names) * transactions
    for session in (own, shared):
        told = [(event["key"]["id"], event["type"]) for event in events(item, session)]
        assert sorted(told) == sorted(wanted)
    with connect() as connection:
        reading(connection, None)
        while read[-1] != events(item, own)[-1]["cursor"]:
            reading(connection, None)
    assert read == [event["cursor"] for event in events(item, own)]
    print(dict(counts))
    assert counts["altered"] >= 300 and counts["created"] >= 50 and counts["deleted"] >= 10
