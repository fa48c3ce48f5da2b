"""Sample values for every type that a column can have, and the types of which there are none.

Names are those that format_type shows when search_path is pg_catalog. Composite types, arrays and domains that are
not named here get samples from those of their parts.
"""

# The contrib extensions that define types; PostgreSQL's own packages have them.
EXTENSIONS = ["citext", "cube", "hstore", "intarray", "isn", "lo", "ltree", "pg_trgm", "seg"]
# They come with some servers only, and have their turn where they do.
MORE_EXTENSIONS = ["vector"]

# Types of all kinds that a user makes, in a schema that no fixed search_path has.
KINDS = """
create schema kinds;
create table kinds.here (id integer, "Col" text);
insert into kinds.here values (1, 'a');
create function kinds.called(integer) returns integer language sql as 'select 1';
create statistics kinds.counted (ndistinct, dependencies, mcv) on a, b from public.correlated;
create type kinds.mood as enum ('sad', 'Happy "x"', 'é');
create type kinds."Odd Name" as (a integer, "b ""c" text, gone date, "Ü" timestamptz);
alter type kinds."Odd Name" drop attribute gone;
create type kinds.nested as (pair kinds."Odd Name", pairs kinds."Odd Name"[], j json, m kinds.mood, ms kinds.mood[], h public.hstore,
                             hs public.hstore[], r tstzrange, c regclass, cs regclass[], f float8, iv interval);
create type kinds.empty as ();
create type kinds.floats as range (subtype = float8, multirange_type_name = kinds.many_floats);
create type kinds.names as range (subtype = regclass, multirange_type_name = kinds.many_names);
create type kinds.moods as range (subtype = kinds.mood, multirange_type_name = kinds.many_moods);
create domain kinds.positive as integer check (value > 0);
create domain kinds.more_positive as kinds.positive check (value > 1);
create domain kinds.exact as numeric(10, 3);
create domain kinds.document as json;
create domain kinds.label as kinds.mood;
create domain kinds.labels as kinds.mood[];
create domain kinds.grid as float8[];
create domain kinds.pair as kinds."Odd Name";
create domain kinds.pairs as kinds."Odd Name"[];
create domain kinds.store as public.hstore;
create domain kinds.span as tstzrange;
create domain kinds.moment as timestamptz;
create type kinds.of_domains as (p kinds.positive, d kinds.document, l kinds.labels, q kinds.pair, qs kinds.pairs,
                                 ds kinds.document[]);
"""
BEFORE_KINDS = """
create table public.correlated (a integer, b integer);
insert into public.correlated select n % 3, n % 3 from generate_series(1, 100) n;
"""


class Sql(str):
    """An expression; every other sample is the text form of a value."""


SAMPLES = {
    "aclitem": ["pg_monitor=r*w/pg_monitor", "=a/pg_monitor"],
    '"bit"': ["10101", "", "1"],
    "boolean": ["true", "false"],
    "bpchar": ["x  ", "x", ""],
    "bytea": [r"\x00ff5c2227", r"\x", r"\x61"],
    '"char"': ["x", "", '"', "\\"],
    "cid": ["0", "4294967295"],
    "cidr": ["10.0.0.0/8", "::/0", "10.1.2.3/32"],
    "circle": ["<(1.5,-2),3>", "<(0,0),0>", "<(1e300,NaN),Infinity>"],
    "date": ["2026-01-02", "infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC", "5874897-12-31", "10000-01-01"],
    "real": ["0.1", "NaN", "Infinity", "-Infinity", "-0", "0", "1e-45", "3.4028235e38", "1e6", "1e20", "16777216"],
    "double precision": ["0.1", "0.30000000000000004", "NaN", "Infinity", "-Infinity", "-0", "0", "5e-324",
                         "1.7976931348623157e308", "1e15", "1e16", "123456789012345680"],
    "inet": ["10.0.0.1/8", "10.0.0.1", "::ffff:1.2.3.4", "fe80::1/64"],
    "smallint": ["-32768", "32767", "0"],
    "integer": ["-2147483648", "2147483647", "0"],
    "bigint": ["-9223372036854775808", "9223372036854775807", "0"],
    "interval": ["1 year 2 mons 3 days 04:05:06.789", "-1 year +2 days -03:00:00.000001", "0", "1 month", "30 days",
                 "720:00:00", "-1 days", "178000000 years", "2147483647 days", "2562047788:00:54.775807", "00:00:00.000001"],
    "json": ['{"b": 1, "b": -0, "z" : "" }', '"\\u0000"', "1e140000", " [ ] ", "null", '{"\\ud83d\\ude00": "\\u00e9"}', "-0", "1.0"],
    "jsonb": ['{"b": 1, "a": [1, null, {}]}', "1.0", "1.00", "null", '"\\u00e9\\n"', '"text"', "1e400", "-0.0", "[]", "{}"],
    "jsonpath": ["$.a[*] ? (@.b > 1.50)", 'strict $."a b".c', "$"],
    "box": ["(3,4),(1,2)", "(0,0),(-0,0)"],
    "line": ["{1,-2,3.5}", "{0,1,0}"],
    "lseg": ["[(1,2),(3,4)]", "[(0,0),(0,0)]"],
    "macaddr": ["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"],
    "macaddr8": ["08:00:2b:01:02:03:04:05", "00:00:00:00:00:00:00:00"],
    "money": ["12.34", "-92233720368547758.08", "92233720368547758.07", "0"],
    "name": ["name", "", 'q"\\é', "a" * 63],
    "numeric": ["1.0", "1.00", "1", "-0.000", "NaN", "Infinity", "-Infinity", "1e400", "1e-400", "-1e131071", "1e-16383",
                "123456789012345678901234567890.0010"],
    "oid": ["0", "4294967295"],
    "path": ["((1,2),(3,4))", "[(1,2),(3,4)]", "((0,0))"],
    "pg_dependencies": [Sql("(select stxddependencies from pg_statistic_ext_data limit 1)")],
    "pg_lsn": ["16/B374D848", "0/0", "FFFFFFFF/FFFFFFFF"],
    "pg_mcv_list": [Sql("(select stxdmcv from pg_statistic_ext_data limit 1)")],
    "pg_ndistinct": [Sql("(select stxdndistinct from pg_statistic_ext_data limit 1)")],
    "pg_node_tree": [Sql("(select ev_action from pg_rewrite order by oid limit 1)"),
                     Sql("(select ev_action from pg_rewrite order by oid desc limit 1)")],
    "pg_snapshot": ["10:20:10,14,15", "1:1:"],
    "point": ["(1.5,-2)", "(-0,0)", "(0,0)", "(NaN,Infinity)"],
    "polygon": ["((0,0),(1,1),(2,0))", "((1,2))"],
    "refcursor": ['a "cursor"', ""],
    "regclass": ["pg_class", "kinds.here", "0", "4294967295"],
    "regcollation": ['"C"', '"default"', "0"],
    "regconfig": ["english", "simple"],
    "regdictionary": ["simple", "english_stem"],
    "regnamespace": ["pg_catalog", "kinds", "0"],
    "regoper": [Sql("'=(integer,integer)'::regoperator::oid::regoper"), Sql("'!~~*(text,text)'::regoperator::oid::regoper"), "0"],
    "regoperator": ["=(integer,integer)", "-(NONE,integer)", "0"],
    "regproc": ["now", "kinds.called", Sql("'abs(integer)'::regprocedure::oid::regproc"), "0"],
    "regprocedure": ["abs(integer)", "kinds.called(integer)", "now()", "0"],
    "regrole": ["pg_monitor", "0"],
    "regtype": ["integer", "kinds.\"Odd Name\"", "kinds.mood[]", "double precision", "0"],
    "text": ["", "x", "q\"\\/\b\f\n\r\t\x01\x1f\x7f ü € 😀 e\u0301", "null", " ", "</script>", "\u2028"],
    "tid": ["(0,1)", "(4294967295,65535)"],
    "time without time zone": ["04:05:06.7", "24:00:00", "00:00:00", "23:59:59.999999"],
    "time with time zone": ["04:05:06+02", "24:00:00-15:59", "00:00:00.000001+05:45", "04:05:06+15:59:59"],
    "timestamp without time zone": ["2026-01-02 03:04:05.678", "infinity", "-infinity", "0044-03-15 12:00:00 BC",
                                    "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "0001-01-01 00:00:00 BC",
                                    "1900-02-28 23:59:60"],
    "timestamp with time zone": ["2026-01-02 03:04:05.678+05:45", "infinity", "-infinity", "0044-03-15 12:00:00+00 BC",
                                 "4713-01-01 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "1800-01-01 00:00:00+00"],
    "tsquery": ["'a' & !'b':*A | 'c d' <2> 'e'", ""],
    "tsvector": ["'a':1A,2 'it''s':3B 'q\"\\\\x'", ""],
    "txid_snapshot": ["10:20:10,14,15", "1:1:"],
    "uuid": ["A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"],
    "bit varying": ["10101", "", "1"],
    "character varying": ["vc", "", "é\"\\"],
    "xid": ["0", "4294967295"],
    "xid8": ["0", "18446744073709551615"],
    "xml": ["<a b=\"c\">é &amp; &lt;</a>", "text<a/>", "<?xml version=\"1.0\"?><a/>", ""],
    "int2vector": ["1 -2 3", ""],
    "oidvector": ["1 4294967295", ""],
    "int4range": ["[1,5)", "empty", "(,)", "[1,1]"],
    "int8range": ["[1,9223372036854775807)", "empty", "(,)"],
    "numrange": ["[1.0,1.00]", "(1,)", "[NaN,NaN]", "(,infinity)"],
    "daterange": ["[2026-01-02,2026-02-03)", "[-infinity,infinity]", "(,0044-03-15 BC)"],
    "tsrange": ['["2026-01-02 03:04:05.6",infinity)', "empty", '(,"0044-03-15 00:00:00 BC"]'],
    "tstzrange": ['["2026-01-02 03:04:05.6+05:45",infinity)', "empty", '(,"0044-03-15 00:00:00+00 BC"]'],
    "int4multirange": ["{[1,3),[5,7)}", "{}", "{(,)}"],
    "int8multirange": ["{[1,3),[5,7)}", "{}"],
    "nummultirange": ["{[1.0,1.00],(2,)}", "{}"],
    "datemultirange": ["{[2026-01-02,2026-02-03),[2027-01-01,infinity)}", "{}"],
    "tsmultirange": ['{["2026-01-02 03:04:05.6",infinity)}', "{}"],
    "tstzmultirange": ['{["2026-01-02 03:04:05.6+05:45",infinity)}', "{}"],
    "information_schema.cardinal_number": ["0", "2147483647"],
    "information_schema.character_data": ["", "q\"\\"],
    "information_schema.sql_identifier": ["", "q\"\\"],
    "information_schema.time_stamp": ["2026-01-02 03:04:05.67+05:45", "infinity"],
    "information_schema.yes_or_no": ["YES", "NO"],
    # Of extensions.
    "public.citext": ["A", "a", "q\"\\é"],
    "public.cube": ["(1,2),(3,4)", "(0.1)", "(0.30000000000000004,-0)"],
    "public.hstore": ['"a"=>"1", "q\\"x"=>"y\\\\", "n"=>NULL', "", "1=>2.0"],
    "public.query_int": ["1&(2|!3)", "1"],
    "public.ean13": ["978-0-393-04002-9", "220-011-501-013-2"],
    "public.isbn": ["0-393-04002-X", "1-4133-0454-0"],
    "public.isbn13": ["978-0-393-04002-9", "978-1-4133-0454-1"],
    "public.ismn": ["M-060-11561-5", "M-2306-7118-7"],
    "public.ismn13": ["979-0-060-11561-5", "979-0-2306-7118-7"],
    "public.issn": ["1436-4522", "0378-5955"],
    "public.issn13": ["977-1436-452-00-8", "977-0378-595-00-2"],
    "public.upc": ["220356483481", "036000291452"],
    "public.lo": ["0", "4294967295"],
    "public.lquery": ["a.*{1,2}.!b@|c%", "*"],
    "public.ltree": ["Top.Science.x_1", ""],
    "public.ltxtquery": ["a & !b@ | c*", "a"],
    "public.seg": ["1.50", "<2.0 .. ~3", "1 .. 2", "1.500 .."],
    "public.vector": ["[1,-0,1e-7]", "[0.1]"],
    "public.halfvec": ["[1,-0,1e-7]", "[0.1]"],
    "public.sparsevec": ["{1:1.5,3:-2}/5", "{}/3"],
    # Of users.
    "kinds.mood": ["sad", 'Happy "x"', "é"],
    "kinds.empty": [Sql("row()::kinds.empty")],
    "kinds.floats": ["[0.1,0.30000000000000004)", "empty", "(,NaN]"],
    "kinds.many_floats": ["{[0.1,0.30000000000000004)}", "{}"],
    "kinds.names": ["[pg_class,kinds.here)", "empty", "[0,kinds.here]"],
    "kinds.many_names": ["{[pg_class,kinds.here)}", "{}"],
    "kinds.moods": ["[sad,é)", '["Happy ""x""",]'],
    "kinds.many_moods": ["{[sad,é)}", "{}"],
    "kinds.positive": ["1", "2147483647"],
    "kinds.more_positive": ["2", "2147483647"],
    "kinds.exact": ["1.0", "-1234567.891"],
    "kinds.document": ['{"b": 1, "b": -0}', '"\\u0000"'],
    "kinds.labels": ['{sad,NULL,"Happy \\"x\\""}', "{}", "[2:2]={é}"],
    "kinds.grid": ["{{0.1,NaN},{-0,NULL}}", "{}"],
}

# Columns whose type has a modifier, with samples.
MODIFIED = {
    "character(5)": ["x", "é", "", "ab   "],
    "character varying(3)": ["x", ""],
    "bit(3)": ["101", "000"],
    "bit varying(5)": ["101", ""],
    "numeric(10,3)": ["1", "-1234567.8914"],
    "numeric(3,-2)": ["12345", "0"],
    "timestamp(0) without time zone": ["2026-01-02 03:04:05.678", "infinity"],
    "timestamp(3) with time zone": ["2026-01-02 03:04:05.6785+05:45", "-infinity"],
    "time(2) without time zone": ["03:04:05.678"],
    "time(0) with time zone": ["03:04:05.678-08"],
    "interval year to month": ["1 year 2 mons 3 days"],
    "interval day to second(1)": ["3 days 04:05:06.789"],
    "interval hour": ["04:05:06"],
    "numeric(5,2)[]": ["{1,NULL,2.345}"],
}

# Types without samples: only NULL can be stored. Each with its reason.
_REFUSED = "its input function refuses everything, and no function returns it"
SKIP = {
    "gtsvector": _REFUSED,
    "pg_brin_bloom_summary": _REFUSED,
    "pg_brin_minmax_multi_summary": _REFUSED,
    "public.ghstore": _REFUSED,
    "public.gtrgm": _REFUSED,
    "public.intbig_gkey": _REFUSED,
    "public.ltree_gist": _REFUSED,
}
# On servers that were built without libxml nothing makes a value of xml.
WITHOUT_LIBXML = {"xml": "this server was built without libxml"}
