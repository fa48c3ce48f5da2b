-- What is tracked, and the trigger functions.

CREATE FUNCTION event.capture_row() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'capture_row';
COMMENT ON FUNCTION event.capture_row() IS
'The row trigger of every tracked table

Created by the first subscription or by event.track(); not to be used otherwise.';

CREATE FUNCTION event.capture_truncate() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'capture_truncate';
COMMENT ON FUNCTION event.capture_truncate() IS
'The TRUNCATE trigger of every tracked table

Created by the first subscription or by event.track(); not to be used otherwise.';

CREATE FUNCTION event.follow_ddl() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'follow_ddl';
COMMENT ON FUNCTION event.follow_ddl() IS
'Follows what commands do to tracked tables

Partitions and children that come or go, primary keys that are lost. Never raises: what it cannot do is a
warning.';

CREATE FUNCTION event.follow_drop() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'follow_drop';
COMMENT ON FUNCTION event.follow_drop() IS
'Follows what is dropped of tracked tables

Tables, partitions and columns. Never raises: what it cannot do is a warning.';

CREATE EVENT TRIGGER reldiff_ddl ON ddl_command_end
    WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA')
    EXECUTE FUNCTION event.follow_ddl();
ALTER EVENT TRIGGER reldiff_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER reldiff_ddl IS 'Follows what commands do to tracked tables';

CREATE EVENT TRIGGER reldiff_drop ON sql_drop EXECUTE FUNCTION event.follow_drop();
ALTER EVENT TRIGGER reldiff_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER reldiff_drop IS 'Follows what is dropped of tracked tables';

CREATE FUNCTION event.track(relation text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'track_wrapper';
COMMENT ON FUNCTION event.track(text) IS
'Starts to track a table, as a first subscription does

Creates the trigger now, so that no later subscription has to wait for writers. A background process does it in a
transaction of its own, so that it stays whatever becomes of the caller''s; if none is free, it is done here.
Raises 55P03 if writers left no room for it, 25001 in a transaction that has written to the table itself, and what a
subscription raises.';

CREATE FUNCTION event.track(relation regclass) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'track_wrapper';
COMMENT ON FUNCTION event.track(regclass) IS
'Starts to track a table, as a first subscription does

Creates the trigger now, so that no later subscription has to wait for writers. A background process does it in a
transaction of its own, so that it stays whatever becomes of the caller''s; if none is free, it is done here.
Raises 55P03 if writers left no room for it, 25001 in a transaction that has written to the table itself, and what a
subscription raises.';

CREATE FUNCTION event.untrack(relation text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'untrack_wrapper';
COMMENT ON FUNCTION event.untrack(text) IS
'Stops tracking a table: drops its triggers

Also those of its parts, unless another tracked table needs them. For members of the role that owns the table. A table
that is not tracked stays as it is. It needs the table for itself until the transaction ends: commit soon.
Raises 42501, 55006 as long as anybody has subscribed to the table, 55P03 if others left no room for it.';

CREATE FUNCTION event.untrack(relation regclass) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'untrack_wrapper';
COMMENT ON FUNCTION event.untrack(regclass) IS
'Stops tracking a table: drops its triggers

Also those of its parts, unless another tracked table needs them. For members of the role that owns the table. A table
that is not tracked stays as it is. It needs the table for itself until the transaction ends: commit soon.
Raises 42501, 55006 as long as anybody has subscribed to the table, 55P03 if others left no room for it.';

-- Subscriptions are counted as the caller sees them: nobody learns of another role's.
CREATE VIEW event.tracked WITH (security_barrier) AS
    SELECT t.tgrelid::pg_catalog.regclass AS relation,
           pg_catalog.array_agg(t.tgname::text ORDER BY t.tgname) AS triggers,
           pg_catalog.bool_and(t.tgenabled = 'A') AS enabled,
           (SELECT pg_catalog.count(*) FROM event.subscription s WHERE s.relation = t.tgrelid) AS subscriptions
    FROM pg_catalog.pg_trigger t
    WHERE t.tgfoid IN ('event.capture_row()'::pg_catalog.regprocedure, 'event.capture_truncate()'::pg_catalog.regprocedure)
    GROUP BY t.tgrelid;
COMMENT ON VIEW event.tracked IS 'Tracked tables and your subscriptions to them';
GRANT SELECT ON event.tracked TO PUBLIC;

CREATE FUNCTION event.verify() RETURNS TABLE (relation regclass, ok boolean, detail text)
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'verify_wrapper';
COMMENT ON FUNCTION event.verify() IS
'Whether all that happens to tracked tables is told

A row for each tracked table and for each part of one. detail: what is wrong, and a command that mends it. Where it
is not a table''s, relation is null: one of the extension''s event triggers is disabled, missing or fires for some
sessions only, or one of the functions of its triggers was replaced. There is no such row if all is well.';

CREATE FUNCTION event.maintain() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'maintain_now_wrapper';
REVOKE EXECUTE ON FUNCTION event.maintain() FROM PUBLIC;
COMMENT ON FUNCTION event.maintain() IS
'Removes old events now, and what exceeds a quota

What a background process does every reldiff.maintenance_interval while anything is written: events that are older than
reldiff.retention go, inboxes that hold more than reldiff.events_per_session or reldiff.bytes_per_session are emptied,
sessions go whose ttl is over. Waits for its end. What somebody is using just then stays for the next time.
Raises 53400 without a free background process, 55000 if that ended too early.';
