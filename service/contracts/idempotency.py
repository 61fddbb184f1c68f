"""What was answered to a request with an `Idempotency-Key`: a folder per key, locked while its request is in flight.

A claim is on the disk, with the id that the new thing will have, before the thing is made. Whoever comes after a crash
with the same key therefore finds what the first request made, or makes it under that same id: never a second one.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import time
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from model.spec.base import Spec
from service.contracts.durable import sync_folder
from service.contracts.errors import KeyInFlight, KeyReused
from service.contracts.ids import new_id
from service.contracts.jobs import now
from service.contracts.storage import RECORD, write_record

KEPT_SECONDS = 24 * 3600

log = logging.getLogger(__name__)


class Answer(Spec):
    """An answer to a request that has made something, as it went out."""

    status: int
    headers: dict[str, str]
    body: str


class Claim(Spec):
    """A key and what became of it; without an answer, its request is in flight or was cut off by a crash."""

    thing_id: str = Field(description="of the thing that the request makes")
    fingerprint: str = Field(description="of path and body; the key is good for no others")
    created_at: AwareDatetime
    answer: Answer | None = None


class HeldKey:
    """A key that is this request's alone until `release`. `is_resumed`: an earlier one was cut off by a crash."""

    def __init__(self, folder: Path, descriptor: int, *, fingerprint: str) -> None:
        self._folder = folder
        self._descriptor = descriptor
        found = _read(folder)
        if found is not None and found.fingerprint != fingerprint:
            raise KeyReused("this Idempotency-Key came with another request within the last 24 hours")
        self.is_resumed = found is not None and found.answer is None
        self.claim = found or Claim(thing_id=new_id(), fingerprint=fingerprint, created_at=now())
        if found is None:
            write_record(folder, self.claim)

    def keep(self, answer: Answer) -> None:
        """Remember the answer; it is on the disk when this returns."""
        write_record(self._folder, self.claim.model_copy(update={"answer": answer}))

    def forget(self) -> None:
        """Free the key: its request has made nothing."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def release(self) -> None:
        """Let others have the key. A process that dies does so, too."""
        os.close(self._descriptor)


class KeyStore:
    """The keys of the last 24 hours, under `<root>/idempotency`. Any number of gateways may use it at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute() / "idempotency"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def hold(self, key: str, *, caller: str | None, fingerprint: str) -> HeldKey:
        """The key of this caller's. KeyInFlight if another request has it now, KeyReused if another one had it."""
        name = hashlib.sha256(f"{caller or ''}\0{key}".encode()).hexdigest()
        folder = self.root / name
        descriptor = self._locked(folder)
        if descriptor is None:
            raise KeyInFlight("a request with this Idempotency-Key is being handled; try again when it is done")
        try:
            return HeldKey(folder, descriptor, fingerprint=fingerprint)
        except BaseException:
            os.close(descriptor)
            raise

    def sweep(self) -> int:
        """Forget the keys that are too old, except those in flight; returns how many."""
        old = [Path(entry.path) for entry in os.scandir(self.root) if _is_old(entry)]
        return sum(self._swept(folder) for folder in old)

    def _locked(self, folder: Path) -> int | None:
        """A descriptor that locks the folder, made if need be; None where somebody else holds it."""
        while True:
            descriptor = self._opened(folder)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            if _is_there(folder, descriptor):
                return descriptor
            os.close(descriptor)  # it was swept or forgotten between the two lines

    def _opened(self, folder: Path) -> int:
        while True:
            try:
                folder.mkdir(mode=0o700)
                sync_folder(self.root)
            except FileExistsError:
                pass
            try:
                return os.open(folder, os.O_RDONLY)
            except FileNotFoundError:
                continue

    def _swept(self, folder: Path) -> bool:
        descriptor = self._locked(folder)
        if descriptor is None:
            return False
        is_old = _is_old(folder)  # still: it may have been claimed anew
        if is_old:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
        return is_old


def fingerprint(*parts: str) -> str:
    """A digest by which two requests are told apart; nothing of them can be read off it."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def _read(folder: Path) -> Claim | None:
    """The claim in a locked folder. One that is too old, was never written, or cannot be understood, counts as none."""
    try:
        claim = Claim.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        log.error("an idempotency record cannot be understood; its key is free again")
        return None
    return claim if (now() - claim.created_at).total_seconds() < KEPT_SECONDS else None


def _is_old(folder: os.DirEntry[str] | Path) -> bool:
    try:
        return folder.stat().st_mtime < time.time() - KEPT_SECONDS
    except FileNotFoundError:
        return False


def _is_there(folder: Path, descriptor: int) -> bool:
    try:
        return folder.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
