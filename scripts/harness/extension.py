"""Building the extension and installing it into a server."""

from pathlib import Path

from . import toolchain
from .paths import ROOT
from .run import logged, tail, Trouble
from .servers import Server, copy_of


def features(server: Server, *more: str) -> list:
    return ["--no-default-features", "--features", " ".join([server.feature, *more])]


def headers_of(server: Server) -> Server:
    """The copy whose headers all builds for this server use, so that they share one set of bindings."""
    return copy_of(server, "unit")


def install(source: Server, into: Server, *, release: bool = False, root: Path = ROOT, headers: Server = None,
            more: tuple = ()) -> None:
    """Build the tree at `root` for `source`, with `more` features, and install it into `into`, a copy of the same server."""
    command = [toolchain.cargo_pgrx(), "pgrx", "install", "--pg-config", into.pg_config, *features(source, *more)]
    if release:
        command.append("--release")
    env = toolchain.cargo_env(headers or headers_of(source))
    status, output = logged(f"install-{source.major}", command, env=env, cwd=root)
    if status != 0:
        raise Trouble(f"The extension could not be built for PostgreSQL {source.version}.", tail(output))


def installed(source: Server, purpose: str, *, release: bool = False) -> Server:
    """A private copy of `source` with the extension in it."""
    copy = copy_of(source, purpose)
    install(source, copy, release=release)
    return copy
