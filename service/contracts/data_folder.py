"""Whether this program may use a data folder: one of its own version, whole, and served by nobody else.

`storage.json` holds the version of what lies in the folder. It grows with a change that the program before cannot live
with; then `claim` is where the older is turned into the newer.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.contracts.durable import give_to_owner_of, write_file
from service.contracts.errors import UnusableFolder

FILE = "storage.json"
VERSION = 1
LOCK = "gateway.lock"
RESTORING = "restoring"
"""The folder in which a backup is unpacked; it goes once everything has its place."""


def claim(root: Path) -> None:
    """Begin to use the folder, made if absent. One without a version, from before there were any, gets ours.

    UnusableFolder where a newer program has been at work, or a restore was not finished.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (root / RESTORING).exists():
        raise UnusableFolder(f"a restore into {root} was not finished: empty the folder, and restore again")
    found = _version(root / FILE)
    if found is None:
        write_file(root / FILE, f'{{"version": {VERSION}}}\n'.encode())
        give_to_owner_of(root, root / FILE)
    elif found > VERSION:
        raise UnusableFolder(
            f"{root} has storage version {found}, and this program knows {VERSION}: start the newer program again, or "
            "restore the backup from before the upgrade"
        )


@contextmanager
def served_alone(root: Path) -> Iterator[None]:
    """No other gateway serves the folder meanwhile. However this process ends, the kernel frees it. UnusableFolder."""
    with (root / LOCK).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnusableFolder(
                f"another gateway serves {root}: stop it, or set CDMT_DATA_DIR to another folder"
            ) from None
        yield


def _version(path: Path) -> int | None:
    """The version in the file, whatever else a newer program has written there; None where there is no file."""
    try:
        found = json.loads(path.read_bytes())["version"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, int):
        raise UnusableFolder(f'{path} holds no version: write {{"version": N}}, that of the program that was here last')
    return found
