"""What is compared: triggers on a table `item`, as SQL that follows the table's own."""

TCN = """
create extension tcn;
create trigger tcn after insert or update or delete on item
    for each row execute function triggered_change_notification();
"""

# What people write themselves.
PLPGSQL_JSON = """
create function notify_json() returns trigger language plpgsql as $$
begin
    perform pg_notify('item', json_build_object('operation', tg_op, 'table', tg_table_name,
                                                'row', row_to_json(case tg_op when 'DELETE' then old else new end))::text);
    return null;
end $$;
create trigger notify_json after insert or update or delete on item for each row execute function notify_json();
"""

RELDIFF = """
create extension pg_reldiff;
select event.session_create(attach => false);
select event.subscribe_table('item', session_id => id) from event.session;
"""
