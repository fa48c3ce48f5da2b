"""The process that gives places ends in the middle of a long backlog, of which it has told a part."""

import psycopg
import pytest

from modes import settle
from patience import until
from test_with_sequencer import WORKERS, ids, insert, owner, stuck  # noqa: F401
from unplaced import Holder
from wire import events, new_session

END = "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'pg_reldiff' and datname = current_database()"


@pytest.fixture
def session(connect, owner):  # noqa: F811
    """Nine have been committed, and the first three or four of them have their places."""
    name = owner.info.dbname
    owner.execute(f"alter database {name} set reldiff.sequencer_batch = 2")
    owner.execute(f"alter database {name} set reldiff.fault = 'sequence:sleep:5'")
    session = new_session(owner, "item")
    with stuck(connect):
        insert(owner, *range(1, 10))
    until(lambda: len(ids(events(owner, session))) >= 3, "the first batches")
    owner.execute(f"alter database {name} reset reldiff.fault")
    return session


def end(connection) -> None:
    connection.execute(END)
    until(lambda: connection.execute(WORKERS).fetchone() == (0,), "the end of the process")


def test_p08_writer_meets_a_backlog(connect, owner, session):  # noqa: F811
    """An inline one gives the rest their places before its own."""
    end(owner)
    writer = connect()
    writer.execute("set reldiff.delivery = inline")
    insert(writer, 10)
    assert ids(events(owner, session)) == list(range(1, 11))


def test_p08_writer_meets_a_long_backlog(dsn, connect, owner):  # noqa: F811
    """At its commit it can read which these are, however many, and leaves them to the process."""
    name, count = owner.info.dbname, 600
    owner.execute(f"alter database {name} set reldiff.sequencer_batch = 2")
    owner.execute(f"alter database {name} set reldiff.fault = 'sequence:sleep:5'")
    session, holder = new_session(owner, "item"), Holder(dsn)
    # It does not look before all are there: a writer that takes its place itself has the commit lock.
    holder.connection.execute("set reldiff.delivery = inline")
    with holder.holds():
        insert(owner, *range(1, count))
    holder.close()
    until(lambda: len(ids(events(owner, session))) >= 3, "the first batches")
    owner.execute(f"alter database {name} reset reldiff.fault")
    end(owner)
    writer, logged = connect(), []
    writer.add_notice_handler(lambda notice: logged.append(notice.message_primary))
    writer.execute("set client_min_messages = log")
    writer.execute("set reldiff.delivery = inline")
    insert(writer, count)
    assert logged == []
    settle(owner)
    assert ids(events(owner, session)) == list(range(1, count + 1))


def test_p10_copy_in_the_middle_of_a_backlog(connect, owner, session):  # noqa: F811
    """The rest is told in the copy, too."""
    end(owner)
    name = owner.info.dbname
    with psycopg.connect("dbname=postgres", autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        admin.execute(f"create database {name}_copy template {name}")
        try:
            for database in (f"{name}_copy", name):
                with psycopg.connect(f"dbname={database}", autocommit=True) as reader:
                    reader.execute("load 'pg_reldiff'")
                    reader.execute("set reldiff.delivery = sequencer")
                    insert(reader, 10)
                    settle(reader)
                    assert ids(events(reader, session)) == list(range(1, 11))
        finally:
            admin.execute(f"drop database {name}_copy with (force)")
