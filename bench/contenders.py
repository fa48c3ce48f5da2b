"""What is compared: ways to hear of the changes of a table `item`, each in a database of its own.

A contender's SQL follows the table's own, and runs once.
"""

from dataclasses import dataclass, field, replace

import floor

from harness.run import say


@dataclass(frozen=True)
class Contender:
    name: str
    setup: str = ""
    # A query for the channels that it notifies, or nothing.
    channels: str = ""
    # Settings of its database.
    settings: dict = field(default_factory=dict)
    is_ours: bool = False

    def named(self, name: str, setup: str = "") -> "Contender":
        """Another one of this kind, with more SQL."""
        return replace(self, name=name, setup=self.setup + setup)

    def without_listener(self) -> "Contender":
        return replace(self, channels="")

    def with_settings(self, **settings) -> "Contender":
        return replace(self, settings={**self.settings, **settings})


NO_TRIGGER = Contender("no_trigger")

EMPTY_TRIGGER = Contender("empty_trigger", """
create function nothing() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger nothing after insert or update or delete on item for each row execute function nothing();
""")

# The server's own: the key's values.
TCN = Contender("tcn", """
create extension tcn;
create trigger tcn after insert or update or delete on item
    for each row execute function triggered_change_notification();
""", channels="select 'tcn'")

# What people write themselves: the whole row.
PLPGSQL_JSON = Contender("plpgsql_json", """
create function notify_json() returns trigger language plpgsql as $$
begin
    perform pg_notify('item', json_build_object('operation', tg_op, 'table', tg_table_name,
                                                'row', row_to_json(case tg_op when 'DELETE' then old else new end))::text);
    return null;
end $$;
create trigger notify_json after insert or update or delete on item for each row execute function notify_json();
""", channels="select 'item'")

# What they write when there are several who want to know: a notification for each changed field and each who subscribed to
# the table or to that column.
PLPGSQL_DIFF = Contender("plpgsql_diff", """
create table subscription (session uuid not null, relation regclass not null, column_name text);
create index on subscription (relation);
create function notify_diff() returns trigger language plpgsql as $$
declare
    before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    changed record;
begin
    if tg_op <> 'UPDATE' then
        perform pg_notify(s.session::text, jsonb_build_object('type', case tg_op when 'INSERT' then 'row_insert' else 'row_delete' end,
                'relation', tg_relid::regclass, 'key', coalesce(after, before) -> 'id', 'payload', after)::text)
            from subscription s where s.relation = tg_relid;
        return null;
    end if;
    for changed in select key, value from jsonb_each(after) where value is distinct from before -> key loop
        perform pg_notify(s.session::text, jsonb_build_object('type', 'field_update', 'relation', tg_relid::regclass,
                'key', before -> 'id', 'payload', jsonb_build_object(changed.key, changed.value))::text)
            from subscription s where s.relation = tg_relid and (s.column_name is null or s.column_name = changed.key);
    end loop;
    return null;
end $$;
create trigger notify_diff after insert or update or delete on item for each row execute function notify_diff();
insert into subscription values (gen_random_uuid(), 'item', null);
""", channels="select distinct session from subscription")

# The least that our kind of work takes: see bench/floor.c.
FLOOR = Contender("floor", """
create function notify_floor() returns trigger language c as 'reldiff_floor';
create trigger notify_floor after insert or update or delete on item for each row execute function notify_floor();
""", channels="select 'floor'")

EXTENSION = "create extension pg_reldiff;\n"

# Without a session: what follows says who subscribes to what.
OURS = Contender("reldiff", EXTENSION, channels="select distinct channel from event.session", is_ours=True)


def ours(name: str, *, delivery: str = "inline", form: str = "full") -> Contender:
    """One session that is subscribed to the table."""
    return OURS.with_settings(**{"reldiff.delivery": delivery}).named(name, f"""
select event.session_create(attach => false, format => '{form}');
select event.subscribe_table('item', session_id => id) from event.session;
""")


INLINE = ours("inline")
SEQUENCER = ours("sequencer", delivery="sequencer")
COMPACT = [ours("inline_compact", form="compact"), ours("seq_compact", delivery="sequencer", form="compact")]


def missing(server) -> dict:
    """Contenders that this server cannot have, and why."""
    reasons = {FLOOR.name: floor.why_not(server)}
    if not (server.ask("sharedir") / "extension" / "tcn.control").exists():
        reasons[TCN.name] = f"PostgreSQL {server.version} is here without its contrib modules"
    return {name: reason for name, reason in reasons.items() if reason}


def install(server) -> dict:
    """What the contenders need in the server; those that it cannot have, and why."""
    without = missing(server)
    if FLOOR.name not in without:
        floor.install(server)
    for name, reason in without.items():
        say(f"{name} is left out: {reason}.")
    return without
