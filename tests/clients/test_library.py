"""What is in the library that is installed."""

import psycopg
import pytest


def test_library_has_no_fault_points(connect):
    """Those are for the tests in faults/, which have a library of their own."""
    connection = connect()
    connection.execute("select event.cursor()")
    assert connection.execute("select name from pg_settings where name ~ '^reldiff.*fault'").fetchall() == []
    with pytest.raises(psycopg.errors.UndefinedFunction):
        connection.execute("create function fault_hits() returns text language c as '$libdir/pg_reldiff', 'fault_hits_wrapper'")
