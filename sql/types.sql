-- Schemas, identifier types (meta) and the result type of the inbox.

DO $$
DECLARE
    taken text;
BEGIN
    SELECT nspname INTO taken FROM pg_catalog.pg_namespace WHERE nspname IN ('event', 'meta') ORDER BY nspname LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_schema',
            MESSAGE = pg_catalog.format('schema "%s" already exists', taken),
            DETAIL = 'pg_reldiff creates the schemas "event" and "meta" and adopts nothing that existed before.',
            HINT = pg_catalog.format('ALTER SCHEMA %I RENAME TO %I', taken, taken || '_old');
    END IF;
END
$$;

CREATE SCHEMA event;
CREATE SCHEMA meta;
COMMENT ON SCHEMA event IS 'Sessions, subscriptions and the events they get';
COMMENT ON SCHEMA meta IS 'Identifiers of schemas, relations, columns, rows, fields';
GRANT USAGE ON SCHEMA event, meta TO PUBLIC;

-- Identifiers. Names are exact, without quotes: meta.relation_id('public', 'My Table').
-- A key of any type becomes text with every digit, and such that it is read as the same value under all settings.

CREATE TYPE meta.schema_id AS (name text);
CREATE TYPE meta.relation_id AS (schema_name text, name text);
CREATE TYPE meta.column_id AS (schema_name text, relation_name text, name text);
CREATE TYPE meta.row_id AS (schema_name text, relation_name text, pk_column_names text[], pk_values text[]);
CREATE TYPE meta.field_id AS (schema_name text, relation_name text, pk_column_names text[], pk_values text[], column_name text);
COMMENT ON TYPE meta.schema_id IS 'Identifies a schema';
COMMENT ON TYPE meta.relation_id IS 'Identifies a relation';
COMMENT ON TYPE meta.column_id IS 'Identifies a column of a relation';
COMMENT ON TYPE meta.row_id IS 'Identifies a row by its primary key';
COMMENT ON TYPE meta.field_id IS 'Identifies a field: a column of a row';

CREATE FUNCTION meta.schema_id(name text) RETURNS meta.schema_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW($1)::meta.schema_id $$;
COMMENT ON FUNCTION meta.schema_id(text) IS 'The identifier of a schema';

CREATE FUNCTION meta.relation_id(schema_name text, name text) RETURNS meta.relation_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW($1, $2)::meta.relation_id $$;
COMMENT ON FUNCTION meta.relation_id(text, text) IS 'The identifier of a relation';

CREATE FUNCTION meta.column_id(schema_name text, relation_name text, name text) RETURNS meta.column_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW($1, $2, $3)::meta.column_id $$;
COMMENT ON FUNCTION meta.column_id(text, text, text) IS 'The identifier of a column';

CREATE FUNCTION meta.row_id(schema_name text, relation_name text, pk_column_name text, pk_value text) RETURNS meta.row_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW($1, $2, ARRAY[$3], ARRAY[$4])::meta.row_id $$;
COMMENT ON FUNCTION meta.row_id(text, text, text, text) IS 'The identifier of a row, its key as text';

CREATE FUNCTION meta.row_id(schema_name text, relation_name text, pk_column_name text, pk_value anyelement) RETURNS meta.row_id
    LANGUAGE sql STABLE PARALLEL SAFE SET extra_float_digits = 1 SET datestyle = 'ISO'
    AS $$ SELECT ROW($1, $2, ARRAY[$3], ARRAY[$4::pg_catalog.text])::meta.row_id $$;
COMMENT ON FUNCTION meta.row_id(text, text, text, anyelement) IS 'The identifier of a row, its key of any type';

CREATE FUNCTION meta.row_id(schema_name text, relation_name text, pk_column_names text[], pk_values text[]) RETURNS meta.row_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW($1, $2, $3, $4)::meta.row_id $$;
COMMENT ON FUNCTION meta.row_id(text, text, text[], text[]) IS 'The identifier of a row with a compound key';

CREATE FUNCTION meta.field_id(schema_name text, relation_name text, pk_column_name text, pk_value text, column_name text) RETURNS meta.field_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW($1, $2, ARRAY[$3], ARRAY[$4], $5)::meta.field_id $$;
COMMENT ON FUNCTION meta.field_id(text, text, text, text, text) IS 'The identifier of a field, its key as text';

CREATE FUNCTION meta.field_id(schema_name text, relation_name text, pk_column_name text, pk_value anyelement, column_name text) RETURNS meta.field_id
    LANGUAGE sql STABLE PARALLEL SAFE SET extra_float_digits = 1 SET datestyle = 'ISO'
    AS $$ SELECT ROW($1, $2, ARRAY[$3], ARRAY[$4::pg_catalog.text], $5)::meta.field_id $$;
COMMENT ON FUNCTION meta.field_id(text, text, text, anyelement, text) IS 'The identifier of a field, its key of any type';

CREATE FUNCTION meta.field_id(schema_name text, relation_name text, pk_column_names text[], pk_values text[], column_name text) RETURNS meta.field_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW($1, $2, $3, $4, $5)::meta.field_id $$;
COMMENT ON FUNCTION meta.field_id(text, text, text[], text[], text) IS 'The identifier of a field with a compound key';

CREATE FUNCTION meta.field_id(row_id meta.row_id, column_name text) RETURNS meta.field_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ROW(($1).schema_name, ($1).relation_name, ($1).pk_column_names, ($1).pk_values, $2)::meta.field_id $$;
COMMENT ON FUNCTION meta.field_id(meta.row_id, text) IS 'The identifier of a field of a row';

-- Casts from the part to the whole.

CREATE FUNCTION meta.schema_id(relation_id meta.relation_id) RETURNS meta.schema_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW(($1).schema_name)::meta.schema_id $$;
COMMENT ON FUNCTION meta.schema_id(meta.relation_id) IS 'The schema of a relation';
CREATE FUNCTION meta.relation_id(column_id meta.column_id) RETURNS meta.relation_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW(($1).schema_name, ($1).relation_name)::meta.relation_id $$;
COMMENT ON FUNCTION meta.relation_id(meta.column_id) IS 'The relation of a column';
CREATE FUNCTION meta.relation_id(row_id meta.row_id) RETURNS meta.relation_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW(($1).schema_name, ($1).relation_name)::meta.relation_id $$;
COMMENT ON FUNCTION meta.relation_id(meta.row_id) IS 'The relation of a row';
CREATE FUNCTION meta.relation_id(field_id meta.field_id) RETURNS meta.relation_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ROW(($1).schema_name, ($1).relation_name)::meta.relation_id $$;
COMMENT ON FUNCTION meta.relation_id(meta.field_id) IS 'The relation of a field';
CREATE FUNCTION meta.row_id(field_id meta.field_id) RETURNS meta.row_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ROW(($1).schema_name, ($1).relation_name, ($1).pk_column_names, ($1).pk_values)::meta.row_id $$;
COMMENT ON FUNCTION meta.row_id(meta.field_id) IS 'The row of a field';
CREATE FUNCTION meta.column_id(field_id meta.field_id) RETURNS meta.column_id
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ROW(($1).schema_name, ($1).relation_name, ($1).column_name)::meta.column_id $$;
COMMENT ON FUNCTION meta.column_id(meta.field_id) IS 'The column of a field';

CREATE CAST (meta.relation_id AS meta.schema_id) WITH FUNCTION meta.schema_id(meta.relation_id);
CREATE CAST (meta.column_id AS meta.relation_id) WITH FUNCTION meta.relation_id(meta.column_id);
CREATE CAST (meta.row_id AS meta.relation_id) WITH FUNCTION meta.relation_id(meta.row_id);
CREATE CAST (meta.field_id AS meta.relation_id) WITH FUNCTION meta.relation_id(meta.field_id);
CREATE CAST (meta.field_id AS meta.row_id) WITH FUNCTION meta.row_id(meta.field_id);
CREATE CAST (meta.field_id AS meta.column_id) WITH FUNCTION meta.column_id(meta.field_id);
COMMENT ON CAST (meta.relation_id AS meta.schema_id) IS 'The schema of a relation';
COMMENT ON CAST (meta.column_id AS meta.relation_id) IS 'The relation of a column';
COMMENT ON CAST (meta.row_id AS meta.relation_id) IS 'The relation of a row';
COMMENT ON CAST (meta.field_id AS meta.relation_id) IS 'The relation of a field';
COMMENT ON CAST (meta.field_id AS meta.row_id) IS 'The row of a field';
COMMENT ON CAST (meta.field_id AS meta.column_id) IS 'The column of a field';

-- What event.events() returns.

CREATE TYPE event.change AS (
    cursor text,
    type text,
    relation text,
    key json,
    column_name text,
    value json,
    old_value json,
    subscription_type text,
    xid xid8,
    at timestamptz,
    event json
);
COMMENT ON TYPE event.change IS 'One event of an inbox, as events() returns it';
