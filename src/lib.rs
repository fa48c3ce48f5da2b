//! pg_reldiff: what changed in the database, exactly, delivered to the sessions that asked.

pgrx::pg_module_magic!(name, version);
