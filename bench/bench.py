"""The private server of a benchmark, with a release build, and a cluster of it for each workload."""

from contextlib import contextmanager

import contenders as all_contenders
from database import Database

from harness import extension, toolchain
from harness.cluster import Cluster
from harness.run import say


class Bench:
    def __init__(self, options):
        self.options = options
        toolchain.cargo_pgrx()
        source = toolchain.chosen_server()
        say(f"Building the extension for PostgreSQL {source.version}, optimised.")
        self.server = extension.installed(source, "bench", release=True)
        self.without = all_contenders.install(self.server)

    @contextmanager
    def databases(self, contenders: list, table: str, **settings):
        """Those of all contenders that this server can have, by name, in one cluster with the server's default settings
        (fsync on) but for `settings`. Autovacuum would come in one contender's time and not in another's."""
        opened = {}
        with Cluster(self.server, {"autovacuum": "off", **settings}) as cluster:
            try:
                for contender in contenders:
                    if contender.name not in self.without:
                        opened[contender.name] = Database(cluster, contender, table)
                yield opened
            finally:
                for database in opened.values():
                    database.close()
