-- The extension is installed, and an error shows its SQLSTATE.
select extname from pg_extension where extname = 'pg_reldiff';
create extension pg_reldiff;
