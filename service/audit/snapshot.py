"""The audit log as it is at one moment, while others append."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from service.audit.head import FILE as HEAD_FILE
from service.audit.log import log_files


@contextmanager
def held_still(folder: Path) -> Iterator[None]:
    """Nobody appends meanwhile. Whoever would is kept waiting, and with him what he would put down. OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def snapshot(folder: Path) -> tuple[bytes | None, Mapping[str, int]]:
    """The head, None where there is none, and the sizes of the files: what is appended later comes behind them."""
    with held_still(folder):
        sizes = {path.name: path.stat().st_size for path in log_files(folder)}
        head = folder / HEAD_FILE
        return head.read_bytes() if head.exists() else None, sizes
