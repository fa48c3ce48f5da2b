"""The columns of the table of the random test."""

from generators import Generator


def columns(g: Generator, with_xml: bool) -> dict:
    """By declared type, what makes a value."""
    array = lambda one: lambda: g.array(one)
    several = lambda one: lambda: g.several(one)
    made = {
        "boolean": g.boolean, "smallint": lambda: g.integer(16), "integer": lambda: g.integer(32), "bigint": lambda: g.integer(64),
        "numeric": g.numeric, "numeric(20,5)": lambda: f"{g.random.uniform(-1e9, 1e9):.8f}",
        "real": g.float4, "double precision": g.float8, "money": g.money,
        "text": g.text, "varchar(40)": g.text_of(40), "character(12)": g.text_of(12), "name": g.text_of(15),
        '"char"': lambda: g.one("", "a", '"', "\\"), "refcursor": g.text_of(10), "bytea": g.bytes,
        "json": g.rough_json, "jsonb": g.json, "jsonpath": g.jsonpath,
        "date": g.date, "time": g.time, "timetz": g.timetz, "timestamp": g.timestamp, "timestamptz": g.timestamptz,
        "timestamptz(2)": g.timestamptz, "interval": g.interval,
        "uuid": g.uuid, "inet": g.inet, "cidr": g.cidr, "macaddr": lambda: g.hex_pairs(6), "macaddr8": lambda: g.hex_pairs(8),
        "bit(11)": lambda: g.bits(11, 11), "bit varying": lambda: g.bits(0, 70),
        "point": g.point, "line": g.line, "lseg": lambda: f"[{g.points(2, 2)}]", "box": lambda: g.points(2, 2), "path": g.path,
        "polygon": lambda: f"({g.points(1, 5)})", "circle": g.circle,
        "tsvector": g.tsvector, "tsquery": g.tsquery, "pg_lsn": g.lsn, "pg_snapshot": g.snapshot, "txid_snapshot": g.snapshot,
        "xid": lambda: g.unsigned(32), "xid8": lambda: g.unsigned(64), "cid": lambda: g.unsigned(32), "oid": lambda: g.unsigned(32),
        "tid": g.tid, "regclass": g.relation, "regtype": g.type, "regproc": g.function, "regnamespace": g.schema,
        "int2vector": lambda: g.one("", "1", "1 -2 3"), "oidvector": lambda: " ".join(g.unsigned(32) for _ in range(g.number(0, 3))),
        "int4range": g.int_range, "int8range": g.int_range, "numrange": g.num_range, "daterange": g.date_range,
        "tsrange": g.moment_range, "tstzrange": g.zoned_range,
        "int4multirange": several(g.int_range), "int8multirange": several(g.int_range), "nummultirange": several(g.num_range),
        "datemultirange": several(g.date_range), "tsmultirange": several(g.moment_range), "tstzmultirange": several(g.zoned_range),
        "integer[]": array(lambda: g.integer(32)), "text[]": array(g.text_of(10)), "double precision[]": array(g.float8),
        "numeric[]": array(g.numeric), "timestamptz[]": array(g.timestamptz), "interval[]": array(g.interval),
        "json[]": array(g.rough_json), "jsonb[]": array(g.json), "bytea[]": array(g.bytes), "money[]": array(g.money),
        "regclass[]": array(g.relation),
        "kinds.mood": g.mood, "kinds.mood[]": array(g.mood), 'kinds."Odd Name"': g.odd_row, 'kinds."Odd Name"[]': array(g.odd_row),
        "kinds.nested": g.nested_row, "kinds.positive": lambda: str(g.number(1, 2**31 - 1)), "kinds.document": g.rough_json,
        "kinds.labels": array(g.mood), "kinds.grid": array(g.float8), "kinds.pair": g.odd_row, "kinds.store": g.hstore,
        "kinds.moment": g.timestamptz, "kinds.names": lambda: g.one("empty", "[pg_catalog.pg_class,kinds.here]", "(,kinds.here)"),
        "public.hstore": g.hstore, "public.hstore[]": array(g.hstore), "public.citext": g.text, "public.ltree": g.ltree,
        "public.cube": g.cube,
    }
    if with_xml:
        made["xml"] = g.xml
    return made
