-- What the extension stores. The library reads and writes these tables directly (src/tables/), by the
-- column numbers of this file. They are closed to PUBLIC: a session's owner sees them through the functions
-- and views.

-- An epoch begins when the database is not the one that wrote the newest row: after a restore, or in a copy
-- made from a template. Positions of different epochs are not comparable.
CREATE TABLE event.epoch (
    epoch integer NOT NULL,
    system_identifier bigint NOT NULL,
    database oid NOT NULL,
    nonce integer NOT NULL
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

-- Relations that have, or once had, a row subscription (or, with `fields`, a field subscription): only for these is a
-- changed row's key looked up. A row here is never deleted, so a writer that sees it need not hear of further subscriptions.
CREATE TABLE event.keyed_relation (
    relation regclass NOT NULL,
    fields boolean NOT NULL
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

-- The log is a ring of segments. A segment is six tables: changed rows, transactions, those that have no place yet, and the
-- sets of recipients that these name; segment n is in the tables with the number n % 4. A new one is opened every half of reldiff.retention; what has
-- been written to one is all that it will ever hold once it is closed, and the oldest is emptied when its newest transaction
-- is older than reldiff.retention. Rows of these tables that others can see are not changed: a writer reads them without a snapshot.
CREATE TABLE event.segment (
    number bigint NOT NULL,
    opened_at timestamptz NOT NULL
);
CREATE INDEX segment_number ON event.segment (number);
COMMENT ON TABLE event.segment IS 'The segments of the log, the newest is written to';
INSERT INTO event.segment VALUES (0, pg_catalog.clock_timestamp());

-- The newest transaction of a segment that nobody adds to any more; NULLs if it has none.
CREATE TABLE event.closed_segment (
    number bigint NOT NULL,
    epoch integer,
    position pg_lsn,
    nonce integer,
    at timestamptz
);
CREATE INDEX closed_segment_number ON event.closed_segment (number);
COMMENT ON TABLE event.closed_segment IS 'Segments that nobody adds to any more';

-- The newest transaction of this segment and of all before it; NULLs if there has been none.
CREATE TABLE event.removed_segment (
    number bigint NOT NULL,
    epoch integer,
    position pg_lsn,
    nonce integer,
    at timestamptz
);
CREATE INDEX removed_segment_number ON event.removed_segment (number);
COMMENT ON TABLE event.removed_segment IS 'Segments that have been emptied';

-- What each session has lost: last is the cursor of its last event that is gone, resume the one from which its inbox is whole
-- again. The row with the greatest last counts; earlier ones are taken away later, so that a look without a snapshot finds one.
CREATE TABLE event.lost_event (
    session_id uuid NOT NULL,
    last text NOT NULL,
    resume text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX lost_event_session ON event.lost_event (session_id);
COMMENT ON TABLE event.lost_event IS 'The last event of each session that is gone';

-- The runs of the maintenance: when the latest one began, up to which position it has counted what came into the inboxes,
-- and when the last one ended that did.
CREATE TABLE event.maintenance (
    began_at timestamptz NOT NULL,
    counted_epoch integer,
    counted_position pg_lsn,
    ended_at timestamptz
);
CREATE INDEX maintenance_began_at ON event.maintenance (began_at);
COMMENT ON TABLE event.maintenance IS 'The runs of the maintenance';
-- The first one comes an interval later.
INSERT INTO event.maintenance (began_at) VALUES (pg_catalog.clock_timestamp());

-- What has come into each inbox since it was last counted, in events and bytes, and what it held then: at least what it
-- holds now. Only the maintenance comes here, and only while there are quotas.
CREATE TABLE event.inbox_size (
    session_id uuid NOT NULL,
    events bigint NOT NULL,
    bytes bigint NOT NULL
);
CREATE INDEX inbox_size_session ON event.inbox_size (session_id);
COMMENT ON TABLE event.inbox_size IS 'How much each inbox holds at most';

-- Distinct sets of recipients. A duplicate is harmless, so no unique index makes a writer wait for another.
CREATE TABLE event.recipient_set_0 (
    id bigint NOT NULL,
    hash bigint NOT NULL,
    recipients bytea NOT NULL
);
CREATE INDEX ON event.recipient_set_0 (id);
CREATE INDEX ON event.recipient_set_0 (hash);

CREATE TABLE event.recipient_set_member_0 (
    session_id uuid NOT NULL,
    set_id bigint NOT NULL
);
CREATE INDEX ON event.recipient_set_member_0 (session_id, set_id);

-- The changed rows: several of them in a row where they are short (src/change/chunk.rs), each with its operation, key and columns
-- (src/change/record.rs). command and arrival, those of a row's last change, order the changes of a transaction.
CREATE TABLE event.log_0 (
    xid xid8 NOT NULL,
    set_id bigint NOT NULL,
    command bigint NOT NULL,
    arrival bigint NOT NULL,
    relation regclass NOT NULL,
    epoch integer NOT NULL,
    changes bytea NOT NULL
);
-- Hardly any two entries are alike, here and in the next three: to look for duplicates where a page is full would be in vain.
CREATE INDEX ON event.log_0 (xid, set_id, command, arrival) WITH (deduplicate_items = off);

-- A row per transaction that has its place in the feed. noted is the WAL position at its pre-commit. If it concerns one recipient set, that is here, and a small one's changes,
-- all of one relation, are here instead of in the log (src/change/chunk.rs). has_skips: after it there are
-- channels in event.skipped_notification. leads: by it those are found that concern its set alone in a stretch of the
-- feed (src/tables/stretch.rs). origin: what the writer called itself. The first index has the set, too, for whoever looks for one in a
-- stretch.
CREATE TABLE event.transaction_0 (
    epoch integer NOT NULL,
    position pg_lsn NOT NULL,
    xid xid8 NOT NULL,
    nonce integer NOT NULL,
    at timestamptz NOT NULL,
    noted pg_lsn NOT NULL,
    set_id bigint,
    relation regclass,
    has_skips boolean NOT NULL,
    leads boolean NOT NULL,
    changes bytea,
    origin text
);
CREATE INDEX ON event.transaction_0 (epoch, position, set_id) WITH (deduplicate_items = off);
CREATE INDEX ON event.transaction_0 (set_id, epoch, position) WITH (deduplicate_items = off) WHERE leads;

-- The recipient sets of a transaction that concerns several.
CREATE TABLE event.transaction_set_0 (
    set_id bigint NOT NULL,
    epoch integer NOT NULL,
    position pg_lsn NOT NULL
);
CREATE INDEX ON event.transaction_set_0 (set_id, epoch, position) WITH (deduplicate_items = off);

-- A row per transaction that was committed without a place. It gets one by a row of event.transaction_0, and stays here:
-- event.sequenced says which of them have theirs.
CREATE TABLE event.unsequenced_0 (
    epoch integer NOT NULL,
    xid xid8 NOT NULL,
    noted pg_lsn NOT NULL,
    set_ids bigint[] NOT NULL,
    logged_changes bigint NOT NULL,
    relation regclass,
    changes bytea,
    origin text
);
CREATE INDEX ON event.unsequenced_0 (epoch, xid) WITH (deduplicate_items = off);

CREATE TABLE event.recipient_set_1 (LIKE event.recipient_set_0 INCLUDING ALL);
CREATE TABLE event.recipient_set_member_1 (LIKE event.recipient_set_member_0 INCLUDING ALL);
CREATE TABLE event.log_1 (LIKE event.log_0 INCLUDING ALL);
CREATE TABLE event.transaction_1 (LIKE event.transaction_0 INCLUDING ALL);
CREATE TABLE event.transaction_set_1 (LIKE event.transaction_set_0 INCLUDING ALL);
CREATE TABLE event.unsequenced_1 (LIKE event.unsequenced_0 INCLUDING ALL);
CREATE TABLE event.recipient_set_2 (LIKE event.recipient_set_0 INCLUDING ALL);
CREATE TABLE event.recipient_set_member_2 (LIKE event.recipient_set_member_0 INCLUDING ALL);
CREATE TABLE event.log_2 (LIKE event.log_0 INCLUDING ALL);
CREATE TABLE event.transaction_2 (LIKE event.transaction_0 INCLUDING ALL);
CREATE TABLE event.transaction_set_2 (LIKE event.transaction_set_0 INCLUDING ALL);
CREATE TABLE event.unsequenced_2 (LIKE event.unsequenced_0 INCLUDING ALL);
CREATE TABLE event.recipient_set_3 (LIKE event.recipient_set_0 INCLUDING ALL);
CREATE TABLE event.recipient_set_member_3 (LIKE event.recipient_set_member_0 INCLUDING ALL);
CREATE TABLE event.log_3 (LIKE event.log_0 INCLUDING ALL);
CREATE TABLE event.transaction_3 (LIKE event.transaction_0 INCLUDING ALL);
CREATE TABLE event.transaction_set_3 (LIKE event.transaction_set_0 INCLUDING ALL);
CREATE TABLE event.unsequenced_3 (LIKE event.unsequenced_0 INCLUDING ALL);

COMMENT ON TABLE event.recipient_set_0 IS 'Distinct sets of sessions that get a change';
COMMENT ON TABLE event.recipient_set_1 IS 'Distinct sets of sessions that get a change';
COMMENT ON TABLE event.recipient_set_2 IS 'Distinct sets of sessions that get a change';
COMMENT ON TABLE event.recipient_set_3 IS 'Distinct sets of sessions that get a change';
COMMENT ON TABLE event.recipient_set_member_0 IS 'The recipient sets that a session is in';
COMMENT ON TABLE event.recipient_set_member_1 IS 'The recipient sets that a session is in';
COMMENT ON TABLE event.recipient_set_member_2 IS 'The recipient sets that a session is in';
COMMENT ON TABLE event.recipient_set_member_3 IS 'The recipient sets that a session is in';
COMMENT ON TABLE event.log_0 IS 'The changed rows of the transactions of a segment';
COMMENT ON TABLE event.log_1 IS 'The changed rows of the transactions of a segment';
COMMENT ON TABLE event.log_2 IS 'The changed rows of the transactions of a segment';
COMMENT ON TABLE event.log_3 IS 'The changed rows of the transactions of a segment';
COMMENT ON TABLE event.transaction_0 IS 'The place of each transaction in the feed';
COMMENT ON TABLE event.transaction_1 IS 'The place of each transaction in the feed';
COMMENT ON TABLE event.transaction_2 IS 'The place of each transaction in the feed';
COMMENT ON TABLE event.transaction_3 IS 'The place of each transaction in the feed';
COMMENT ON TABLE event.transaction_set_0 IS 'The recipient sets of each transaction that concerns several';
COMMENT ON TABLE event.transaction_set_1 IS 'The recipient sets of each transaction that concerns several';
COMMENT ON TABLE event.transaction_set_2 IS 'The recipient sets of each transaction that concerns several';
COMMENT ON TABLE event.transaction_set_3 IS 'The recipient sets of each transaction that concerns several';
COMMENT ON TABLE event.unsequenced_0 IS 'Transactions committed without a place';
COMMENT ON TABLE event.unsequenced_1 IS 'Transactions committed without a place';
COMMENT ON TABLE event.unsequenced_2 IS 'Transactions committed without a place';
COMMENT ON TABLE event.unsequenced_3 IS 'Transactions committed without a place';

CREATE VIEW event.log AS
    TABLE event.log_0 UNION ALL TABLE event.log_1 UNION ALL TABLE event.log_2 UNION ALL TABLE event.log_3;
COMMENT ON VIEW event.log IS 'The changed rows of all transactions';

CREATE VIEW event.transaction AS
    TABLE event.transaction_0 UNION ALL TABLE event.transaction_1
    UNION ALL TABLE event.transaction_2 UNION ALL TABLE event.transaction_3;
COMMENT ON VIEW event.transaction IS 'The place of each transaction in the feed';

CREATE VIEW event.unsequenced AS
    TABLE event.unsequenced_0 UNION ALL TABLE event.unsequenced_1
    UNION ALL TABLE event.unsequenced_2 UNION ALL TABLE event.unsequenced_3;
COMMENT ON VIEW event.unsequenced IS 'Transactions committed without a place';

-- Up to where the transactions that were committed without a place have theirs: all that the snapshot sees, but for the rest,
-- and all of earlier epochs. The newest row counts; position is the WAL position at which it was written. rest: the ids of
-- those that come next, in order, 8 bytes each; there may be very many.
CREATE TABLE event.sequenced (
    epoch integer NOT NULL,
    position pg_lsn NOT NULL,
    snapshot pg_snapshot NOT NULL,
    rest bytea
);
-- It is written for each batch of a long backlog.
ALTER TABLE event.sequenced ALTER COLUMN rest SET STORAGE EXTERNAL;
CREATE INDEX sequenced_position ON event.sequenced (epoch, position);
COMMENT ON TABLE event.sequenced IS 'Which unsequenced transactions have their place';

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
