"""The forms of the calls of a subscription: docs/calling.md in psql, and bound parameters from each driver."""

import asyncio
import json
import os
import re
import subprocess
import uuid
from pathlib import Path

import asyncpg
import psycopg
import pytest
from psycopg.types.json import Jsonb

import programs
from call_forms import A_SESSION, FORMS, REFUSED, SESSION, Subscription
from wire import new_session

PAGE = (Path(__file__).parents[2] / "docs" / "calling.md").read_text()
SETUP = re.search(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S).group(1)
SUBSCRIPTIONS = "select id::text, relation::text, column_name, key, session_id::text from event.subscription"

WAYS = {"psycopg": "declared", "psycopg, binary": "declared", "asyncpg": "inferred", "node-postgres": "text",
        "tokio-postgres": "inferred", "tokio-postgres, declared": "declared"}


def of_psycopg(dsn: str, calls: list, binary: bool):
    """Strings are declared in binary only."""
    kinds = {"uuid": uuid.UUID, "jsonb": Jsonb}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for call, parameters in calls:
            values = [None if value is None else kinds.get(kind, lambda value: value)(value) for kind, value in parameters]
            for number in range(len(values), 0, -1):
                call = call.replace(f"${number}", f"%({number}){'b' if binary else 't'}")
            named = {str(number): value for number, value in enumerate(values, 1)}
            try:
                row, = connection.execute(f"select {call}", named).fetchone()
                yield str(row)
            except psycopg.Error as error:
                yield error.sqlstate


def of_asyncpg(dsn: str, calls: list):
    kinds = {"uuid": uuid.UUID, "jsonb": json.dumps}

    async def outcomes():
        connection = await asyncpg.connect(host=os.environ["PGHOST"], database=dsn.removeprefix("dbname="))
        try:
            return [await outcome(connection, *call) for call in calls]
        finally:
            await connection.close()

    async def outcome(connection, call, parameters):
        values = [None if value is None else kinds.get(kind, lambda value: value)(value) for kind, value in parameters]
        try:
            return str(await connection.fetchval(f"select {call}", *values))
        except asyncpg.PostgresError as error:
            # The class as a whole, which the server never names, is the driver's own complaint.
            return REFUSED if error.sqlstate == asyncpg.DataError.sqlstate else error.sqlstate

    return asyncio.run(outcomes())


def of_program(driver: str, dsn: str, calls: list, **options):
    lines = [json.dumps({"sql": f"select {call}", "parameters": [{"type": kind, "value": value} for kind, value in parameters], **options},
                        default=str)
             for call, parameters in calls]
    done = subprocess.run(programs.command(driver, "calls", dsn, "calls"), input="\n".join(lines), text=True, stdout=subprocess.PIPE, check=True)
    for line in done.stdout.splitlines():
        outcome = json.loads(line)
        yield outcome.get("id") or outcome.get("sqlstate") or REFUSED


def made(driver: str, dsn: str, calls: list) -> list:
    if driver.startswith("psycopg"):
        return list(of_psycopg(dsn, calls, "binary" in driver))
    if driver == "asyncpg":
        return of_asyncpg(dsn, calls)
    if driver == "node-postgres":
        return list(of_program(driver, dsn, calls))
    return list(of_program("tokio-postgres", dsn, calls, declared="declared" in driver))


def prepared(dsn: str, owner) -> tuple:
    """The tables of the page, and two sessions: one that becomes the current one, one that is named."""
    owner.execute(SETUP)
    owner.execute(f"alter database {dsn.removeprefix('dbname=')} set search_path = public, event")
    return new_session(owner), new_session(owner)


@pytest.mark.parametrize("driver", WAYS)
def test_calls_with_bound_parameters(dsn, connect, driver):
    owner = connect()
    current, named = prepared(dsn, owner)
    # The program in Rust has no type for dates.
    forms = [form for form in FORMS if not (driver.startswith("tokio") and "date" in dict(form.parameters))]
    calls = [(form.call, [(kind, named if value == SESSION else value) for kind, value in form.parameters]) for form in forms]
    _, *outcomes = made(driver, dsn, [("session_use($1::uuid)", [("uuid", current)]), *calls])
    rows = {id: rest for id, *rest in owner.execute(SUBSCRIPTIONS)}
    rows |= {id: A_SESSION for id, in owner.execute("select id::text from event.session")}
    wrong = []
    for form, outcome in zip(forms, outcomes, strict=True):
        expected = form.but.get(driver, form.but.get(WAYS[driver], form.outcome))
        if isinstance(expected, Subscription):
            expected = [expected.relation, expected.column, expected.key, named if expected.named else current]
        got = rows.get(outcome, outcome)
        if got != expected:
            wrong.append(f"{form.call} {form.parameters}: {got}, expected {expected}")
    assert not wrong, "\n".join(wrong)
    print(f"{driver}: {len(forms)} calls")


LINES = [line for line in PAGE.splitlines() if line.startswith("| `")]
WORKS = re.compile(r"\| `([^`]+)` \| `([^`]+)`( of `:session`)? \|")
FAILS = re.compile(r"\| `([^`]+)` \| (\w{5}) \| `([^`]+)` \|")
# A subscription as the page writes it.
AS_TEXT = "select id::text, concat(relation, '.' || column_name, ' ' || key::text), session_id::text from event.subscription"


def test_the_page_of_calls(dsn, connect):
    """Each line of its tables, in one psql session."""
    owner = connect()
    current, named = prepared(dsn, owner)
    works = [found.groups() for found in map(WORKS.fullmatch, LINES) if found]
    fails = [found.groups() for found in map(FAILS.fullmatch, LINES) if found]
    assert len(works) + len(fails) == len(LINES) and len(works) > 50 and len(fails) > 20
    calls = [call for call, _, _ in works] + [call for failing, _, working in fails for call in (failing, working)]
    script = [f"\\set VERBOSITY sqlstate\nselect session_use('{current}');", *(f"\\echo ----\nselect {call};" for call in calls)]
    done = subprocess.run([Path(os.environ["PG_BINDIR"]) / "psql", "-XAtq", "-d", dsn, "-v", f"session={named}"], input="\n".join(script),
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    printed = dict(zip(calls, [part.strip() for part in done.stdout.split("----\n")[1:]], strict=True))
    rows = {id: (text, session == named) for id, text, session in owner.execute(AS_TEXT)}
    for call, expected, of_session in works:
        assert rows.get(printed[call], printed[call]) == (expected, bool(of_session)), call
    for failing, state, working in fails:
        assert printed[failing] == f"ERROR:  {state}", failing
        # The options are not supported yet.
        assert printed[working] in rows or ("columns =>" in working and printed[working] == "ERROR:  0A000"), working


# Whose implicit cast to text, without being strings, makes text as good as any type.
NEED_A_CAST = {'"char"', "pg_dependencies", "pg_mcv_list", "pg_ndistinct", "pg_node_tree"}


@pytest.mark.parametrize("relation", ["'person'", "'person'::text", "'person'::regclass", "'person'::varchar", "'person'::name"])
def test_a_key_of_any_type_resolves(connect, relation):
    """A null of each of the server's types comes to the function, which refuses it."""
    connection = connect()
    connection.execute("set search_path = public, event")
    connection.execute("create table person (id integer primary key, name text)")
    connection.execute("select session_create(attach => false)")
    kinds = [kind for kind, in connection.execute(
        "select format_type(t.oid, -1) from pg_type t where typtype <> 'p' and typnamespace = 'pg_catalog'::regnamespace")]
    assert len(kinds) > 300
    for call in ("subscribe_row({}, null::{})", "subscribe_field({}, null::{}, 'name')"):
        states = {}
        for kind in kinds:
            with pytest.raises(psycopg.Error) as refused:
                connection.execute("select " + call.format(relation, kind))
            states.setdefault(refused.value.sqlstate, set()).add(kind)
        assert states.pop("42725") == NEED_A_CAST
        assert list(states) == ["22023"]
