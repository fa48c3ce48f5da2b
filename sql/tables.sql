-- What the extension stores. The library reads and writes these tables directly (src/tables/), by the
-- column numbers of this file. They are closed to PUBLIC: a session's owner sees them through the functions
-- and views.

-- An epoch begins when the database is not the one that wrote the newest row: after a restore, or in a copy
-- made from a template. Positions of different epochs are not comparable.
CREATE TABLE event.epoch (
    epoch integer NOT NULL,
    system_identifier bigint NOT NULL,
    database oid NOT NULL
);
CREATE INDEX epoch_number ON event.epoch (epoch);
COMMENT ON TABLE event.epoch IS 'The databases that this inbox has lived in';

-- Sessions. channel: NULL for the session's uuid; ttl: NULL for reldiff.session_ttl. Inserted and deleted, never updated:
-- the write path reads them without a snapshot.
CREATE TABLE event.session_definition (
    id uuid NOT NULL,
    name text,
    notify text NOT NULL,
    format text NOT NULL,
    owner regrole NOT NULL,
    created_at timestamptz NOT NULL,
    channel text,
    ttl interval
);
CREATE UNIQUE INDEX session_definition_id ON event.session_definition (id);
CREATE INDEX session_definition_owner ON event.session_definition (owner);
COMMENT ON TABLE event.session_definition IS 'The sessions of every role';

-- How far each session has acknowledged its events.
CREATE TABLE event.session_position (
    session_id uuid NOT NULL,
    acknowledged text
);
CREATE UNIQUE INDEX session_position_id ON event.session_position (session_id);
COMMENT ON TABLE event.session_position IS 'How far each session has acknowledged';

-- Until when each session is kept although nobody uses it. A use adds a row and takes the earlier ones away, as far as
-- nobody else is doing so: the latest one counts, and no use waits for another.
CREATE TABLE event.session_expiry (
    session_id uuid NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_expiry_session ON event.session_expiry (session_id, expires_at);
CREATE INDEX session_expiry_time ON event.session_expiry (expires_at);
COMMENT ON TABLE event.session_expiry IS 'Until when each session is kept unused';

-- Subscriptions, a table for each granularity. Rows are inserted and deleted, never updated.
CREATE TABLE event.subscription_table (
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    relation regclass NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX subscription_table_id ON event.subscription_table (id);
CREATE UNIQUE INDEX subscription_table_session ON event.subscription_table (session_id, relation);
CREATE INDEX subscription_table_relation ON event.subscription_table (relation);
COMMENT ON TABLE event.subscription_table IS 'Subscriptions to tables';

CREATE TABLE event.subscription_column (
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    relation regclass NOT NULL,
    created_at timestamptz NOT NULL,
    column_number smallint NOT NULL
);
CREATE UNIQUE INDEX subscription_column_id ON event.subscription_column (id);
CREATE UNIQUE INDEX subscription_column_session ON event.subscription_column (session_id, relation, column_number);
CREATE INDEX subscription_column_relation ON event.subscription_column (relation);
COMMENT ON TABLE event.subscription_column IS 'Subscriptions to columns';

-- key_values: the primary key's values in key order, in their canonical text form; key_hash: their hash.
CREATE TABLE event.subscription_row (
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    relation regclass NOT NULL,
    created_at timestamptz NOT NULL,
    key_hash bigint NOT NULL,
    key_values text[] NOT NULL
);
CREATE UNIQUE INDEX subscription_row_id ON event.subscription_row (id);
CREATE INDEX subscription_row_session ON event.subscription_row (session_id, relation, key_hash);
CREATE INDEX subscription_row_key ON event.subscription_row (relation, key_hash);
COMMENT ON TABLE event.subscription_row IS 'Subscriptions to rows';

CREATE TABLE event.subscription_field (
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    relation regclass NOT NULL,
    created_at timestamptz NOT NULL,
    key_hash bigint NOT NULL,
    key_values text[] NOT NULL,
    column_number smallint NOT NULL
);
CREATE UNIQUE INDEX subscription_field_id ON event.subscription_field (id);
CREATE INDEX subscription_field_session ON event.subscription_field (session_id, relation, key_hash);
CREATE INDEX subscription_field_key ON event.subscription_field (relation, key_hash);
COMMENT ON TABLE event.subscription_field IS 'Subscriptions to fields';

-- Relations that have, or once had, a row or field subscription: only for these is a changed row's key
-- looked up. A row here is never deleted, so a writer that sees it need not hear of further subscriptions.
CREATE TABLE event.keyed_relation (
    relation regclass NOT NULL
);
CREATE INDEX keyed_relation_relation ON event.keyed_relation (relation);
COMMENT ON TABLE event.keyed_relation IS 'Relations with row or field subscriptions';

-- The tracked relations, with the columns of their primary keys, in key order: a command that leaves a relation
-- with another key has taken its rows' names.
CREATE TABLE event.tracked_relation (
    relation regclass NOT NULL,
    key_columns smallint[] NOT NULL
);
CREATE INDEX tracked_relation_relation ON event.tracked_relation (relation);
COMMENT ON TABLE event.tracked_relation IS 'The tracked tables and their primary keys';

-- What the tracked relations contain, on every level: partitions and inheritance children. The catalog knows it
-- too; what it does not say is where a relation was that has been detached or dropped.
CREATE TABLE event.descendant (
    relation regclass NOT NULL,
    descendant regclass NOT NULL
);
CREATE INDEX descendant_relation ON event.descendant (relation, descendant);
CREATE INDEX descendant_descendant ON event.descendant (descendant);
COMMENT ON TABLE event.descendant IS 'What the tracked relations contain';

-- Which relation's table or column subscriptions changed, by which transaction: a writer's backend rereads
-- only those of transactions that it may not have seen. Its invalidation stands for all of them, so that no
-- plan over a watched table is ever thrown away.
CREATE TABLE event.subscription_change (
    xid xid8 NOT NULL,
    relation regclass NOT NULL
);
CREATE INDEX subscription_change_xid ON event.subscription_change (xid);
COMMENT ON TABLE event.subscription_change IS 'Changes of subscriptions, for writers to reread';

-- Distinct sets of recipients. A duplicate is harmless, so no unique index makes a writer wait for another.
CREATE TABLE event.recipient_set (
    id bigint NOT NULL,
    hash bigint NOT NULL,
    recipients bytea NOT NULL
);
CREATE INDEX recipient_set_id ON event.recipient_set (id);
CREATE INDEX recipient_set_hash ON event.recipient_set (hash);
COMMENT ON TABLE event.recipient_set IS 'Distinct sets of sessions that get a change';

CREATE TABLE event.recipient_set_member (
    session_id uuid NOT NULL,
    set_id bigint NOT NULL
);
CREATE INDEX recipient_set_member_session ON event.recipient_set_member (session_id, set_id);
COMMENT ON TABLE event.recipient_set_member IS 'The recipient sets that a session is in';

-- The log: a row per changed row. command and arrival order the changes of a transaction; the record holds
-- operation, key and columns (src/change/record.rs).
CREATE TABLE event.log (
    xid xid8 NOT NULL,
    set_id bigint NOT NULL,
    command bigint NOT NULL,
    arrival bigint NOT NULL,
    relation regclass NOT NULL,
    epoch integer NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX log_order ON event.log (xid, set_id, command, arrival);
COMMENT ON TABLE event.log IS 'The changed rows of all transactions';

-- A row per transaction that has events: its place in the feed, or NULL while it has none yet. noted is the
-- WAL position at its pre-commit. If it concerns one recipient set, that is here, and a small one's changes,
-- all of one relation, are here instead of in the log (src/change/inline.rs). has_skips: after it there are
-- channels in event.skipped_notification.
CREATE TABLE event.transaction (
    epoch integer NOT NULL,
    position pg_lsn,
    xid xid8 NOT NULL,
    nonce integer NOT NULL,
    at timestamptz,
    noted pg_lsn NOT NULL,
    set_id bigint,
    relation regclass,
    has_skips boolean NOT NULL,
    changes bytea
);
CREATE INDEX transaction_position ON event.transaction (epoch, position);
CREATE INDEX transaction_set ON event.transaction (set_id, epoch, position);
COMMENT ON TABLE event.transaction IS 'The place of each transaction in the feed';

-- The sets of a transaction that concerns several.
CREATE TABLE event.transaction_recipient_set (
    set_id bigint NOT NULL,
    epoch integer NOT NULL,
    position pg_lsn NOT NULL
);
CREATE INDEX transaction_recipient_set_position ON event.transaction_recipient_set (set_id, epoch, position);
COMMENT ON TABLE event.transaction_recipient_set IS 'The sets of transactions that concern several';

-- Channels on which events were not notified, since the server's queue was too full: the next notification on such a
-- channel is a nudge. events: how many. Read and written under the commit lock only.
CREATE TABLE event.skipped_notification (
    channel_hash bigint NOT NULL,
    channel text NOT NULL,
    events bigint NOT NULL
);
CREATE INDEX skipped_notification_channel ON event.skipped_notification (channel_hash);
COMMENT ON TABLE event.skipped_notification IS 'Channels whose next notification is a nudge';

-- Relations that a session's owner lost the right to read: what the session had not read by then stays withheld. A row for
-- each loss, without a position, and one for each time that it subscribed again, with the position behind which it begins.
CREATE TABLE event.permission_loss (
    session_id uuid NOT NULL,
    relation regclass NOT NULL,
    epoch integer,
    position pg_lsn
);
CREATE INDEX permission_loss_session ON event.permission_loss (session_id, relation);
COMMENT ON TABLE event.permission_loss IS 'What was unread when its owner lost the right to it';

REVOKE ALL ON ALL TABLES IN SCHEMA event FROM PUBLIC;
