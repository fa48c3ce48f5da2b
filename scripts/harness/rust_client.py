"""The program of tests/clients/rust, for the tests with tokio-postgres. It has nothing to do with the extension's build."""

from .paths import BUILD, ROOT
from .run import base_env, must, say

SOURCE = ROOT / "tests" / "clients" / "rust"
TARGET = BUILD / "target-client"


def cargo_env() -> dict:
    env = dict(base_env(), CARGO_TARGET_DIR=str(TARGET))
    env.pop("RUSTFLAGS", None)
    return env


def environment() -> dict:
    """What a test needs to run the program; cargo builds what has changed."""
    program = TARGET / "debug" / "reldiff-client"
    if not program.exists():
        say("Building the client with tokio-postgres; this takes a minute, once.")
    must("rust-client", "The program of tests/clients/rust could not be built.", ["cargo", "build", "--locked"],
         env=cargo_env(), cwd=SOURCE)
    return {"RUST_CLIENT": str(program)}
