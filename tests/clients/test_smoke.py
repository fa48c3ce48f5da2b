"""The fixtures work: a database with the extension, and delivery between two connections."""


def test_extension_is_there(connect):
    version, = connect().execute("select extversion from pg_extension where extname = 'pg_reldiff'").fetchone()
    assert version


def test_listener_hears(connect):
    listener, sender = connect(), connect()
    listener.execute("listen smoke")
    sender.execute("notify smoke, 'hello'")
    heard = [notification.payload for notification in listener.notifies(timeout=10, stop_after=1)]
    assert heard == ["hello"]
