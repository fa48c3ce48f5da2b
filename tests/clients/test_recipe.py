"""The one client recipe of the README with three drivers, while their connections are killed under load."""

import json
import queue
import random
import threading

import psycopg
import pytest

import programs
from load import in_threads, writing
from wire import events, new_session, parse

WRITERS, TRANSACTIONS = 4, 150
PATIENCE = 60


class Follower:
    """A client program that follows a session, and what it has printed."""

    def __init__(self, driver: str, dsn: str, session: str, seed: str, hears: bool):
        self.name = f"{driver} {session[:8]}"
        self.process = programs.start(programs.command(driver, "recipe", dsn, self.name, session))
        self.killer = psycopg.connect(dsn, autocommit=True)
        self.random, self.hears = random.Random(f"{seed} {hears}"), hears
        self.events, self.keys, self.counts = [], set(), None
        self.arrived, self.orders = threading.Condition(), queue.SimpleQueue()
        self.kills = 0

    def collect(self) -> None:
        """Read what it prints; every few events of a random kind its connection has to die, whatever it is doing then."""
        how, countdown = self._next_kill()
        for line in self.process.stdout:
            kind, _, text = line.partition(" ")
            if kind == "counts":
                self.counts = json.loads(text)
                break
            event = parse(text)
            with self.arrived:
                self.events.append(event)
                self.keys.add(event["key"]["id"])
                self.arrived.notify_all()
            countdown -= kind == how
            if countdown <= 0:
                self.orders.put("kill")
                how, countdown = self._next_kill()
        self.orders.put(None)
        assert self.process.wait() == 0 and self.counts, f"{self.name} broke off"

    def kill(self) -> None:
        """Carry out the orders, on a thread of its own: a client that nobody reads from cannot go on.

        Sometimes the next connection dies, too, as soon as it is there: before or while it LISTENs and reads.
        """
        while self.orders.get():
            gone = self._terminate([])
            if gone and self.random.random() < 0.3:
                while not self._terminate(gone) and self.process.poll() is None:
                    pass

    def wait_for(self, key: str) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: key in self.keys, timeout=PATIENCE), f"{self.name} does not come to {key}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.killer.close()

    def _next_kill(self) -> tuple:
        if self.hears and self.random.random() < 0.7:
            return "heard", self.random.randint(1, 3)
        return "read", self.random.randint(1, 25)

    def _terminate(self, but: list) -> list:
        rows = self.killer.execute(
            "with mine as materialized (select pid from pg_stat_activity where application_name = %s and pid <> all(%s)) "
            "select pid from mine where pg_terminate_backend(pid)", (self.name, but)).fetchall()
        self.kills += len(rows)
        return [pid for pid, in rows]


@pytest.mark.parametrize("driver", programs.DRIVERS)
def test_p12_recipe_with_killed_connections(dsn, connect, driver):
    """Nothing is missing, nothing comes twice, the order is that of a reader who was never disturbed."""
    owner = connect()
    owner.execute("create table item (id text primary key, v text)")
    control = new_session(owner, "item", notify="off")
    sessions = [new_session(owner, "item"), new_session(owner, "item", notify="nudge", format="compact")]
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    followers = []

    def everybody_has(key: str) -> None:
        """Keeps the writers from running ahead, so that the clients hear as well as read."""
        for follower in followers:
            follower.wait_for(key)

    def writing_all() -> None:
        in_threads(*[writing(dsn, f"writer {n}", TRANSACTIONS, seed, everybody_has) for n in range(WRITERS)])
        owner.execute("insert into item values ('the end', '')")
        everybody_has("the end")

    def together(function):
        """One that fails ends the others: a client goes on for ever when its writers stop."""
        def run() -> None:
            try:
                function()
            except BaseException:
                for follower in followers:
                    follower.process.kill()
                raise
        return run

    try:
        for session in sessions:
            followers.append(Follower(driver, dsn, session, seed, hears=session == sessions[0]))
        work = [part for follower in followers for part in (follower.collect, follower.kill)]
        in_threads(*map(together, [writing_all, *work]))
    finally:
        for follower in followers:
            follower.stop()

    whole = events(owner, control)
    rows, = owner.execute("select count(*) from item").fetchone()
    assert len(whole) == rows > 1000
    for follower in followers:
        print(f"{follower.name}: {len(follower.events)} events, {follower.kills} kills, {follower.counts}")
        for part in ("cursor", "type", "key", "payload"):
            assert [event[part] for event in follower.events] == [event[part] for event in whole], part
        # One more than it has lost; a connection that was killed before it was made is not counted.
        assert follower.kills >= 10 and follower.counts["connections"] >= 10
        assert follower.counts["heard"] + follower.counts["read"] == rows
        assert follower.counts["read"] >= 100
    assert sum(follower.kills for follower in followers) >= 50
    assert followers[0].counts["heard"] >= 30 and followers[1].counts["heard"] == 0
    # The last step of the recipe: what is stored has been acknowledged.
    for session in sessions:
        assert events(owner, session) == []
