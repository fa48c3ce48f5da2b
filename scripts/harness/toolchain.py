"""What a build needs: cargo, cargo-pgrx in build/tools, and the environment in which both run.

The environment is the same for every target. pgrx generates the server's bindings again whenever one of these
variables changes, so a difference between two targets would cost most of a minute each time.
"""

import os
import shutil
from functools import lru_cache
from pathlib import Path

from . import pyenv, servers
from .paths import BUILD, ROOT, TARGET, pgrx_version
from .run import Trouble, base_env, clean_tree, must, say, text_of

TOOLS = BUILD / "tools"
PGRX_HOME = BUILD / "pgrx-home"


@lru_cache(maxsize=None)
def packages() -> pyenv.Packages:
    return pyenv.packages()


def chosen_server() -> servers.Server:
    """The server of PG_CONFIG=…, else the embedded one."""
    path = os.environ.get("PG_CONFIG")
    return servers.named(path) if path else servers.embedded(packages().site)


def need_programs() -> None:
    for program, source in (("cargo", "Rust"), ("gcc", "gcc")):
        if shutil.which(program) is None:
            raise Trouble(f"The program {program} is not on the PATH: install {source} and run this again.")


@lru_cache(maxsize=None)
def cargo_pgrx() -> Path:
    """cargo-pgrx of the pinned version; a debug build of it takes less than half the time and does the same."""
    need_programs()
    version = pgrx_version()
    place = TOOLS / version
    program = place / "bin" / "cargo-pgrx"
    if not program.exists():
        say(f"Building cargo-pgrx {version}; this takes two to four minutes, once.")
        env = dict(base_env(), CARGO_PROFILE_DEV_DEBUG="0", CARGO_TARGET_DIR=str(TOOLS / "target"))
        env.pop("RUSTFLAGS", None)
        must("cargo-pgrx", f"cargo-pgrx {version} could not be built.",
             ["cargo", "install", "--locked", "--debug", "--no-default-features", f"cargo-pgrx@{version}", "--root", place],
             env=env, cwd=ROOT)
        clean_tree(TOOLS / "target")
    return program


@lru_cache(maxsize=None)
def _gcc_include() -> str:
    """libclang comes without the compiler's own headers (stddef.h and the like); gcc's serve."""
    return text_of(["gcc", "-print-file-name=include"], env=base_env()).strip()


def cargo_env(server: servers.Server) -> dict:
    """The environment for cargo; `server` is the one whose headers the bindings are made from."""
    _make_pgrx_home()
    env = base_env()
    env.update(
        CARGO_TARGET_DIR=str(TARGET),
        PGRX_HOME=str(PGRX_HOME),
        PGRX_PG_CONFIG_PATH=str(server.pg_config),
        LIBCLANG_PATH=str(packages().site / "clang" / "native"),
        BINDGEN_EXTRA_CLANG_ARGS=f"-isystem {_gcc_include()}",
        # Its link argument differs between cargo and cargo pgrx, which makes each rebuild what the other built.
        CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND="1",
        PATH=os.pathsep.join([str(cargo_pgrx().parent), env.get("PATH", "")]),
    )
    return env


def _make_pgrx_home() -> None:
    """pgrx watches this file: missing, it would make the bindings afresh at each build."""
    config = PGRX_HOME / "config.toml"
    if not config.exists():
        PGRX_HOME.mkdir(parents=True, exist_ok=True)
        config.write_text("[configs]\n")
