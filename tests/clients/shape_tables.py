"""The tables of the replay tests, each with what is special about it."""

from shapes import JSON, NUMERIC, TEXT, Column, Shape, json_text, long_text, number, odd_text

ITEM = Shape(
    name="public.item",
    setup="create table item (id integer primary key, grp text, body text, amount numeric, doc jsonb)",
    columns=[Column("grp", "text", lambda random: random.choice(["a", "b", None]), ("nullif({}, 'a')", "null")),
             Column("body", "text", long_text, TEXT),
             Column("amount", "numeric", number, NUMERIC),
             Column("doc", "jsonb", json_text, JSON)],
    most=100, shifts=(("{} + 100", 1, 100), ("{} - 100", 101, 200)))

# A compound key whose order is not that of the columns, and a table whose foreign key follows it.
PAIR = Shape(
    name="public.pair",
    setup="create table pair (v text, n integer, amount numeric, grp text, doc json, primary key (grp, n))",
    key={"grp": "text", "n": "integer"}, number="n", labels=("", "a", 'é"\\', "long " * 50), most=30,
    shifts=(("{} + 100", 1, 30), ("{} - 100", 101, 130)),
    columns=[Column("v", "text", odd_text, TEXT), Column("amount", "numeric", number, NUMERIC),
             Column("doc", "json", json_text, JSON)])

PET = Shape(
    name="public.pet",
    setup="create table pet (id integer primary key, grp text, n integer, v text, "
          "foreign key (grp, n) references pair on update cascade on delete cascade)",
    columns=[Column("v", "text", odd_text, TEXT)],
    own=(("update pet set (grp, n) = (select grp, n from pair order by n, grp offset {n} % 5 limit 1) "
          "where id between {m} and {m} + 2", "updates"),))

# Ranges, one of them divided again by hash, a default partition that is divided by list, and a leaf with another order
# of columns and a dropped one.
MEASURE = Shape(
    name="public.measure",
    setup="""
        create table measure (id integer, kind text, v text, amount numeric, primary key (id, kind)) partition by range (id);
        create table measure_low partition of measure for values from (minvalue) to (30);
        create table measure_mid partition of measure for values from (30) to (130) partition by hash (kind);
        create table measure_mid_0 partition of measure_mid for values with (modulus 2, remainder 0);
        create table measure_mid_1 (gone text, amount numeric, v text, kind text not null, id integer not null, primary key (id, kind));
        alter table measure_mid_1 drop column gone;
        alter table measure_mid attach partition measure_mid_1 for values with (modulus 2, remainder 1);
        create table measure_rest partition of measure default partition by list (kind);
        create table measure_rest_a partition of measure_rest for values in ('a');
        create table measure_rest_rest partition of measure_rest default;
    """,
    key={"id": "integer", "kind": "text"}, labels=("a", "b", "c", "dé"),
    columns=[Column("v", "text", odd_text, TEXT), Column("amount", "numeric", number, NUMERIC)],
    parts=(("public.measure_low", lambda n: n < 30), ("public.measure_mid", lambda n: 30 <= n < 130),
           # Which rows it takes is the hash function's secret.
           ("public.measure_mid_1", lambda n: False), ("public.measure_rest", lambda n: n >= 130)),
    own=(("update measure set id = id + 100 where id between {n} % 30 and 29 "
          "and not exists (select from measure o where (o.id, o.kind) = (measure.id + 100, measure.kind))", "partition moves"),
         ("update measure set id = id - 100, v = v || '<' where id between 100 + {n} % 30 and 129 "
          "and not exists (select from measure o where (o.id, o.kind) = (measure.id - 100, measure.kind))", "partition moves"),
         ("insert into measure select n, 'a', 'new' from generate_series(1, 160, 2) n on conflict do nothing", "inserts")) * 2 + (
         ("update measure set kind = case kind when 'a' then 'b' else 'a' end where id = (select min(id) from measure where id >= {n})", "key moves"),))

# Rows of the parent, of two children and of a grandchild, some with another order of columns, told apart by the
# key's remainder: an inheritance tree does not keep a key from being there twice.
CREATURE = Shape(
    name="public.creature",
    setup="""
        create table creature (id integer primary key, name text, size numeric);
        create table animal (legs integer, primary key (id)) inherits (creature);
        create table dog (tail text, legs integer, gone text, size numeric, name text, id integer primary key);
        alter table dog drop column gone;
        alter table dog inherit animal;
        create table cat (size numeric, id integer primary key, name text);
        alter table cat inherit creature;
    """,
    columns=[Column("name", "text", odd_text, TEXT), Column("size", "numeric", number, NUMERIC)],
    modulus=4,
    parts=(("public.animal", lambda n: n % 4 == 1), ("public.dog", lambda n: n % 4 == 2), ("public.cat", lambda n: n % 4 == 3)),
    own=(("update animal set legs = {n} where id between {m} and {m} + 5", "columns of children"),
         ("update dog set tail = 'wags', name = 'dog ' || {n} where id between {m} and {m} + 5", "columns of children"),
         ("insert into dog (id, tail) select n, '' from generate_series(2, 60, 4) n on conflict do nothing", "inserts"),
         ("update only creature set size = {n}", "updates")))

# Keys that change places in one statement, while triggers change rows that are moving, delete them, or make room.
PLACE = Shape(
    name="public.place",
    setup="""
        create table place (id integer primary key deferrable, v text, n integer);
        create table did (what text);
        create function touch() returns trigger language plpgsql as $$
        begin
            -- The statement will fail, unless this trigger deleted what is in the way.
            if exists (select from place group by id having count(*) > 1) then
                return null;
            end if;
            case new.id % 7
                when 0 then update place set n = coalesce(n, 0) + 1 where id = new.id + 1;
                when 1 then delete from place where id = new.id + 2;
                when 2 then update place set id = -id where id = new.id + 1 and not exists (select from place where id = -1 - new.id);
                when 3 then update place set v = left(v || '!', 20) where id = new.id;
                when 4 then
                    delete from place where id = new.id + 1;
                    if found then
                        insert into place (id, v) values (new.id + 1, 'again');
                    end if;
                else null;
            end case;
            if found then
                insert into did values (tg_name);
            end if;
            return null;
        end $$;
        create function make_room() returns trigger language plpgsql as $$
        begin
            delete from place where id = new.id;
            if found then
                insert into did values (tg_name);
            end if;
            return new;
        end $$;
        -- Triggers fire in the order of their names: one before and one after that of the extension.
        create trigger a_touch after insert or update of id on place for each row
            when (pg_trigger_depth() = 0 and new.id % 2 = 0) execute function touch();
        create trigger zz_touch after insert or update of id on place for each row
            when (pg_trigger_depth() = 0 and new.id % 2 = 1) execute function touch();
        create trigger replace before insert on place for each row execute function make_room();
        create trigger take_over before update of id on place for each row
            when (new.v = 'take over' and old.v is distinct from new.v) execute function make_room();
    """,
    columns=[Column("v", "text", lambda random: random.choice([None, "", "a", "b"]), TEXT),
             Column("n", "integer", lambda random: random.randint(0, 9), ("{} + 1", "{}", "null"))],
    # No arbiter, since its key is checked at the end of the statement.
    upserts=False,
    shifts=(("{} + 1", 1, 60), ("{} - 1", 2, 60), ("61 - {}", 1, 60), ("{} % 60 + 1", 1, 60), ("-{}", -60, 60)),
    own=(("update place set id = case id when {n} then {m} else {n} end where id in ({n}, {m})", "key moves"),
         ("update place set id = id % 60 + 1 where id between 1 and 60", "key moves"),
         ("update place set id = id + 1, n = n + 1 where id >= {n}", "key moves"),
         *[("update place set id = o.id, v = 'take over' from (select min(id) as id from place where id >= {n}) o "
            "where place.id = (select min(id) from place where id >= {m} and v is distinct from 'take over') and place.id <> o.id",
            "key moves")] * 2,
         ("insert into place (id, v) values ({n}, '1'), ({n}, '2'), ({m}, '3'), ({n}, '4'), ({m}, '5')", "inserts"),
         ("insert into place (id, v) select n, 'new' from generate_series(1, 60, 3) n", "inserts")))

# Values out of line and compressed, and such as are stored again though they are the same.
DOC = Shape(
    name="public.doc",
    setup="create table doc (id integer primary key, body text, note text, packed text, j jsonb);"
          "alter table doc alter body set storage external",
    columns=[Column("body", "text", lambda random: random.randbytes(random.randint(1000, 6000)).hex(), TEXT),
             Column("note", "text", odd_text, TEXT),
             Column("packed", "text", lambda random: "ab" * random.randint(0, 5000), TEXT),
             Column("j", "jsonb", lambda random: '["' + "x" * random.randint(0, 5000) + '", 1.0]', JSON)],
    most=30, shifts=(("{} + 100", 1, 30), ("{} - 100", 101, 130)),
    own=(("update doc set body = substr(body, 1), packed = substr(packed, 1) where id between {n} and {n} + 3", "stored again"),
         ("update doc set note = note || body where id = {n} and length(note) < 100", "updates"),
         ("update doc set body = body || 'x' where id >= {n}", "updates"),
         ("insert into doc (id, body, note) select n, (select string_agg(md5({n}::text || n || k), '') from generate_series(1, 150) k), '' "
          "from generate_series(1, 30) n on conflict do nothing", "inserts")))

ODD = Shape(
    name='"Odd Schema"."Ta""ble é.😀"',
    setup="""
        create schema "Odd Schema";
        create table "Odd Schema"."Ta""ble é.😀" ("Id" integer, "select" text, "a.b" numeric, "quo""te" text, "{""json"": 1}" jsonb,
            "back\\slash'" text, "ключ" text, "payload" text, primary key ("ключ", "Id"));
    """,
    key={"ключ": "text", "Id": "integer"}, number="Id", labels=("", "null", "{}", "'\"\\"),
    columns=[Column(name, kind, make, changes) for name, kind, make, changes in [
        ("select", "text", odd_text, TEXT), ("a.b", "numeric", number, NUMERIC), ('quo"te', "text", odd_text, TEXT),
        ('{"json": 1}', "jsonb", json_text, JSON), ("back\\slash'", "text", odd_text, TEXT), ("payload", "text", odd_text, TEXT)]])

WIDE_KINDS = [
    ("integer", lambda random: random.randint(-9, 9), ("{} + 1", "null")),
    ("text", odd_text, ("{} || 'x'", "{}", "null")),
    ("boolean", lambda random: random.choice([True, False, None]), ("not {}", "{}")),
    ("numeric(10,2)", number, ("{} + 1", "{} * 1.0", "null")),
    ("character(3)", lambda random: random.choice(["", "a", "é"]), ("{}", "null")),
    ("float8", lambda random: random.choice(["0", "-0", "NaN", "-Infinity", "1e300", "0.1"]), ("null", "{}")),
    ("timestamptz", lambda random: f"{random.randint(1900, 2100)}-02-03 04:05:06.{random.randint(0, 99)}+02", ("{} + '1 day'", "{}")),
    ("bytea", lambda random: "\\x" + random.randbytes(random.randint(0, 9)).hex(), ("{} || '\\x00'", "{}")),
    ("integer[]", lambda random: random.choice(["{}", "{1,NULL,3}", "[2:3]={1,2}", "{{1,2},{3,4}}"]), ("{}", "null")),
    ("jsonb", json_text, ("null", "{}")),
    ("uuid", lambda random: f"{random.getrandbits(128):032x}", ("{}", "null")),
]


def _wide() -> Shape:
    """The key in the middle, every tenth column dropped, and columns that came when there were rows already."""
    columns, definitions = [], []
    for n in range(1, 231):
        kind, make, changes = WIDE_KINDS[n % len(WIDE_KINDS)]
        definitions.append(f"c{n} {kind}")
        if n == 115:
            definitions.append("n integer primary key")
        if n % 10:
            columns.append(Column(f"c{n}", kind, make, changes))
    dropped = ", ".join(f"drop column c{n}" for n in range(10, 231, 10))
    columns += [Column("later", "integer", lambda random: random.randint(0, 9), ("{} + 1", "{}")),
                Column("last", "text", odd_text, TEXT)]
    return Shape(
        name="public.wide",
        setup=f"create table wide ({', '.join(definitions)}); alter table wide {dropped};"
              "insert into wide (n, c1) select n, n from generate_series(1, 40) n;"
              "alter table wide add later integer default 7, add \"last\" text default 'l'",
        key={"n": "integer"}, number="n", most=40, shifts=(("{} + 100", 1, 40), ("{} - 100", 101, 140)), columns=columns)


WIDE = _wide()

ALL = [PAIR, PET, MEASURE, CREATURE, PLACE, DOC, ODD, WIDE]
