-- Subscriptions: each of the four granularities by identifier, by session and identifier, and by relation.
-- All return the subscription's id, the same one for the same definition.

-- table

CREATE FUNCTION event.subscribe_table(relation meta.relation_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_table_current_wrapper';
COMMENT ON FUNCTION event.subscribe_table(meta.relation_id) IS
'Subscribes to every change of a table

For the current session, by identifier. The session gets row_insert, row_delete, and field_update of any column.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_table(session_id uuid, relation meta.relation_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_table_id_wrapper';
COMMENT ON FUNCTION event.subscribe_table(uuid, meta.relation_id) IS
'Subscribes to every change of a table

For the named session, by identifier. The session gets row_insert, row_delete, and field_update of any column.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_table(
    relation text,
    columns text[] DEFAULT NULL,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_table_wrapper';
COMMENT ON FUNCTION event.subscribe_table(text, text[], text[], text, uuid) IS
'Subscribes to every change of a table

The session gets row_insert, row_delete, and field_update of any column.
session_id: the current session if it is not given. columns, operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_table(
    relation regclass,
    columns text[] DEFAULT NULL,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_table_wrapper';
COMMENT ON FUNCTION event.subscribe_table(regclass, text[], text[], text, uuid) IS
'Subscribes to every change of a table

The session gets row_insert, row_delete, and field_update of any column.
session_id: the current session if it is not given. columns, operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

-- column

CREATE FUNCTION event.subscribe_column(column_id meta.column_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_column_current_wrapper';
COMMENT ON FUNCTION event.subscribe_column(meta.column_id) IS
'Subscribes to a column of a table

For the current session, by identifier. The session gets row_insert (the key and the column), row_delete, and field_update of the column.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_column(session_id uuid, column_id meta.column_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_column_id_wrapper';
COMMENT ON FUNCTION event.subscribe_column(uuid, meta.column_id) IS
'Subscribes to a column of a table

For the named session, by identifier. The session gets row_insert (the key and the column), row_delete, and field_update of the column.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_column(
    relation text,
    column_name text,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_column_wrapper';
COMMENT ON FUNCTION event.subscribe_column(text, text, text[], text, uuid) IS
'Subscribes to a column of a table

The session gets row_insert (the key and the column), row_delete, and field_update of the column.
session_id: the current session if it is not given. operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_column(
    relation regclass,
    column_name text,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_column_wrapper';
COMMENT ON FUNCTION event.subscribe_column(regclass, text, text[], text, uuid) IS
'Subscribes to a column of a table

The session gets row_insert (the key and the column), row_delete, and field_update of the column.
session_id: the current session if it is not given. operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

-- row

CREATE FUNCTION event.subscribe_row(row_id meta.row_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_row_current_wrapper';
COMMENT ON FUNCTION event.subscribe_row(meta.row_id) IS
'Subscribes to one row

For the current session, by identifier. The session gets row_delete and field_update of the row, which need not exist yet. A later insert of the
same key sends nothing, later updates do.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_row(session_id uuid, row_id meta.row_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_row_id_wrapper';
COMMENT ON FUNCTION event.subscribe_row(uuid, meta.row_id) IS
'Subscribes to one row

For the named session, by identifier. The session gets row_delete and field_update of the row, which need not exist yet. A later insert of the
same key sends nothing, later updates do.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_row(
    relation text,
    key text,
    columns text[] DEFAULT NULL,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_row_wrapper';
COMMENT ON FUNCTION event.subscribe_row(text, text, text[], text[], text, uuid) IS
'Subscribes to one row

The session gets row_delete and field_update of the row, which need not exist yet. A later insert of the
same key sends nothing, later updates do.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. columns, operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_row(
    relation text,
    key anyelement,
    columns text[] DEFAULT NULL,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_row_wrapper';
COMMENT ON FUNCTION event.subscribe_row(text, anyelement, text[], text[], text, uuid) IS
'Subscribes to one row

The session gets row_delete and field_update of the row, which need not exist yet. A later insert of the
same key sends nothing, later updates do.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. columns, operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_row(
    relation regclass,
    key text,
    columns text[] DEFAULT NULL,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_row_wrapper';
COMMENT ON FUNCTION event.subscribe_row(regclass, text, text[], text[], text, uuid) IS
'Subscribes to one row

The session gets row_delete and field_update of the row, which need not exist yet. A later insert of the
same key sends nothing, later updates do.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. columns, operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_row(
    relation regclass,
    key anyelement,
    columns text[] DEFAULT NULL,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_row_wrapper';
COMMENT ON FUNCTION event.subscribe_row(regclass, anyelement, text[], text[], text, uuid) IS
'Subscribes to one row

The session gets row_delete and field_update of the row, which need not exist yet. A later insert of the
same key sends nothing, later updates do.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. columns, operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

-- field

CREATE FUNCTION event.subscribe_field(field_id meta.field_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_field_current_wrapper';
COMMENT ON FUNCTION event.subscribe_field(meta.field_id) IS
'Subscribes to one field: a column of a row

For the current session, by identifier. The session gets row_delete of the row and field_update of the field.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_field(session_id uuid, field_id meta.field_id) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_field_id_wrapper';
COMMENT ON FUNCTION event.subscribe_field(uuid, meta.field_id) IS
'Subscribes to one field: a column of a row

For the named session, by identifier. The session gets row_delete of the row and field_update of the field.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_field(
    relation text,
    key text,
    column_name text,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_field_wrapper';
COMMENT ON FUNCTION event.subscribe_field(text, text, text, text[], text, uuid) IS
'Subscribes to one field: a column of a row

The session gets row_delete of the row and field_update of the field.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_field(
    relation text,
    key anyelement,
    column_name text,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_field_wrapper';
COMMENT ON FUNCTION event.subscribe_field(text, anyelement, text, text[], text, uuid) IS
'Subscribes to one field: a column of a row

The session gets row_delete of the row and field_update of the field.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_field(
    relation regclass,
    key text,
    column_name text,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_field_wrapper';
COMMENT ON FUNCTION event.subscribe_field(regclass, text, text, text[], text, uuid) IS
'Subscribes to one field: a column of a row

The session gets row_delete of the row and field_update of the field.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

CREATE FUNCTION event.subscribe_field(
    relation regclass,
    key anyelement,
    column_name text,
    operations text[] DEFAULT NULL,
    filter text DEFAULT NULL,
    session_id uuid DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'subscribe_field_wrapper';
COMMENT ON FUNCTION event.subscribe_field(regclass, anyelement, text, text[], text, uuid) IS
'Subscribes to one field: a column of a row

The session gets row_delete of the row and field_update of the field.
A key is a plain value, an array in key order, or jsonb: 3, ''3'', ARRAY[1, 2], ''{"a": 1, "b": "x"}''::jsonb.
session_id: the current session if it is not given. operations, filter: not supported yet.
Raises 55000 without a session or a primary key, 42P01, 42703, 42501 without SELECT, 0A000 for what is no
ordinary table; where it has no trigger yet, 55P03 if writers left no room for one, 25001 after writing to it.';

-- taking subscriptions back

CREATE FUNCTION event.unsubscribe(subscription_id uuid) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'unsubscribe_wrapper';
COMMENT ON FUNCTION event.unsubscribe(uuid) IS
'Ends a subscription

False if none of your sessions has a subscription of this id (any more). Events that it already got stay.';

CREATE FUNCTION event.unsubscribe_all(session_id uuid DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'unsubscribe_all_wrapper';
COMMENT ON FUNCTION event.unsubscribe_all(uuid) IS
'Ends all subscriptions of a session

Without an argument of the current one. Returns how many there were. Events that they already got stay.';

-- the seam between what was there and what is told

CREATE FUNCTION event.await_ready(session_id uuid DEFAULT NULL, timeout interval DEFAULT '10s') RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'await_ready_wrapper';
COMMENT ON FUNCTION event.await_ready(uuid, interval) IS
'Waits for those who wrote before the session subscribed

Until every transaction has ended, prepared ones too, that is writing to a table of the session''s subscriptions now. From
then on each change is in any snapshot that is taken later, or in the feed. Nobody waits behind it. False if the time is
over before; a timeout of 0 looks once.
Raises 25001 in the transaction that has subscribed or has written to such a table, and in one whose isolation level is
REPEATABLE READ or SERIALIZABLE, since its snapshot is older than the end of the wait, 22023 without a timeout or with a
negative one, 55000 without a session, 42501 if it is not yours or does not exist, 25006 on a standby.';

CREATE VIEW event.subscription WITH (security_barrier) AS
    SELECT s.id, s.session_id, 'table' AS subscription_type, s.relation,
           NULL::text AS column_name, NULL::text[] AS key, s.created_at
    FROM event.subscription_table s JOIN event.session d ON d.id = s.session_id
    UNION ALL
    SELECT s.id, s.session_id, 'column', s.relation,
           (SELECT a.attname::text FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = s.relation AND a.attnum = s.column_number AND NOT a.attisdropped),
           NULL, s.created_at
    FROM event.subscription_column s JOIN event.session d ON d.id = s.session_id
    UNION ALL
    SELECT s.id, s.session_id, 'row', s.relation, NULL, s.key_values, s.created_at
    FROM event.subscription_row s JOIN event.session d ON d.id = s.session_id
    UNION ALL
    SELECT s.id, s.session_id, 'field', s.relation,
           (SELECT a.attname::text FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = s.relation AND a.attnum = s.column_number AND NOT a.attisdropped),
           s.key_values, s.created_at
    FROM event.subscription_field s JOIN event.session d ON d.id = s.session_id;
COMMENT ON VIEW event.subscription IS 'The subscriptions of your sessions';
GRANT SELECT ON event.subscription TO PUBLIC;
