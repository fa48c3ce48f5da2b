"""Running a server as root.

PostgreSQL refuses uid 0. A user namespace that shows our uid as another one is enough for it and changes no file's
owner, so that comes first. Where namespaces are forbidden (many containers) the server becomes an
unprivileged user for good; then its files must lie where that user may go.
"""

import os
import pwd
import shutil
import subprocess
from functools import lru_cache

from .run import Trouble


class Demotion:
    """`prefix` goes before a server program; `owner` is (uid, gid) where files must change hands, else None."""

    def __init__(self, prefix: list, owner):
        self.prefix, self.owner = prefix, owner


def _unprivileged() -> pwd.struct_passwd:
    """initdb looks its user's name up, so the uid must have one; postgres may not exist on a bare machine."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    others = [user for user in pwd.getpwall() if user.pw_uid != 0]
    if not others:
        raise Trouble("PostgreSQL does not run as root, and /etc/passwd names no other user.")
    return others[0]


def _works(prefix: list) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, stdin=subprocess.DEVNULL, cwd="/").returncode == 0


@lru_cache(maxsize=None)
def demotion():
    """None for an ordinary user."""
    if os.geteuid() != 0:
        return None
    user = _unprivileged()
    namespace = ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]
    if _works(namespace):
        return Demotion(namespace, None)
    for prefix in (["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"],
                   ["runuser", "-u", user.pw_name, "--"]):
        if _works(prefix):
            return Demotion(prefix, (user.pw_uid, user.pw_gid))
    raise Trouble("PostgreSQL does not run as root, and none of unshare, setpriv and runuser works here: "
                  "run this as an ordinary user.")
