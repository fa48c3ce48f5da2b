"""The trigger of bench/floor.c, compiled with the server's headers into the private server of the benchmark."""

import shutil
from pathlib import Path

from harness.run import base_env, must

SOURCE = Path(__file__).with_name("floor.c")


def why_not(server) -> str:
    """Why this server cannot have it, or nothing."""
    if not server.has_headers():
        return f"PostgreSQL {server.version} is here without its headers"
    return "" if shutil.which("cc") else "there is no C compiler (cc)"


def install(server) -> None:
    must("floor", "bench/floor.c could not be compiled.",
         ["cc", "-O2", "-Wall", "-Wno-declaration-after-statement", "-shared", "-fPIC", f"-I{server.ask('includedir-server')}",
          SOURCE, "-o", server.ask("pkglibdir") / "reldiff_floor.so"], env=base_env())
