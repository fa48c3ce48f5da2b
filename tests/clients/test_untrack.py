"""event.untrack() while others use the table."""

from concurrent.futures import ThreadPoolExecutor


def test_untrack_queues_nobody(connect):
    """While it waits for one writer, others read and write; it is done as soon as the table is free."""
    owner, writer, other = connect(), connect(), connect(options="-c lock_timeout=5s")
    owner.execute("create table t (id integer primary key)")
    owner.execute("select event.track('t')")
    writer.execute("begin")
    writer.execute("insert into t values (1)")
    owner.execute("set reldiff.track_timeout = '60s'")
    with ThreadPoolExecutor() as pool:
        untracked = pool.submit(owner.execute, "select event.untrack('t')")
        for number in range(2, 202):
            other.execute("insert into t values (%s)", (number,))
            other.execute("select count(*) from t")
        assert not untracked.done()
        writer.execute("commit")
        untracked.result(timeout=30)
    assert other.execute("select count(*) from event.tracked").fetchone() == (0,)
    assert other.execute("select count(*) from t").fetchone() == (201,)
