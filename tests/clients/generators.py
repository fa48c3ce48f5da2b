"""Random values, each as text that every setting reads, though not always as the same value."""

import json
import random
import string
import uuid

ODD_LETTERS = "\x01\x07\b\t\n\v\f\r\x1b\x1f \"'\\/{}[](),:<>&\x7f\x80éß€\u0301\u200b\u2028\ufeff\uffff😀𝔘"


class Generator:
    """The methods are named after what they make; each returns the text form of a value."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *choices) -> str:
        """One of them; a function makes it."""
        choice = choices[int(self.random.random() * len(choices))]
        return choice() if callable(choice) else choice

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def text(self, longest: int = 30) -> str:
        if longest > 20 and self.random.random() < 0.02:
            # Long enough to be compressed, or to be stored out of line.
            return self.one(lambda: self.one("ab", "é\\") * self.number(1000, 4000),
                            lambda: self.random.randbytes(self.number(2000, 5000)).hex())
        letters = self.one(string.ascii_letters, ODD_LETTERS, string.printable, "aA1 ")
        return "".join(self.random.choices(letters, k=self.number(0, longest)))

    def text_of(self, longest: int):
        """As much as a column or a part of a value can hold, counted in letters or, for name, in bytes of four each."""
        return lambda: self.text(min(longest, 20))[:longest]

    def word(self) -> str:
        return "".join(self.random.choices("abcXYZ_019", k=self.number(1, 8)))

    def integer(self, bits: int) -> str:
        limit = 1 << (bits - 1)
        return str(self.one(0, -1, limit - 1, -limit, lambda: self.number(-limit, limit - 1),
                            lambda: self.number(-100, 100)))

    def unsigned(self, bits: int) -> str:
        return str(self.one(0, 1, (1 << bits) - 1, lambda: self.random.getrandbits(bits), lambda: self.number(0, 20000)))

    def numeric(self) -> str:
        digits = "".join(self.random.choices(string.digits, k=self.number(1, 40)))
        at = self.number(0, len(digits))
        return self.one("NaN", "Infinity", "-Infinity", "0", "0.00", "1e400", "1.0", "1.00", f"{digits[:at]}.{digits[at:]}0",
                        f"-{digits}", lambda: f"{digits}e{self.number(-50, 50)}")

    def real(self, smallest: int, largest: int) -> str:
        return self.one("NaN", "Infinity", "-Infinity", "0", "-0", lambda: repr(self.random.random()),
                        lambda: str(self.number(-9, 9)),
                        lambda: f"{self.random.uniform(-10, 10):.17f}e{self.number(smallest + 2, largest - 2)}",
                        lambda: repr(self.random.uniform(-1e17, 1e17)), lambda: repr(self.random.gauss(0, 1)))

    def float4(self) -> str:
        return self.real(-37, 37)

    def float8(self) -> str:
        return self.real(-307, 307)

    def finite(self) -> str:
        return self.one("0", "-0", lambda: repr(self.random.uniform(-1e3, 1e3)), lambda: str(self.number(-9, 9)), "1e-7", "1e200")

    def boolean(self) -> str:
        return self.one("true", "false")

    def money(self) -> str:
        return f"{self.number(-10**14, 10**14)}.{self.number(0, 99):02}"

    def bytes(self) -> str:
        return "\\x" + self.random.randbytes(self.one(0, 1, 5, 40)).hex()

    def json(self, depth: int = 3) -> str:
        """Text with all that jsonb would not keep: spaces, duplicate keys, digits, escapes."""
        space = lambda: self.one("", "", "", " ", "\n\t")
        scalar = lambda: self.one("null", "true", "false", "0", "-0", "1.0", "1.00", "-1.5e-10",
                                  lambda: str(self.number(-10**20, 10**20)),
                                  lambda: json.dumps(self.text(12)), lambda: json.dumps(self.text(12), ensure_ascii=False))
        if depth == 0 or self.random.random() < 0.3:
            inner = scalar()
        elif self.random.random() < 0.5:
            inner = "[" + ",".join(self.json(depth - 1) for _ in range(self.number(0, 3))) + "]"
        else:
            keys = [json.dumps(self.one("a", "b", "é", "")) for _ in range(self.number(0, 4))]
            inner = "{" + ",".join(f"{space()}{key}{space()}:{self.json(depth - 1)}" for key in keys) + "}"
        return space() + inner + space()

    def rough_json(self) -> str:
        return self.one("1e140000", '"\\u0000"', '{"a":"\\u0000", "a":-0}', self.json, self.json)

    def jsonpath(self) -> str:
        return self.one("$", f"$.a[{self.number(0, 9)} to last] ? (@.b > {self.random.random()})",
                        'strict $."a b".*', "$.**{2}.c == 1")

    def year(self) -> str:
        return f"{self.one(self.number(1, 9999), self.number(1900, 2100), self.number(10000, 290000)):04}"

    def day(self) -> str:
        return f"{self.year()}-{self.number(1, 12):02}-{self.number(1, 28):02}"

    def era(self, moment: str) -> str:
        return moment + " BC" if int(moment.split("-")[0]) <= 4700 and self.random.random() < 0.2 else moment

    def date(self) -> str:
        return self.one("infinity", "-infinity", *[self.era(self.day())] * 6)

    def clock(self) -> str:
        digits = self.number(0, 6)
        fraction = "." + "".join(self.random.choices(string.digits, k=digits)) if digits else ""
        return f"{self.number(0, 23):02}:{self.number(0, 59):02}:{self.number(0, 59):02}{fraction}"

    def zone(self) -> str:
        return f"{self.one('+', '-')}{self.number(0, 14):02}:{self.one('00', '30', '45')}"

    def time(self) -> str:
        return self.one("24:00:00", "00:00:00", *[self.clock()] * 6)

    def timetz(self) -> str:
        return self.time() + self.zone()

    def timestamp(self) -> str:
        return self.one("infinity", "-infinity", *[self.era(f"{self.day()} {self.clock()}")] * 6)

    def timestamptz(self) -> str:
        return self.one("infinity", "-infinity", *[self.era(f"{self.day()} {self.clock()}{self.zone()}")] * 6)

    def interval(self) -> str:
        signed = lambda most: f"{self.one('+', '-')}{self.number(0, most)}"
        parts = [f"{signed(1000)} years", f"{signed(30)} mons", f"{signed(1000)} days", f"{self.one('+', '-')}{self.clock()}"]
        return self.one("0", "1 mon", "30 days", "720:00:00", "24:00:00", "1 day",
                        *[" ".join(self.random.sample(parts, k=self.number(1, 4)))] * 6)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128)))

    def address(self) -> str:
        return self.one(".".join(str(self.number(0, 255)) for _ in range(4)),
                        ":".join(f"{self.random.getrandbits(16):x}" for _ in range(8)), "::1", "::ffff:1.2.3.4")

    def inet(self) -> str:
        address = self.address()
        return self.one(address, lambda: f"{address}/{self.number(0, 32)}")

    def cidr(self) -> str:
        return self.one(self.address(), f"10.{self.number(0, 255)}.0.0/{self.number(16, 32)}", "::/0")

    def hex_pairs(self, count: int) -> str:
        return ":".join(f"{byte:02x}" for byte in self.random.randbytes(count))

    def bits(self, least: int, most: int) -> str:
        return "".join(self.random.choices("01", k=self.number(least, most)))

    def point(self) -> str:
        return f"({self.one('NaN', 'Infinity', *[self.finite()] * 5)},{self.finite()})"

    def points(self, least: int, most: int) -> str:
        return ",".join(f"({self.finite()},{self.finite()})" for _ in range(self.number(least, most)))

    def line(self) -> str:
        return f"{{{self.finite()},{self.one('1', '-2.5', '1e-3')},{self.finite()}}}"

    def path(self) -> str:
        return self.one("({})", "[{}]").format(self.points(1, 5))

    def circle(self) -> str:
        return f"<({self.finite()},{self.finite()}),{self.random.uniform(0, 9)}>"

    def tsvector(self) -> str:
        word = lambda: f"'{self.word()}':{self.number(1, 9)}{self.one('', 'A', 'B')}"
        return " ".join(word() for _ in range(self.number(0, 4)))

    def tsquery(self, depth: int = 3) -> str:
        if depth == 0 or self.random.random() < 0.3:
            return f"'{self.word()}'{self.one('', ':*', ':AB')}"
        left, right = self.tsquery(depth - 1), self.tsquery(depth - 1)
        return self.one(f"!({left})", f"({left}) & ({right})", f"({left}) | ({right})",
                        f"({left}) <{self.number(1, 9)}> ({right})")

    def lsn(self) -> str:
        return f"{self.random.getrandbits(32):X}/{self.random.getrandbits(32):X}"

    def snapshot(self) -> str:
        low = self.number(1, 10**9)
        running = sorted(self.random.sample(range(low, low + 50), self.number(0, 4)))
        return f"{low}:{low + 60}:{','.join(map(str, running))}"

    def tid(self) -> str:
        return f"({self.unsigned(32)},{self.unsigned(16)})"

    def relation(self) -> str:
        return self.one("pg_catalog.pg_class", "kinds.here", "public.item", "0", self.unsigned(32))

    def type(self) -> str:
        return self.one("integer", 'kinds."Odd Name"', "kinds.mood[]", "timestamp with time zone", "0")

    def function(self) -> str:
        return self.one("pg_catalog.now", "kinds.called", "0")

    def schema(self) -> str:
        return self.one("pg_catalog", "kinds", "public", "0", self.unsigned(32))

    def range(self, bound, order) -> str:
        """Bounds in order: `order` makes what Python compares of what `bound` makes."""
        if self.random.random() < 0.15:
            return "empty"
        low, high = sorted((bound(), bound()), key=order)
        low, high = self.one(low, low, low, ""), self.one(high, high, high, "")
        quote = lambda text: f'"{text}"' if text else ""
        return f"{self.one('[', '(')}{quote(low)},{quote(high)}{self.one(']', ')')}"

    def int_range(self) -> str:
        return self.range(lambda: str(self.number(-10**6, 10**6)), int)

    def num_range(self) -> str:
        return self.range(lambda: f"{self.number(-99, 99)}.{self.one('', '0', '00', '5', '50')}", float)

    def short_day(self) -> str:
        """With a year of four digits, so that texts are in the order of days."""
        return f"{self.number(1000, 9999)}-{self.number(1, 12):02}-{self.number(1, 28):02}"

    def date_range(self) -> str:
        return self.range(self.short_day, str)

    def moment_range(self, zone: str = "") -> str:
        return self.range(lambda: f"{self.short_day()} {self.clock()}{zone}", str)

    def zoned_range(self) -> str:
        return self.moment_range(self.zone())

    def several(self, one) -> str:
        return "{" + ",".join(one() for _ in range(self.number(0, 4))) + "}"

    def mood(self) -> str:
        return self.one("sad", 'Happy "x"', "é")

    def array(self, one) -> str:
        """Of one or two dimensions, at times with other lower bounds; an unquoted NULL depends on a setting."""
        element = lambda: '"' + one().replace("\\", "\\\\").replace('"', '\\"') + '"'
        rows, columns = self.number(1, 3), self.number(1, 4)
        row = lambda: "{" + ",".join(element() for _ in range(columns)) + "}"
        low = self.number(-3, 5)
        return self.one("{}", row, row, lambda: f"[{low}:{low + columns - 1}]={row()}",
                        lambda: "{" + ",".join(row() for _ in range(rows)) + "}")

    def row(self, *parts) -> str:
        """A part is left empty, which is null, or quoted."""
        quote = lambda text: '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
        return "(" + ",".join("" if self.random.random() < 0.2 else quote(part()) for part in parts) + ")"

    def odd_row(self) -> str:
        return self.row(lambda: self.integer(32), self.text, self.timestamptz)

    def nested_row(self) -> str:
        array = lambda one: lambda: self.array(one)
        return self.row(self.odd_row, array(self.odd_row), self.rough_json, self.mood, array(self.mood), self.hstore,
                        array(self.hstore), self.zoned_range, self.relation, array(self.relation), self.float8, self.interval)

    def hstore(self) -> str:
        quote = lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        pair = lambda: f"{quote(self.text(8))}=>{self.one('NULL', lambda: quote(self.text(8)))}"
        return ",".join(pair() for _ in range(self.number(0, 4)))

    def xml(self) -> str:
        """A document, which is a content, too."""
        name = self.one("a", "é")
        return f"<{name} b='{self.number(0, 9)}'>{self.word()}&amp;<c/></{name}>"

    def ltree(self) -> str:
        return ".".join(self.word() for _ in range(self.number(0, 4)))

    def cube(self) -> str:
        corner = lambda: f"({self.finite()},{self.finite()})"
        return self.one(corner(), f"{corner()},{corner()}")
