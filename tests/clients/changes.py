"""Random statements on a table of some shape."""

from dataclasses import dataclass

from shapes import Shape, identifier, literal


@dataclass
class Change:
    """A statement, and what the rows that it changes count as."""

    text: str
    kind: str
    shape: Shape
    # Those of a COPY.
    rows: list = None
    # Whether it returns the keys of the rows that it deleted.
    returns_keys: bool = False


class Changes:
    def __init__(self, random):
        self.random = random

    def any(self, shape: Shape) -> Change:
        if shape.own and self.random.random() < 0.4:
            return self.own(shape)
        kinds = {self.insert: 4, self.upsert: 3, self.merge: 3, self.copy: 1.5, self.update: 5, self.move: 5, self.shift: 2,
                 self.delete: 5, self.replace: 4, self.replace_by_function: 1.3, self.move_by_function: 1, self.bulk: 0.5,
                 self.truncate: 0.5}
        if not shape.upserts:
            del kinds[self.upsert]
        kind, = self.random.choices(list(kinds), list(kinds.values()))
        return kind(shape)

    # Parts of statements.

    def _some(self, shape: Shape, most: int) -> list:
        return self.random.sample(shape.columns, self.random.randint(1, min(most, len(shape.columns))))

    def _keys(self, shape: Shape, most: int = 4) -> list:
        """Different ones."""
        return list({shape.new_key(self.random): None for _ in range(self.random.randint(1, most))})

    def _names(self, columns: list) -> str:
        return ", ".join(identifier(column.name) for column in columns)

    def _row(self, shape: Shape, key: tuple, columns: list) -> str:
        return ", ".join([shape.key_row(key), *(literal(column.make(self.random), column.kind) for column in columns)])

    def _assignments(self, columns: list, of: str = "") -> str:
        """Of new values, and of such as are made from the old ones, an equal one among them."""
        return ", ".join(f"{identifier(column.name)} = {self._value(column, of)}" for column in columns)

    def _value(self, column, of: str) -> str:
        if self.random.random() < 0.5:
            return literal(column.make(self.random), column.kind)
        expression = self.random.choice(column.changes).format(of + identifier(column.name))
        return f"({expression})::{column.kind}"

    def _range(self, shape: Shape) -> str:
        low = self.random.randint(1, shape.most)
        return f"{identifier(shape.number)} between {low} and {low + 2}"

    # Statements.

    def insert(self, shape: Shape, keys: list = None, kind: str = "inserts") -> Change:
        # Here a key may stand twice.
        keys = keys or self._keys(shape) * self.random.choice([1, 1, 1, 2])
        target, keys = shape.inserting(self.random, keys)
        columns = self._some(shape, 30)
        rows = ", ".join(f"({self._row(shape, key, columns)})" for key in keys)
        conflict = " on conflict do nothing" if shape.upserts else ""
        return Change(f"insert into {target} ({shape.key_list}, {self._names(columns)}) values {rows}{conflict}", kind, shape)

    def reinsert(self, shape: Shape, key: tuple) -> Change:
        return self.insert(shape, [key], "re-inserts")

    def upsert(self, shape: Shape) -> Change:
        target, keys = shape.inserting(self.random, self._keys(shape))
        columns = self._some(shape, 6)
        rows = ", ".join(f"({self._row(shape, key, columns)})" for key in keys)
        changed = columns[0]
        update = f"{identifier(changed.name)} = excluded.{identifier(changed.name)}"
        if len(columns) > 1:
            update += ", " + self._assignments(columns[1:], "t.")
        return Change(f"insert into {target} as t ({shape.key_list}, {self._names(columns)}) values {rows} "
                      f"on conflict ({shape.key_list}) do update set {update}", "upserts", shape)

    def merge(self, shape: Shape) -> Change:
        """Each row of the source says what is to be done: insert or update, move, delete."""
        columns = self._some(shape, 6)
        rows, names = [], self._names(columns)
        for key in self._keys(shape):
            deeds = ["put", "put", "update", "move", "delete"]
            if shape.inserting(self.random, [key])[0] != shape.name:
                deeds.remove("put")
                deeds.remove("put")
            rows.append(f"({self._row(shape, key, columns)}, {literal(self.random.choice(deeds), 'text')}, "
                        f"{shape.key_row(shape.moved(self.random, key))})")
        target_keys = ", ".join(f"k{n}" for n in range(len(shape.key)))
        match = " and ".join(f"t.{identifier(name)} = s.{identifier(name)}" for name in shape.key)
        put = ", ".join(f"{identifier(column.name)} = s.{identifier(column.name)}" for column in columns)
        move = ", ".join(f"{identifier(name)} = s.k{n}" for n, name in enumerate(shape.key))
        source = ", ".join("s." + identifier(name) for name in [*shape.key, *(column.name for column in columns)])
        return Change(f"merge into {shape.name} as t using (values {', '.join(rows)}) as s ({shape.key_list}, {names}, deed, {target_keys}) "
                      f"on {match} when matched and s.deed = 'delete' then delete "
                      f"when matched and s.deed = 'move' then update set {move}, {put} "
                      f"when matched then update set {put} "
                      f"when not matched and s.deed = 'put' then insert ({shape.key_list}, {names}) values ({source})",
                      "merges", shape)

    def copy(self, shape: Shape) -> Change:
        # With numbers that are rarely taken: one that is would undo all of it.
        keys = [shape.key_of(number, self.random.choice(shape.labels or (None,))) for number in
                self.random.sample(range(200, 260), self.random.randint(1, 4))]
        target, keys = shape.inserting(self.random, keys)
        columns = self._some(shape, 30)
        rows = [[*key, *(column.make(self.random) for column in columns)] for key in keys]
        return Change(f"copy {target} ({shape.key_list}, {self._names(columns)}) from stdin", "copied rows", shape, rows=rows)

    def update(self, shape: Shape) -> Change:
        return Change(f"update {shape.changing(self.random)} set {self._assignments(self._some(shape, 5))} "
                      f"where {self._range(shape)}", "updates", shape)

    def move(self, shape: Shape) -> Change:
        """A row that is there, or the first after it."""
        old = shape.new_key(self.random)
        new = shape.moved(self.random, old)
        number = identifier(shape.number)
        found = (f"select {shape.key_list} from {shape.name} where {number} >= {shape.number_of(old)} "
                 f"and {number} % {shape.modulus} = {shape.number_of(new) % shape.modulus} order by {number} limit 1")
        text = f"update {shape.name} set ({shape.key_list}) = row({shape.key_row(new)})"
        if self.random.random() < 0.5:
            text += ", " + self._assignments(self._some(shape, 2))
        text += f" where ({shape.key_list}) = ({found}) and ({shape.key_list}) <> ({shape.key_row(new)})"
        if self.random.random() < 0.7:
            text += f" and not exists (select from {shape.name} o where {shape.is_key(new, 'o.')})"
        return Change(text, "key moves", shape)

    def shift(self, shape: Shape) -> Change:
        """Several keys in one statement."""
        expression, low, high = self.random.choice(shape.shifts)
        name = identifier(shape.number)
        first = self.random.randint(low, high)
        last = self.random.choice([high, first + 2])
        return Change(f"update {shape.name} set {name} = {expression.format(name)} "
                      f"where {name} between {first} and {last} and {name} between {low} and {high}", "key moves", shape)

    def delete(self, shape: Shape) -> Change:
        """Also of rows that have been moved out of the way."""
        numbers = [shape.number_of(key) + self.random.choice([0, 0, 100, 200]) for key in self._keys(shape)]
        return Change(f"delete from {shape.changing(self.random)} where {identifier(shape.number)} in ({', '.join(map(str, numbers))}) "
                      f"returning {shape.key_list}", "deletes", shape, returns_keys=True)

    def replace(self, shape: Shape) -> Change:
        """A row is deleted and inserted again by one command."""
        target, (key, *_) = shape.inserting(self.random, [shape.new_key(self.random)])
        columns = self._some(shape, 6)
        return Change(f"with gone as (delete from {target} where {shape.is_key(key)} returning *) "
                      f"insert into {target} ({shape.key_list}, {self._names(columns)}) "
                      f"select {shape.key_list}, {', '.join(self._value(column, 'gone.') for column in columns)} from gone",
                      "re-inserts", shape)

    def replace_by_function(self, shape: Shape) -> Change:
        """While an INSERT runs, a function deletes the rows that are in its way, rows of its own among them."""
        target, keys = shape.inserting(self.random, self._keys(shape) * self.random.choice([1, 1, 2]))
        columns = self._some(shape, 6)
        rows = ", ".join(f"({self._row(shape, key, columns)}, {literal(shape.is_key(key), 'text')})" for key in keys)
        return Change(f"insert into {target} ({shape.key_list}, {self._names(columns)}) "
                      f"select {shape.key_list}, {self._names(columns)} from (values {rows}) as s ({shape.key_list}, {self._names(columns)}, gone) "
                      f"where remove({literal(shape.name, 'text')}, gone) >= 0", "replaced by a function", shape)

    def move_by_function(self, shape: Shape) -> Change:
        """While an UPDATE moves rows, a function deletes what is in their way."""
        expression, low, high = shape.shifts[0]
        name, first = identifier(shape.number), self.random.randint(low, high)
        # For the second of the rows it deletes what the first has become.
        way = expression.format(first) if self.random.random() < 0.5 else expression.format(name)
        way = f"'{name} = ' || ({way})"
        return Change(f"update {shape.name} set {name} = {expression.format(name)} "
                      f"where {name} between {first} and {first + self.random.randint(0, 2)} "
                      f"and remove({literal(shape.name, 'text')}, {way}) >= 0", "moved by a function", shape)

    def bulk(self, shape: Shape) -> Change:
        if self.random.random() < 0.5 and shape.upserts and not shape.labels and not shape.parts:
            columns = self._some(shape, 6)
            row = ", ".join(literal(column.make(self.random), column.kind) for column in columns)
            return Change(f"insert into {shape.name} ({shape.key_list}, {self._names(columns)}) "
                          f"select n, {row} from generate_series(1, {shape.most}) n on conflict do nothing", "inserts", shape)
        return Change(f"update {shape.name} set {self._assignments(self._some(shape, 8))}", "updates", shape)

    def truncate(self, shape: Shape) -> Change:
        return Change(f"truncate {shape.name} cascade", "truncates", shape)

    def own(self, shape: Shape) -> Change:
        text, kind = self.random.choice(shape.own)
        n, m = (self.random.randint(1, shape.most) for _ in "nm")
        return Change(text.format(n=n, m=m), kind, shape)
