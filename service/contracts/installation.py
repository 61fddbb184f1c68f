"""Which installation this is: gateway and workers over one data folder agree, and no other installation is the same.

Several installations may share one Redis. Their queues differ by this id, so that none takes another's jobs, whose
records and models it has not. Live keys and the ids of jobs in RQ hold the jobs' own ids, which are random.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from functools import cache
from pathlib import Path

from service.contracts.durable import write_file
from service.contracts.errors import BadInstallation

FILE = "installation"
_PATTERN = re.compile(r"[0-9a-f]{12}")


@cache
def installation_id(root: Path) -> str:
    """The id in the data folder `root`; made by whoever comes first. BadInstallation if the file holds something else.

    Who copies a data folder to run both on one Redis removes the file from the copy.
    """
    path = root / FILE
    _make_if_absent(path)
    found = path.read_text(encoding="ascii", errors="replace").strip()
    if not _PATTERN.fullmatch(found):
        raise BadInstallation(f"{path} holds no id of an installation; remove it, and a new one is made")
    return found


def known_installation_id(root: Path) -> str | None:
    """The id in the data folder `root`, or None where there is none. Makes nothing."""
    try:
        return (root / FILE).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None


def _make_if_absent(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of several processes that start at once, the first one makes it
        if not path.exists():
            write_file(path, f"{secrets.token_hex(6)}\n".encode())
    finally:
        os.close(descriptor)
