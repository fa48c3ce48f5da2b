"""PgBouncer, for the tests behind a transaction pooler.

It is neither on PyPI nor among the other packages that an ordinary user can install. Where the machine has none, the
archive's package and the libraries that it lacks are unpacked into build/, which needs no rights; apt keeps its lists there, too.
Without apt there is no PgBouncer to be had, and its tests are skipped.
"""

import os
import re
import shlex
import shutil
from pathlib import Path

from . import demote
from .paths import BUILD
from .run import Trouble, base_env, clean_tree, logged, say, text_of
from .servers import copies

APT = BUILD / "apt"


def environment() -> dict:
    """PGBOUNCER: a program that can be started as it is; nothing if there is none."""
    # The folder of the servers' copies is one where a server that may not be root can go.
    script, home = copies() / "pgbouncer", copies() / "pgbouncer-files"
    program = _of_system() or _unpacked(home)
    if program is None:
        say("PgBouncer is not here, nor apt, which could fetch it: the tests with it are skipped.")
        return {}
    demotion = demote.demotion()
    prefix = f"{shlex.join(demotion.prefix)} " if demotion else ""
    script.write_text("#!/bin/sh\n"
                      "# PgBouncer does not run as root, and its libraries may be beside it.\n"
                      "cd /\n"
                      f"export LD_LIBRARY_PATH={shlex.quote(_libraries(home))}\n"
                      f"exec {prefix}{shlex.quote(str(program))} \"$@\"\n")
    script.chmod(0o755)
    return {"PGBOUNCER": str(script)}


def _of_system():
    found = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    return Path(found) if found else None


def _libraries(home: Path) -> str:
    return os.pathsep.join(sorted({str(path.parent) for path in home.glob("**/*.so.*")}))


def _unpacked(home: Path):
    program = home / "usr" / "sbin" / "pgbouncer"
    if program.exists():
        return program
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None
    say("Fetching PgBouncer.")
    clean_tree(home)
    _fetch(home)
    return program


def _fetch(home: Path) -> None:
    """PgBouncer and the libraries that would be installed along with it, without what else it would bring."""
    downloads = APT / "downloads"
    clean_tree(APT)
    for folder in (downloads, APT / "lists" / "partial", APT / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True)
    options = ["-o", f"Dir::State::lists={APT / 'lists'}", "-o", f"Dir::Cache={APT / 'cache'}", "-o", "Debug::NoLocking=1",
               "-o", "APT::Sandbox::User="]
    _apt("apt-lists", ["apt-get", *options, "update"])
    plan = text_of(["apt-get", *options, "--simulate", "--no-install-recommends", "install", "pgbouncer"], env=base_env())
    wanted = [name for name in re.findall(r"^Inst (\S+)", plan, re.M) if name == "pgbouncer" or name.startswith("lib")]
    _apt("apt-download", ["apt-get", *options, "download", *wanted], cwd=downloads)
    for package in sorted(downloads.glob("*.deb")):
        _apt("dpkg-deb", ["dpkg-deb", "-x", package, home])


def _apt(name: str, command: list, **where) -> None:
    status, output = logged(name, command, env=base_env(), timeout=300, **where)
    if status != 0:
        raise Trouble(f"{command[0]} failed.", output)
