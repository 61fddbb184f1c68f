"""Files that hold a key, a secret or a password, named by a setting."""

from __future__ import annotations

from pathlib import Path

from service.contracts.errors import BadKeyFile


def read_key_file(path: Path, *, setting: str) -> bytes:
    """What the file that `setting` names holds; BadKeyFile, which names both, where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadKeyFile(f"{setting}, '{path}': {error.strerror}") from None
