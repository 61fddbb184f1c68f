"""Files on their way in: resumed where they broke off, checked against the ETag, in place only when they are whole.

The service's strong ETags are the SHA-256 of the file (RFC 9110, 8.8.3). A cohort as CSV is made while it is
sent: it has neither a digest nor ranges, so a broken one begins anew.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cdmt_client.effects import Answer, Flow, Pause, Request, Told, opened, read, read_all
from cdmt_client.errors import ChecksumMismatch, Refused, Unreachable, Unreadable
from cdmt_client.retrying import Patience, Retries, check, is_passing

SHA256 = re.compile(r'"([0-9a-f]{64})"')
PARTIAL, UNSATISFIABLE = 206, 416
HEADERS = {"Accept-Encoding": "identity"}
"""Not packed on the way: ranges and digests are about the file's own bytes."""


@dataclass
class _Received:
    """What has arrived so far, and the tag of the version that it is of."""

    file: IO[bytes]
    etag: str | None = None
    total: int | None = None
    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.etag, self.total, self.size, self.digest = None, None, 0, hashlib.sha256()

    def add(self, part: bytes) -> None:
        self.file.write(part)
        self.digest.update(part)
        self.size += len(part)

    @property
    def is_whole(self) -> bool:
        return self.total is not None and self.size == self.total

    @property
    def is_genuine(self) -> bool:
        expected = SHA256.fullmatch(self.etag or "")
        return expected is None or expected[1] == self.digest.hexdigest()


def to_path(request: Request, path: str | os.PathLike[str], *, told: Told | None, retries: Retries) -> Flow[Path]:
    """Fetch a file to `path`, which has either all of it or what it had before."""
    place = Path(path)
    with _beside(place) as file:
        yield from fetch(request, file, told=told, retries=retries)
    return place


def to_memory(request: Request, *, told: Told | None, retries: Retries) -> Flow[bytes]:
    """The content of a file."""
    buffer = io.BytesIO()
    yield from fetch(request, buffer, told=told, retries=retries)
    return buffer.getvalue()


def fetch(request: Request, file: IO[bytes], *, told: Told | None, retries: Retries) -> Flow[None]:
    """Fetch into an empty file; once anew if the checksum is wrong, then ChecksumMismatch."""
    got = _Received(file)
    for _ in range(2):
        yield from _whole(request, got, told=told, retries=retries)
        if got.is_genuine:
            return
        got.restart()
    raise ChecksumMismatch(f"{request.path}: the bytes that arrive are not those of the checksum that came with them")


def _whole(request: Request, got: _Received, *, told: Told | None, retries: Retries) -> Flow[None]:
    """Go on until the end, over broken connections; patience begins anew with each that brought something."""
    patience = Patience(retries)
    while True:
        before = got.size
        try:
            yield from _begin(request, got)
            while part := (yield from read()):
                got.add(part)
                if told is not None:
                    told("downloading", got.size, got.total or 0)
            if got.total is None or got.is_whole:
                return
            raise Unreachable(f"{request.path}: the answer ended after {got.size} of {got.total} bytes")
        except (Refused, Unreachable) as error:
            if not is_passing(error):
                raise
            if got.is_whole:
                return
            if got.size > before and got.etag is not None:
                patience.renew()
            seconds = patience.pause(error)
        yield Pause(seconds)


def _begin(request: Request, got: _Received) -> Flow[None]:
    """Open the rest of what has arrived already, or else all of it."""
    resumable = bool(got.size and got.etag)
    head = yield from opened(_request(request, got if resumable else None))
    if head.status >= 400:
        if head.status == UNSATISFIABLE:
            got.restart()
            raise Unreachable(f"{request.path}: the service has no such range any more")
        check((yield from read_all(head)))
    if head.status == PARTIAL and resumable and _starts_at(head) == got.size and head.headers.get("etag") == got.etag:
        return
    got.restart()
    if head.status == PARTIAL:
        raise Unreachable(f"{request.path}: another range came than was asked for")
    etag = head.headers.get("etag", "")
    got.etag = etag if SHA256.fullmatch(etag) else None
    length = head.headers.get("content-length", "")
    got.total = int(length) if length.isdecimal() and "content-encoding" not in head.headers else None


def _request(request: Request, got: _Received | None) -> Request:
    headers: Mapping[str, str] = {**HEADERS, **request.headers}
    if got is not None and got.etag is not None:
        headers = {**headers, "Range": f"bytes={got.size}-", "If-Range": got.etag}
    return Request(request.method, request.path, params=request.params, headers=headers, timeout=request.timeout)


def _starts_at(head: Answer) -> int | None:
    found = re.match(r"bytes (\d+)-", head.headers.get("content-range", ""))
    return int(found[1]) if found else None


@contextmanager
def _beside(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place at the end; it is gone if that does not come."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise Unreadable(f"{error.filename or path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
