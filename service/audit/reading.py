"""The entries of the audit log, newest first, for those who look something up in it; `verify` checks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

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


def entries(folder: Path, wanted: Filter) -> Iterator[Entry]:
    """The wanted entries of the log in `folder`, newest first; what is no entry is left out."""
    for path in reversed(log_files(folder)):
        if wanted.before is not None and int(path.stem[6:]) >= wanted.before:
            continue
        for line in reversed(path.read_bytes().split(b"\n")):
            entry = _entry(line)
            if entry is not None and wanted.wants(entry):
                yield entry


def _entry(line: bytes) -> Entry | None:
    try:
        return decode(line)[0]
    except BadLine:
        return None
