"""Files that only ever grow: a JSON line per event, on the disk before anything else happens."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from model.spec.base import Spec
from service.contracts.durable import sync_folder

Line = TypeVar("Line", bound=Spec)

log = logging.getLogger(__name__)


def append(path: Path, line: Spec) -> None:
    """Add a line, durably. A line that a crash left unfinished stays as it is and gets its end first."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        _write(descriptor, (b"\n" if torn else b"") + line.model_dump_json().encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def read(path: Path, kind: type[Line]) -> tuple[Line, ...]:
    """All lines that are whole, in order; none where there is no file."""
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    lines = []
    for line in text.splitlines():
        try:
            lines.append(kind.model_validate_json(line))
        except ValidationError:
            log.error("a line of %s/%s is not whole; it is left out", path.parent.name, path.name)
    return tuple(lines)


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
