"""The types of a server, from its catalog, and sample values of each."""

import psycopg
from psycopg import sql

import samples
from samples import Sql

TYPES = """
    select t.oid, format_type(t.oid, -1), typtype, typrelid, typbasetype,
           case when typsubscript = 'array_subscript_handler'::regproc and typlen = -1 then typelem else 0 end
    from pg_type t join pg_namespace n on n.oid = typnamespace
    where typtype <> 'p' and nspname !~ '^pg_(toast|temp)'
    order by format_type(t.oid, -1) collate "C"
"""


class Kinds:
    """The server's types and samples of each."""

    def __init__(self, connection):
        self.types = {oid: (name, kind, relation, base, element)
                      for oid, name, kind, relation, base, element in connection.execute(TYPES)}
        self.pseudo = {oid for oid, in connection.execute("select oid from pg_type where typtype = 'p'")}
        self.attributes = {}
        for relation, kind in connection.execute(
                "select attrelid, atttypid from pg_attribute where attnum > 0 and not attisdropped order by attrelid, attnum"):
            self.attributes.setdefault(relation, []).append(kind)
        self.skip = dict(samples.SKIP)
        try:
            connection.execute("select '<a/>'::xml")
        except psycopg.errors.FeatureNotSupported:
            self.skip |= samples.WITHOUT_LIBXML

    def name(self, oid: int) -> str:
        return self.types[oid][0]

    def is_composite(self, oid: int) -> bool:
        return self.types[oid][1] == "c"

    def is_array(self, oid: int) -> bool:
        """Not int2vector and oidvector, which are named in SAMPLES."""
        return self.types[oid][4] != 0 and self.name(oid) not in samples.SAMPLES

    def has_pseudo(self, oid: int) -> bool:
        """Whether a part of it is of a pseudo-type, so that no column can be of it."""
        if oid in self.pseudo:
            return True
        _, _, relation, base, element = self.types[oid]
        return any(self.has_pseudo(part) for part in [*self.attributes.get(relation, []), base, element] if part)

    def samples(self, oid: int) -> list:
        """Expressions; a KeyError for a type that nobody has thought of."""
        name, kind, relation, base, element = self.types[oid]
        cast = lambda expression: f"({expression})::{name}"
        if name in self.skip:
            return []
        if name in samples.SAMPLES:
            return [f"({text})::{name}" if isinstance(text, Sql) else f"{quoted(text)}::{name}" for text in samples.SAMPLES[name]]
        if element:
            of_element = self.samples(element)
            return [cast(f"array[{', '.join([*of_element[:2], 'null', *of_element[-1:]])}]"), f"'{{}}'::{name}"]
        if kind == "d":
            return [cast(sample) for sample in self.samples(base)]
        if kind == "c":
            parts = [self.samples(part) or ["null"] for part in self.attributes.get(relation, [])]
            rows = [[part[0] for part in parts], [part[-1] for part in parts], ["null"] * len(parts)]
            return [f"row({', '.join(row)})::{name}" for row in rows]
        raise KeyError(name)


def quoted(text: str) -> str:
    return sql.Literal(text).as_string(None)
