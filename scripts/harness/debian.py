"""What root can install by apt where it exists. Nothing here is needed to run on the embedded server."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from .run import base_env, logged, say, text_of

_updated = False


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _env() -> dict:
    return dict(base_env(), DEBIAN_FRONTEND="noninteractive")


def _offered(package: str) -> bool:
    try:
        policy = text_of(["apt-cache", "policy", package], env=_env())
    except Exception:
        return False
    return "Candidate:" in policy and "Candidate: (none)" not in policy


def _update_once() -> None:
    """A fresh container has no package lists; they are fetched once, and only when something is wanted."""
    global _updated
    if not _updated:
        _updated = True
        logged("apt-update", ["apt-get", "update"], env=_env(), timeout=300)


@contextmanager
def _no_services():
    """Installing a server package must not start a server that listens on TCP."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def install(*packages: str) -> bool:
    """True if all of `packages` are installed afterwards."""
    if not can_install():
        return False
    if not all(_offered(package) for package in packages):
        _update_once()
        if not all(_offered(package) for package in packages):
            return False
    say(f"Installing {' '.join(packages)} by apt.")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    with _no_services():
        status, _ = logged("apt-install", command, env=_env(), timeout=900)
        if status != 0:
            # Lists that are older than the archive name files that are gone.
            _update_once()
            status, _ = logged("apt-install", command, env=_env(), timeout=900)
    return status == 0
