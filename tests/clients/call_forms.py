"""Every form of the calls of a subscription with bound parameters, what it is, and calls that make a session.

The tables are those of docs/calling.md. An outcome is a row of event.subscription, A_SESSION, the SQLSTATE of the server's error, or REFUSED: the driver does not send the
value, because the server has chosen another type for it. A driver is one of three ways to bind:

- declared: the driver tells the server the type of each value (psycopg, but for strings and lists of strings; psycopg's
  binary parameters; tokio-postgres where types are named);
- text: the driver makes text of each value, and the server chooses the type (node-postgres);
- inferred: the server chooses the type, and the driver takes nothing else for it (asyncpg, tokio-postgres).
"""

from dataclasses import dataclass, field
from datetime import date

REFUSED = "refused"
A_SESSION = "a session"

# The uuids of the named session and of a row.
SESSION = "session"
ROW = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@dataclass
class Subscription:
    relation: str
    column: str = None
    key: list = None
    # Whether the named session has it, not the current one.
    named: bool = False


@dataclass
class Form:
    call: str
    # (type, value) of each parameter.
    parameters: list
    # For all, or for those ways and drivers that are not in `but`.
    outcome: object
    but: dict = field(default_factory=dict)


def text(value):
    return "text", value


def uuid(value):
    return "uuid", value


def int4(value):
    return "int4", value


def int8(value):
    return "int8", value


PERSON, NAMED = Subscription("person"), Subscription("person", named=True)
NAME, NAMED_NAME = Subscription("person", "name"), Subscription("person", "name", named=True)
ROW_3, NAMED_3 = Subscription("person", key=["3"]), Subscription("person", key=["3"], named=True)
FIELD_3, NAMED_FIELD_3 = Subscription("person", "name", ["3"]), Subscription("person", "name", ["3"], named=True)
PAIR, LINE = Subscription("pair", key=["1", "2"]), Subscription('"Shop"."Order Line"', key=["x", "7"])
ACCOUNT, BIG, DAY, TAG = (Subscription("account", key=[ROW]), Subscription("big", key=["5000000000"]),
                          Subscription("day", key=["2026-01-02"]), Subscription("tag", key=["a b"]))

MALFORMED, NOT_UNIQUE, NO_FUNCTION, BAD_KEY = "22P02", "42725", "42883", "22023"

FORMS = [
    # A table.
    Form("subscribe_table($1)", [text("person")], PERSON),
    Form("subscribe_table($1)", [text("public.person")], PERSON),
    Form("subscribe_table($1)", [text('"Shop"."Order Line"')], Subscription('"Shop"."Order Line"')),
    Form("subscribe_table($1::text)", [text("person")], PERSON),
    Form("subscribe_table($1::regclass)", [text("person")], PERSON, {"tokio-postgres": REFUSED}),
    Form("subscribe_table($1::text::regclass)", [text("person")], PERSON),
    Form("subscribe_table(relation => $1)", [text("person")], PERSON),
    Form("subscribe_table($1, session_id => $2)", [text("person"), uuid(SESSION)], NAMED),
    Form("subscribe_table(relation => $1, session_id => $2)", [text("person"), uuid(SESSION)], NAMED),
    Form("subscribe_table(session_id => $2, relation => $1)", [text("person"), uuid(SESSION)], NAMED),
    Form("subscribe_table($1, null, null, null, $2)", [text("person"), uuid(SESSION)], NAMED),
    Form("subscribe_table($1, $2, $3, $4, $5)", [text("person"), ("text[]", None), ("text[]", None), text(None), uuid(SESSION)], NAMED),
    Form("subscribe_table($1, session_id => $2)", [text("person"), uuid(None)], PERSON),
    Form("subscribe_table(meta.relation_id($1, $2))", [text("public"), text("person")], PERSON),
    Form("subscribe_table($1, meta.relation_id($2, $3))", [uuid(SESSION), text("public"), text("person")], NAMED),
    Form("subscribe_table($1::uuid, meta.relation_id($2, $3))", [uuid(SESSION), text("public"), text("person")], NAMED),
    Form("subscribe_table(session_id => $1, relation => meta.relation_id($2, $3))",
         [uuid(SESSION), text("public"), text("person")], NAMED),
    Form("subscribe_table($1::text::meta.relation_id)", [text("(public,person)")], PERSON),
    Form("subscribe_table($1::text)", [text(None)], BAD_KEY),
    Form("subscribe_table($1, $2)", [uuid(SESSION), text("person")], NOT_UNIQUE, {"declared": NO_FUNCTION, "psycopg": MALFORMED}),
    Form("subscribe_table($1, $2)", [text("person"), uuid(SESSION)], NOT_UNIQUE, {"declared": NO_FUNCTION}),
    # A column.
    Form("subscribe_column($1, $2)", [text("person"), text("name")], NAME),
    Form("subscribe_column($1::text::regclass, $2)", [text("person"), text("name")], NAME),
    Form("subscribe_column(relation => $1, column_name => $2)", [text("person"), text("name")], NAME),
    Form("subscribe_column($1, $2, session_id => $3)", [text("person"), text("name"), uuid(SESSION)], NAMED_NAME),
    Form("subscribe_column($1, $2, $3, $4, $5)", [text("person"), text("name"), ("text[]", None), text(None), uuid(SESSION)], NAMED_NAME),
    Form("subscribe_column(meta.column_id($1, $2, $3))", [text("public"), text("person"), text("name")], NAME),
    Form("subscribe_column($1, meta.column_id($2, $3, $4))", [uuid(SESSION), text("public"), text("person"), text("name")], NAMED_NAME),
    # A row: the key as each type, as it comes and with a cast.
    Form("subscribe_row($1, $2)", [text("person"), text("3")], ROW_3),
    Form("subscribe_row($1, $2)", [text("tag"), text("a b")], TAG),
    Form("subscribe_row($1, $2)", [text("person"), int4(3)], ROW_3, {"inferred": REFUSED}),
    Form("subscribe_row($1, $2::integer)", [text("person"), int4(3)], ROW_3),
    Form("subscribe_row($1, $2)", [text("big"), int8(5_000_000_000)], BIG, {"inferred": REFUSED}),
    Form("subscribe_row($1, $2::bigint)", [text("big"), int8(5_000_000_000)], BIG),
    Form("subscribe_row($1, $2)", [text("account"), uuid(ROW)], ACCOUNT, {"inferred": REFUSED}),
    Form("subscribe_row($1, $2)", [text("account"), text(ROW)], ACCOUNT),
    Form("subscribe_row($1, $2::uuid)", [text("account"), uuid(ROW)], ACCOUNT),
    Form("subscribe_row($1, $2)", [text("day"), ("date", date(2026, 1, 2))], DAY, {"inferred": REFUSED}),
    Form("subscribe_row($1, $2::date)", [text("day"), ("date", date(2026, 1, 2))], DAY),
    Form("subscribe_row($1, $2)", [text("pair"), ("int4[]", [1, 2])], PAIR, {"text": BAD_KEY, "inferred": REFUSED}),
    Form("subscribe_row($1, $2::integer[])", [text("pair"), ("int4[]", [1, 2])], PAIR),
    Form("subscribe_row($1, $2)", [text('"Shop"."Order Line"'), ("text[]", ["x", "7"])], LINE,
         {"text": BAD_KEY, "psycopg": BAD_KEY, "inferred": REFUSED}),
    Form("subscribe_row($1, $2::text[])", [text('"Shop"."Order Line"'), ("text[]", ["x", "7"])], LINE),
    # JSON is a string for asyncpg.
    Form("subscribe_row($1, $2)", [text("pair"), ("jsonb", {"b": 2, "a": 1})], PAIR,
         {"text": BAD_KEY, "asyncpg": BAD_KEY, "inferred": REFUSED}),
    Form("subscribe_row($1, $2::jsonb)", [text("pair"), ("jsonb", {"b": 2, "a": 1})], PAIR),
    Form("subscribe_row($1, $2::text::jsonb)", [text("pair"), text('{"b": 2, "a": 1}')], PAIR),
    Form("subscribe_row($1, $2)", [text("pair"), text('{"b": 2, "a": 1}')], BAD_KEY),
    Form("subscribe_row($1::text::regclass, $2)", [text("person"), text("3")], ROW_3),
    Form("subscribe_row($1::text::regclass, $2::integer)", [text("person"), int4(3)], ROW_3),
    Form("subscribe_row(relation => $1, key => $2)", [text("person"), text("3")], ROW_3),
    Form("subscribe_row(key => $2::integer, relation => $1)", [text("person"), int4(3)], ROW_3),
    Form("subscribe_row($1, $2, session_id => $3)", [text("person"), text("3"), uuid(SESSION)], NAMED_3),
    Form("subscribe_row($1, $2::integer, session_id => $3)", [text("person"), int4(3), uuid(SESSION)], NAMED_3),
    Form("subscribe_row($1, $2, $3, $4, $5, $6)",
         [text("person"), text("3"), ("text[]", None), ("text[]", None), text(None), uuid(SESSION)], NAMED_3),
    Form("subscribe_row(meta.row_id($1, $2, $3, $4))", [text("public"), text("person"), text("id"), text("3")], ROW_3),
    Form("subscribe_row(meta.row_id($1, $2, $3, $4))", [text("public"), text("person"), text("id"), int4(3)], ROW_3, {"inferred": REFUSED}),
    Form("subscribe_row(meta.row_id($1, $2, $3, $4::integer))", [text("public"), text("person"), text("id"), int4(3)], ROW_3),
    Form("subscribe_row(meta.row_id($1, $2, $3, $4))",
         [text("public"), text("pair"), ("text[]", ["b", "a"]), ("text[]", ["2", "1"])], PAIR,
         {"text": BAD_KEY, "psycopg": BAD_KEY, "inferred": REFUSED}),
    Form("subscribe_row(meta.row_id($1, $2, $3::text[], $4::text[]))",
         [text("public"), text("pair"), ("text[]", ["b", "a"]), ("text[]", ["2", "1"])], PAIR),
    Form("subscribe_row($1, meta.row_id($2, $3, $4, $5))",
         [uuid(SESSION), text("public"), text("person"), text("id"), text("3")], NAMED_3),
    Form("subscribe_row($1, $2)", [text("person"), text(None)], BAD_KEY),
    Form("subscribe_row($1, $2, $3)", [uuid(SESSION), text("person"), text("3")], NO_FUNCTION, {"text": MALFORMED, "inferred": REFUSED}),
    # A field.
    Form("subscribe_field($1, $2, $3)", [text("person"), text("3"), text("name")], FIELD_3),
    Form("subscribe_field($1, $2, $3)", [text("person"), int4(3), text("name")], FIELD_3, {"inferred": REFUSED}),
    Form("subscribe_field($1, $2::integer, $3)", [text("person"), int4(3), text("name")], FIELD_3),
    Form("subscribe_field($1, $2::jsonb, $3)", [text("person"), ("jsonb", {"id": 3}), text("name")], FIELD_3),
    Form("subscribe_field($1::text::regclass, $2::integer, $3)", [text("person"), int4(3), text("name")], FIELD_3),
    Form("subscribe_field(relation => $1, key => $2, column_name => $3)", [text("person"), text("3"), text("name")], FIELD_3),
    Form("subscribe_field($1, $2, $3, session_id => $4)", [text("person"), text("3"), text("name"), uuid(SESSION)], NAMED_FIELD_3),
    Form("subscribe_field($1, $2, $3, $4, $5, $6)",
         [text("person"), text("3"), text("name"), ("text[]", None), text(None), uuid(SESSION)], NAMED_FIELD_3),
    Form("subscribe_field(meta.field_id($1, $2, $3, $4, $5))",
         [text("public"), text("person"), text("id"), text("3"), text("name")], FIELD_3),
    Form("subscribe_field(meta.field_id($1, $2, $3, $4::integer, $5))",
         [text("public"), text("person"), text("id"), int4(3), text("name")], FIELD_3),
    Form("subscribe_field(meta.field_id(meta.row_id($1, $2, $3, $4), $5))",
         [text("public"), text("person"), text("id"), text("3"), text("name")], FIELD_3),
    Form("subscribe_field($1, meta.field_id($2, $3, $4, $5, $6))",
         [uuid(SESSION), text("public"), text("person"), text("id"), text("3"), text("name")], NAMED_FIELD_3),
    # Types that drivers have no text for take the way over text.
    Form("session_create($1, $2, attach => false)", [text("label"), text("nudge")], A_SESSION),
    Form("session_create(name => $1, notify => $2, format => $3, channel => $4, attach => false)",
         [text("label"), text("off"), text("compact"), text(None)], A_SESSION),
    Form("session_create(owner => $1::regrole, ttl => $2::text::interval, attach => false)", [text("postgres"), text("1 day")],
         A_SESSION, {"tokio-postgres": REFUSED}),
    Form("session_create(ttl => $1::interval, attach => false)", [text("1 day")], A_SESSION, {"inferred": REFUSED}),
    Form("session_create(owner => $1::text::regrole, ttl => $2::text::interval, attach => false)", [text("postgres"), text("1 day")], A_SESSION),
    Form("session_use($1, is_local => true)", [uuid(SESSION)], A_SESSION),
    Form("session_use(session_id => $1, is_local => true)", [uuid(SESSION)], A_SESSION),
]
