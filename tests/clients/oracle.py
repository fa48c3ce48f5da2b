"""What the JSON of a value has to be: the server's own to_json, under fixed settings and without casts to json."""

import random

import psycopg
from psycopg import sql

FIXED = {"timezone": "UTC", "datestyle": "ISO, MDY", "intervalstyle": "postgres", "extra_float_digits": "1",
         "bytea_output": "hex", "lc_monetary": "C", "search_path": "pg_catalog", "quote_all_identifiers": "off"}

# What writers and readers have set instead, each at random.
FOREIGN = {
    "timezone": ["UTC", "Asia/Kathmandu", "America/New_York", "Pacific/Kiritimati", "Europe/Dublin", "XYZ+3:30"],
    "datestyle": ["ISO, MDY", "ISO, DMY", "SQL, MDY", "SQL, DMY", "German", "Postgres, MDY", "Postgres, DMY", "ISO, YMD"],
    "intervalstyle": ["postgres", "postgres_verbose", "sql_standard", "iso_8601"],
    "extra_float_digits": ["-15", "-3", "0", "1", "3"],
    "bytea_output": ["hex", "escape"],
    "lc_monetary": ["C", "POSIX"],
    "lc_numeric": ["C", "POSIX"],
    "lc_time": ["C", "POSIX"],
    "search_path": ["public", "kinds, public", "pg_temp, kinds", "public, pg_catalog", "", "nowhere"],
    "quote_all_identifiers": ["on", "off"],
    "xmloption": ["content", "document"],
    "xmlbinary": ["base64", "hex"],
    "standard_conforming_strings": ["on", "off"],
    "escape_string_warning": ["off"],
    "backslash_quote": ["on", "off", "safe_encoding"],
    "array_nulls": ["on", "off"],
    "default_text_search_config": ["pg_catalog.simple", "pg_catalog.german"],
    "default_toast_compression": ["pglz", "lz4"],
    "row_security": ["on", "off"],
    "jit": ["on", "off"],
    "transform_null_equals": ["on", "off"],
}


def configure(connection, settings: dict) -> None:
    for name, value in settings.items():
        connection.execute("select pg_catalog.set_config(%s, %s, false)", (name, value))


class ForeignSettings:
    """Settings that differ from the fixed ones, by chance; those that the server has not are left out."""

    def __init__(self, connection, choose: random.Random):
        self.choose, self.values = choose, {}
        for name, values in FOREIGN.items():
            for value in values:
                try:
                    with connection.transaction(force_rollback=True):
                        configure(connection, {name: value})
                    self.values.setdefault(name, []).append(value)
                except (psycopg.errors.InvalidParameterValue, psycopg.errors.FeatureNotSupported):
                    # lc_monetary and its like depend on the system's locales, lz4 on how the server was built.
                    assert name in ("default_toast_compression", "lc_monetary", "lc_numeric", "lc_time"), (name, value)

    def set(self, connection) -> dict:
        chosen = {name: self.choose.choice(values) for name, values in self.values.items()}
        configure(connection, chosen)
        return chosen


class Oracle:
    """Evaluates SQL under the fixed settings, in a transaction in which no type has a cast to json."""

    def __init__(self, connection):
        self.connection = connection
        configure(connection, FIXED)
        connection.execute("begin")
        casts = connection.execute("""
            select castsource::regtype::text, casttarget::regtype::text, extname
            from pg_cast c left join pg_depend d on d.classid = 'pg_cast'::regclass and d.objid = c.oid and d.deptype = 'e'
                 left join pg_extension e on e.oid = d.refobjid
            where casttarget in ('json'::regtype, 'jsonb'::regtype) and c.oid >= 16384""").fetchall()
        for source, target, extension in casts:
            if extension:
                connection.execute(f"alter extension {extension} drop cast ({source} as {target})")
            connection.execute(f"drop cast ({source} as {target})")
        self.casts_dropped = len(casts)

    def rows(self, query, arguments=None) -> list:
        return self.connection.execute(query, arguments).fetchall()

    def json(self, table: str, column: str = "v", key: str = "id") -> dict:
        """The JSON of a column, by key; "null" where it is null."""
        return dict(self.rows(sql.SQL("select {}, coalesce(to_json({})::text, 'null') from public.{}").format(
            sql.Identifier(key), sql.Identifier(column), sql.Identifier(table))))
