-- The inbox: read, page, acknowledge.

CREATE FUNCTION event.events(
    session_id uuid DEFAULT NULL,
    after text DEFAULT NULL,
    max_events integer DEFAULT 1000
) RETURNS SETOF event.change
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1000 AS 'MODULE_PATHNAME', 'events_wrapper';
COMMENT ON FUNCTION event.events(uuid, text, integer) IS
'The events of a session after a cursor, in order

after: the cursor of the last event that you have seen; without it, what has been acknowledged. Reading does
not consume: the same call gives the same events until event.ack(). Subscriptions to a table that the session''s owner
may not read any more end with the first call that can write, and one event permission_loss.
Raises 22P02 for a text that is no cursor, 24000 for a cursor that is unknown or has expired.';

CREATE FUNCTION event.events_of(
    sessions uuid[],
    after text DEFAULT NULL,
    max_events integer DEFAULT 1000
) RETURNS TABLE (session_id uuid, change event.change)
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1000 AS 'MODULE_PATHNAME', 'events_of_wrapper';
COMMENT ON FUNCTION event.events_of(uuid[], text, integer) IS
'The events of several sessions after a cursor, in order

For a process that serves many sessions on one channel. A row for each session that has the event; the rows of an event are never
parted, so that there may be a few more than max_events. after: the same cursor for all sessions; without it, what each has
acknowledged. Raises what event.events() raises, for any of the sessions.';

CREATE FUNCTION event.wait_events(
    session_id uuid DEFAULT NULL,
    after text DEFAULT NULL,
    max_events integer DEFAULT 1000,
    timeout interval DEFAULT '5s'
) RETURNS SETOF event.change
    LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000 AS 'MODULE_PATHNAME', 'wait_events_wrapper';
COMMENT ON FUNCTION event.wait_events(uuid, text, integer, interval) IS
'The events of a session, as soon as there are any

As event.events(), but if there is nothing after the cursor it waits until something commits, and returns
nothing when the timeout is over; 0 looks once. It sees what commits while it waits in every isolation
level, REPEATABLE READ and SERIALIZABLE included. While it waits VACUUM keeps what its statement could
still see: rather call it again than use a timeout of hours.
Raises what event.events() does, also while it waits, and 22023 for a timeout that is NULL or negative.';

CREATE FUNCTION event.await_sequenced(timeout interval DEFAULT '10s') RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'await_sequenced_wrapper';
COMMENT ON FUNCTION event.await_sequenced(interval) IS
'Waits until all that has been committed can be read

A transaction that was committed without a place in the order of events (reldiff.delivery = sequencer, or
reldiff.commit_lock_timeout) is told a moment later. This waits for those that were committed before the
call, and returns false when the timeout is over. Needs a statement of its own before the one that reads
with one snapshot. Raises 22023 for a timeout that is NULL or negative.';

CREATE FUNCTION event.ack(cursor text, session_id uuid DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ack_wrapper';
COMMENT ON FUNCTION event.ack(text, uuid) IS
'Acknowledges all events up to and including a cursor

Returns how many are still pending. Doing it again changes nothing, and it never moves back.
Raises 22P02 for a text that is no cursor, 24000 for a cursor that is unknown or has expired.';

CREATE FUNCTION event.cursor(at timestamptz DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cursor_wrapper';
COMMENT ON FUNCTION event.cursor(timestamptz) IS
'The newest position of the feed, or that of a time

Everything that commits later comes after it. at: the position of the last transaction not after that time; a
cursor that is before all events, if there is none.';

CREATE FUNCTION event.feed(
    session_id uuid,
    after text DEFAULT NULL,
    page_size integer DEFAULT 100
) RETURNS json
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'feed_wrapper';
COMMENT ON FUNCTION event.feed(uuid, text, integer) IS
'A page of events as JSON: events, cursor, has_next

Pass the cursor as after to get the next page; an empty page has a fresh one, too. after and the errors are
those of event.events().';

CREATE FUNCTION event.diff(
    session_id uuid DEFAULT NULL,
    after text DEFAULT NULL,
    color boolean DEFAULT false
) RETURNS SETOF text
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1000 AS 'MODULE_PATHNAME', 'diff_wrapper';
COMMENT ON FUNCTION event.diff(uuid, text, boolean) IS
'The events of a session as lines to read

+ inserted, - deleted, ~ updated with the old and the new value. color: with terminal colours.
after and the errors are those of event.events().';
