"""A table under random changes: how its keys and values are made, and where its rows may be written."""

import json
from dataclasses import dataclass, field
from decimal import Decimal


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value, kind: str) -> str:
    """An SQL constant that has its type wherever it stands."""
    if value is None:
        return f"null::{kind}"
    text = str(value).replace("'", "''")
    return f"'{text}'::{kind}"


@dataclass
class Column:
    """`make(random)` is a value; `changes` are expressions of new values, with {} for the old one."""

    name: str
    kind: str
    make: object
    changes: tuple = ("null",)


def odd_text(random) -> str:
    return random.choice(["", "é", "😀", 'a"b\\c\n', "NULL", "'", "\t\\N"]) * random.randint(0, 3)


def long_text(random) -> str:
    """A fifth is stored out of line: too long, and not compressible."""
    if random.random() < 0.2:
        return random.randbytes(random.randint(3000, 9000)).hex()
    return odd_text(random)


def number(random):
    return random.choice([None, Decimal(0), Decimal("1.0"), Decimal("1.00"), Decimal(random.randint(-99, 99)) / 8])


def json_text(random):
    return random.choice([None, json.dumps({"n": random.random(), "b": [True, None, "é"]}), '{"a": 1.00}', " 0 "])


TEXT = ("{} || 'x'", "{}", "null", "upper({})", "left({}, -1)")
NUMERIC = ("{} + 1.0", "{} * 1.00", "null", "{}", "-{}")
JSON = ("null", "{}", "'{{\"a\": [1.0]}}'")


@dataclass
class Shape:
    """A table `name` (as SQL has it) whose key is `key`, name to type; `number` is the key's integer column."""

    name: str
    setup: str
    columns: list
    key: dict = field(default_factory=lambda: {"id": "integer"})
    number: str = "id"
    most: int = 60
    # Values of the key's other column.
    labels: tuple = ()
    # (expression, lowest, highest): whole ranges of keys that move at once.
    shifts: tuple = (("{} + 100", 1, 60), ("{} - 100", 101, 160))
    # Whether ON CONFLICT finds its key.
    upserts: bool = True
    # Other relations through which its rows can be changed: (name, the numbers of the rows that it takes).
    parts: tuple = ()
    # A number keeps its remainder by this when it moves.
    modulus: int = 1
    # Statements of its own: (SQL with {n} and {m} for numbers, what it counts as).
    own: tuple = ()

    def new_key(self, random) -> tuple:
        return self.key_of(random.randint(1, self.most), random.choice(self.labels) if self.labels else None)

    def key_of(self, number: int, label: str = None) -> tuple:
        return tuple(number if name == self.number else label for name in self.key)

    def number_of(self, key: tuple) -> int:
        return key[list(self.key).index(self.number)]

    def moved(self, random, key: tuple) -> tuple:
        """A key that the row may move to."""
        number = self.number_of(key) % self.modulus + self.modulus * random.randint(1, self.most // self.modulus)
        return self.key_of(number, random.choice(self.labels) if self.labels else None)

    def inserting(self, random, keys: list) -> tuple:
        """Where rows with such keys are inserted, and those of the keys that can be."""
        for name, takes in self.parts:
            if takes(self.number_of(keys[0])) and (self.modulus > 1 or random.random() < 0.2):
                return name, [key for key in keys if takes(self.number_of(key))]
        if self.modulus > 1:
            keys = [key for key in keys if not any(takes(self.number_of(key)) for _, takes in self.parts)]
        return self.name, keys

    def changing(self, random) -> str:
        """Where rows are updated or deleted."""
        return random.choice([name for name, _ in self.parts]) if self.parts and random.random() < 0.2 else self.name

    @property
    def key_list(self) -> str:
        return ", ".join(map(identifier, self.key))

    def key_row(self, key: tuple) -> str:
        return ", ".join(literal(value, kind) for value, kind in zip(key, self.key.values()))

    def is_key(self, key: tuple, of: str = "") -> str:
        return " and ".join(f"{of}{identifier(name)} = {literal(value, kind)}"
                            for (name, kind), value in zip(self.key.items(), key))
