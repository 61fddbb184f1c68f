"""The entries of the audit log, newest first, for those who look something up in it; `verify` checks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from model.spec.base import Spec
from service.audit.entries import BadLine, Entry, decode
from service.audit.log import log_files


class Filter(Spec):
    """Which entries are wanted: those that have all that is given here."""

    caller: str | None = None
    action: str | None = None
    object: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    before: int | None = None
    """Only entries with a smaller number."""

    def wants(self, entry: Entry) -> bool:
        """Whether the entry is one of those."""
        named = ("caller", "action", "object", "outcome")
        return (
            all(getattr(self, name) in (None, getattr(entry, name)) for name in named)
            and (self.since is None or entry.at >= self.since)
            and (self.before is None or entry.number < self.before)
        )


class Unreadable(NamedTuple):
    """A line that is no entry as it was written; what it held, and whether that was wanted, nobody can say."""

    file: str
    line: int


def entries(folder: Path, wanted: Filter) -> Iterator[Entry]:
    """The wanted entries of the log in `folder`, newest first; what is no entry is left out."""
    return (found for found in lines(folder, wanted) if isinstance(found, Entry))


def lines(folder: Path, wanted: Filter) -> Iterator[Entry | Unreadable]:
    """The wanted entries of the log in `folder`, newest first, and every line on the way that is none."""
    for path in reversed(log_files(folder)):
        if wanted.before is not None and int(path.stem[6:]) >= wanted.before:
            continue
        for number, line in reversed(list(enumerate(path.read_bytes().split(b"\n"), start=1))):
            found = _read(line, Unreadable(path.name, number))
            if line and (isinstance(found, Unreadable) or wanted.wants(found)):
                yield found


def _read(line: bytes, otherwise: Unreadable) -> Entry | Unreadable:
    try:
        return decode(line)[0]
    except BadLine:
        return otherwise
