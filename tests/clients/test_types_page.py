"""docs/types.md: each line of its tables is what an event tells, and no type is missing."""

import random
import re
from pathlib import Path

import psycopg

import samples
from oracle import FIXED, ForeignSettings, configure
from wire import new_session

PAGE = (Path(__file__).parents[2] / "docs" / "types.md").read_text()
SETUP = re.search(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S).group(1)
LINES = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("| type |", "|---"))]
ROW = re.compile(r"\| .*?\| ?`([^`]+)` \| `([^`]+)` \|")


def test_p04_the_page_of_types(connect):
    owner, writer, reader = connect(), connect(), connect()
    owner.execute(SETUP)
    foreign = ForeignSettings(owner, random.Random(1))
    configure(owner, FIXED)
    # Extensions are in public, and the page does not say so.
    configure(owner, {"search_path": "public"})
    checked = left_out = 0
    for line in LINES:
        expression, json = ROW.fullmatch(line).groups()
        table = f"line_{checked + left_out}"
        try:
            owner.execute(f"create table sample_{table} as select 1 as id, ({expression}) as v")
        except psycopg.errors.FeatureNotSupported:
            assert "::xml" in expression, f"{line}: this server does not have it"
            left_out += 1
            continue
        owner.execute(f"create table {table} (like sample_{table}, primary key (id))")
        session = new_session(owner, table, notify="off")
        foreign.set(writer)
        writer.execute(f"insert into public.{table} select * from public.sample_{table}")
        writer.execute(f"update public.{table} set v = null")
        foreign.set(reader)
        got = reader.execute("select value::text, old_value::text from event.events(%s)", (session,)).fetchall()
        assert got[0] == (f'{{"id":1,"v":{json}}}', None), line
        assert got[1:] == ([] if json == "null" and expression.startswith("null") else [("null", json)]), line
        checked += 1
    print(f"{checked} lines, {left_out} left out")
    assert checked > 80 and left_out <= 1


def test_the_page_names_every_type():
    """Of the server's own; those without any value are left out."""
    for name in samples.SAMPLES:
        if "." not in name:
            assert f"`{name}`" in PAGE, name


def test_every_line_is_run():
    """A line that the test cannot read is a mistake."""
    for line in LINES:
        assert ROW.fullmatch(line), line
