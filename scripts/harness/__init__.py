"""Build and test harness of pg_reldiff: Python 3 and its standard library, nothing to install by hand."""
