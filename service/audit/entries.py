"""An entry of the audit log, and the line that it is in the file.

A line is the entry as JSON with its hash at the end: `{...,"previous":"<hash>","hash":"<hash>"}`. The hash is the
SHA-256 of the line up to `,"hash"`, with `}` in the place of the rest. Each entry names the hash of the one before, the
first one that of the installation. Bytes are hashed as they are in the file, so there is nothing to normalise.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from model.spec.base import Spec

Action = Literal[
    "access.refused",
    "cohort.download",
    "cohort.expire",
    "data.backup",
    "data.encrypt",
    "data.restore",
    "dataset.delete",
    "dataset.expire",
    "dataset.upload",
    "gate.override",
    "job.cancel",
    "job.delete",
    "job.evaluate",
    "job.expire",
    "job.generate",
    "job.train",
    "key.create",
    "key.revoke",
    "key.rotate",
    "log.open",
    "log.recover",
    "log.seal",
    "log.sign",
    "model.delete",
    "model.expire",
    "model.export",
    "model.import",
    "report.download",
    "service.start",
    "session.close",
    "session.open",
]
Outcome = Literal["granted", "failed", "refused"]

_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"}')
_TAIL_BYTES = len(b',"hash":""}') + 64


class BadLine(ValueError):
    """A line that is no entry, or not the one whose hash it bears."""


class Event(Spec):
    """What happened, before it has a place in the log. Nothing here is a value or a name out of a table."""

    action: Action
    outcome: Outcome = Field("granted", description="granted: it was let happen; failed: that could not be done")
    object: str | None = Field(None, description="kind and id: dataset/0198...")
    caller: str | None = Field(None, description="the name of who asked; null: nobody in particular")
    key_id: str | None = Field(None, description="of the key that was shown")
    address: str | None = Field(None, description="from which the request came; null: from this machine")
    request_id: str | None = None
    details: dict[str, str | int] = Field({}, description="what else there is to say about the action")


class Entry(Event):
    """An event in its place: the `number`th of the log, after the one whose hash is `previous`."""

    number: int = Field(ge=1)
    at: AwareDatetime = Field(description="UTC")
    previous: str = Field(pattern="^[0-9a-f]{64}$")

    @property
    def id(self) -> str:
        """The number as text of one length, by which a list is sorted."""
        return f"{self.number:012d}"


def genesis(installation: str) -> str:
    """What the first entry has for `previous`: a log cannot pass for that of another installation."""
    return hashlib.sha256(f"cdmt-audit {installation}".encode()).hexdigest()


def encode(entry: Entry) -> tuple[bytes, str]:
    """The line of an entry, with its newline, and its hash."""
    body = entry.model_dump_json().encode()
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + f',"hash":"{digest}"}}\n'.encode(), digest


def decode(line: bytes) -> tuple[Entry, str]:
    """The entry in a line without its newline, and its hash; BadLine."""
    tail = _TAIL.fullmatch(line[-_TAIL_BYTES:])
    if tail is None:
        raise BadLine("it is no whole entry")
    body, digest = line[:-_TAIL_BYTES] + b"}", tail[1].decode()
    if hashlib.sha256(body).hexdigest() != digest:
        raise BadLine("its content is not what its hash says")
    try:
        return Entry.model_validate_json(body), digest
    except ValidationError:
        raise BadLine("it is no entry of a known form") from None
