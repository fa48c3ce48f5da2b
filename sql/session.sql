-- Sessions: create, alter, attach, detach, use, delete.

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

A session is a persistent inbox: it outlives connections.
  name     a label, not unique
  notify   payload: a notification per event; nudge: one per transaction; off: none, the session polls
  format   full or compact
  channel  where it is notified: its uuid, or a name that it shares with other sessions, so that a process that serves
           many of them LISTENs once; there each notification names its sessions, as "sessions"
  ttl      how long it is kept without an acknowledgement, an attachment or session_use(); without it, or with 0,
           the setting reldiff.session_ttl. Reading keeps nothing: it writes nothing
  owner    the role that it belongs to: the caller, or a role that the caller is a member of
  attach   LISTEN on this connection
Takes some sessions away whose time is over. Raises 42501 for an owner that the caller is no member of, 22023 for
another notify or format, a channel that is a uuid or longer than 63 bytes, or a negative ttl, 53400 if the owner has
reldiff.sessions_per_role sessions.';

CREATE FUNCTION event.session_alter(
    session_id uuid,
    name text DEFAULT NULL,
    notify text DEFAULT NULL,
    format text DEFAULT NULL,
    channel text DEFAULT NULL,
    ttl interval DEFAULT NULL
) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'session_alter_wrapper';
COMMENT ON FUNCTION event.session_alter(uuid, text, text, text, text, interval) IS
'Changes the options of a session

NULL leaves an option as it is; channel => '''' gives the session its own channel back, ttl => ''0'' the setting
reldiff.session_ttl. A new ttl counts from now on. Holds for transactions that commit later. Whoever listens for the session
has to LISTEN to another channel itself: session_attach() does, and replays what was notified in between.
Raises 42501 if the session is not yours or does not exist, 22023 as event.session_create() does.';

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

Without an argument the current session. If it is the current one, there is none afterwards. A channel that the session
shares with others stays listened to: UNLISTEN it when none of them is wanted any more.';

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

-- skipped: how many events on its channel were not notified, since the server's queue was too full; the next
-- notification there is a nudge.
CREATE VIEW event.session WITH (security_barrier) AS
    SELECT s.id, s.name, s.notify, s.format, coalesce(s.channel, s.id::text) AS channel, s.owner, s.ttl, s.created_at,
           (SELECT pg_catalog.max(e.expires_at) FROM event.session_expiry e WHERE e.session_id = s.id) AS expires_at,
           p.acknowledged,
           (SELECT coalesce(pg_catalog.sum(n.events), 0)::bigint FROM event.skipped_notification n
            WHERE n.channel = coalesce(s.channel, s.id::text)) AS skipped
    FROM event.session_definition s JOIN event.session_position p ON p.session_id = s.id
    WHERE pg_catalog.pg_has_role(s.owner, 'USAGE');
COMMENT ON VIEW event.session IS 'Your sessions';
GRANT SELECT ON event.session TO PUBLIC;
