-- Sessions: create, attach, detach, use, delete.

CREATE FUNCTION event.session_create(
    name text DEFAULT NULL,
    notify text DEFAULT 'payload',
    format text DEFAULT 'full',
    channel text DEFAULT NULL,
    ttl interval DEFAULT NULL,
    owner regrole DEFAULT NULL,
    attach boolean DEFAULT true
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'session_create_wrapper';
COMMENT ON FUNCTION event.session_create(text, text, text, text, interval, regrole, boolean) IS
'Creates a session, makes it current, LISTENs on its channel

A session is a persistent inbox: it outlives connections. Its channel is its uuid.
  name     a label, not unique
  notify   payload: a notification per event; nudge: one per transaction; off: none, the session polls
  format   full or compact
  channel  not supported yet
  ttl      not supported yet
  owner    the role that it belongs to: the caller, or a role that the caller is a member of
  attach   LISTEN on this connection
Raises 42501 for an owner that the caller is no member of, 22023 for another notify or format.';

CREATE FUNCTION event.session_attach(session_id uuid, replay boolean DEFAULT true) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'session_attach_wrapper';
COMMENT ON FUNCTION event.session_attach(uuid, boolean) IS
'LISTENs for a session and replays its pending events

Makes the session current and returns how many events it has that are not acknowledged. With replay they
are notified when the transaction commits; every later notification on this connection has a greater cursor.
If the connection was already listening to something, notifications that were on their way may come first.
Raises 42501 if the session is not yours or does not exist.';

CREATE FUNCTION event.session_detach(session_id uuid DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'session_detach_wrapper';
COMMENT ON FUNCTION event.session_detach(uuid) IS
'UNLISTENs on this connection; the session stays

Without an argument the current session. If it is the current one, there is none afterwards.';

CREATE FUNCTION event.session_delete(session_id uuid DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'session_delete_wrapper';
COMMENT ON FUNCTION event.session_delete(uuid) IS
'Deletes a session, its subscriptions and its inbox

Without an argument the current session. False if you have no session of this id (any more).';

CREATE FUNCTION event.session_current() RETURNS uuid
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'session_current_wrapper';
COMMENT ON FUNCTION event.session_current() IS
'The session that functions use when none is named

It is the setting reldiff.session: it rolls back with its transaction, and DISCARD ALL clears it.';

CREATE FUNCTION event.session_use(session_id uuid, is_local boolean DEFAULT false) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'session_use_wrapper';
COMMENT ON FUNCTION event.session_use(uuid, boolean) IS
'Makes a session current without listening

With is_local only until the end of the transaction, as a transaction pooler needs it.
Raises 42501 if the session is not yours or does not exist.';

CREATE VIEW event.session AS
    SELECT s.id, s.name, s.notify, s.format, s.owner, s.created_at, p.acknowledged
    FROM event.session_definition s JOIN event.session_position p ON p.session_id = s.id
    WHERE pg_catalog.pg_has_role(s.owner, 'USAGE');
COMMENT ON VIEW event.session IS 'Your sessions';
GRANT SELECT ON event.session TO PUBLIC;
