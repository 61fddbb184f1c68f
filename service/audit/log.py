"""The audit log as it grows: one writer at a time among threads and processes; an entry counts once it is on the disk.

An entry is written behind the last one and flushed; then the head is replaced, and only then does `append` return. So
a crash leaves behind the head at most one line, whole or torn, of which nobody was told that it was there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from service.audit.entries import BadLine, Entry, Event, decode, encode, genesis
from service.audit.head import DAMAGED, Head, read_head, write_head
from service.audit.head import FILE as HEAD_FILE
from service.contracts.durable import give_to_owner_of, sync_folder
from service.contracts.errors import AuditUnavailable

FILE_NAME = re.compile(r"audit-([0-9]{12})\.jsonl")
MAX_TAIL_BYTES = 1 << 20  # of what is looked at behind the head: a line is a thousandth of it

log = structlog.get_logger(__name__)


class AuditLog:
    """The log in a folder. Any number of threads and processes may append."""

    def __init__(self, folder: Path, *, installation: str, key: bytes | None = None, max_bytes: int = 64 << 20) -> None:
        """A file of `max_bytes` or more is followed by another. `key` signs the head. Makes nothing yet."""
        self.folder = folder
        self._installation = installation
        self._key = key
        self._max_bytes = max_bytes
        self._latest: Head | None = None  # as this process knows it: a log only grows

    def append(self, event: Event) -> Entry:
        """Put down an event; it is on the disk when this returns. AuditUnavailable if it cannot be put down."""
        with self._alone():
            head = self._settled(self._head())
            return self._append(event, self._place(head))[0]

    def sign(self) -> None:
        """Vouch with our key for the head as it is, whoever vouched for it before. AuditUnavailable."""
        with self._alone():
            head = read_head(self.folder, None)
            if head is None:
                raise AuditUnavailable("the audit log has no head")
            write_head(self.folder, head.signed(self._key))

    def check(self) -> None:
        """AuditUnavailable if nothing could be appended now, for all that can be known without doing it."""
        with self._alone():
            self._settled(self._head())

    @contextmanager
    def recorded(self, event: Event) -> Iterator[None]:
        """Put down what the block is about to do, first: AuditUnavailable, and nothing is done. Again, if it fails."""
        self.append(event)
        try:
            yield
        except Exception as error:
            self.append_if_possible(failed(event, error))
            raise

    @contextmanager
    def recorded_if_possible(self, event: Event) -> Iterator[None]:
        """The same for what must be possible on a full disk, too: if it makes room, it is put down afterwards."""
        is_recorded = self._tried(event)
        try:
            yield
        except Exception as error:
            self.append_if_possible(failed(event, error))
            raise
        if not is_recorded:
            self.append_if_possible(event)

    def append_if_possible(self, event: Event) -> None:
        """Put down what has happened already; where that cannot be, the log of the process says so."""
        if not self._tried(event):
            log.error("not_audited", action=event.action, object=event.object, outcome=event.outcome)

    def _tried(self, event: Event) -> bool:
        try:
            self.append(event)
        except AuditUnavailable as error:
            log.error("audit_unavailable", detail=str(error))
            return False
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes meanwhile. Whatever cannot be read or written here is told as AuditUnavailable."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                give_to_owner_of(self.folder.parent, self.folder)
            descriptor = os.open(self.folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise AuditUnavailable(f"the audit log cannot be written: {reason}", errno=error.errno) from None

    def _head(self) -> Head:
        """The head; that of a new log if there is nothing at all."""
        head = read_head(self.folder, self._key)
        if self._latest is not None and not self._latest.can_become(head):
            raise AuditUnavailable(f"the audit log was put back to an earlier state, or is another one; {DAMAGED}")
        if head is not None and head.mac is not None and self._key is None:
            raise AuditUnavailable(f"{HEAD_FILE} is signed, and here CDMT_AUDIT_KEY_FILE names no key to go on with")
        if head is not None:
            self._latest = head
            return head
        if log_files(self.folder):
            raise AuditUnavailable(f"the audit log has no {HEAD_FILE}; {DAMAGED}")
        start = Head(count=0, hash=genesis(self._installation), file=file_name(1), size=0).signed(self._key)
        write_head(self.folder, start)
        return self._append(Event(action="log.open", object=f"installation/{self._installation}"), start)[1]

    def _settled(self, head: Head) -> Head:
        """The head, once nothing lies behind it. AuditUnavailable where what lies there is not what a crash leaves."""
        place = self._place(head)
        left = self._behind(place)
        if not left:
            return place
        line, newline, more = left.partition(b"\n")
        try:
            entry, digest = decode(line)
        except BadLine:
            return self._sealed(left, place)
        if not newline:
            return self._sealed(left, place)
        if more or (entry.number, entry.previous) != (head.count + 1, head.hash):
            raise AuditUnavailable(f"{place.file} goes on behind what {HEAD_FILE} knows of; {DAMAGED}")
        return self._recovered(entry, digest, len(left), place)

    def _place(self, head: Head) -> Head:
        """The head, moved to where the next entry belongs: into another file once this one is full."""
        following = file_name(head.count + 1)
        if head.size < self._max_bytes and not (self.folder / following).exists():
            return head
        return head if head.file == following else head.model_copy(update={"file": following, "size": 0})

    def _behind(self, place: Head) -> bytes:
        try:
            with (self.folder / place.file).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < place.size or size > place.size + MAX_TAIL_BYTES:
                    raise AuditUnavailable(f"{place.file} is shorter or longer than {HEAD_FILE} says; {DAMAGED}")
                file.seek(place.size)
                return file.read()
        except FileNotFoundError:
            if place.size == 0:
                return b""
            raise AuditUnavailable(f"{place.file} is missing; {DAMAGED}") from None

    def _sealed(self, torn: bytes, place: Head) -> Head:
        """Put down how many bytes a crash left, and their hash. They stay."""
        details: dict[str, str | int] = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
        behind = place.model_copy(update={"size": place.size + len(torn)})
        return self._append(Event(action="log.seal", details=details), behind, before=b"\n")[1]

    def _recovered(self, entry: Entry, digest: str, size: int, place: Head) -> Head:
        """Take in an entry that was written before a crash and that no head knew of, and say so in the next one."""
        known = Head(count=entry.number, hash=digest, file=place.file, size=place.size + size).signed(self._key)
        write_head(self.folder, known)
        details: dict[str, str | int] = {"number": entry.number, "hash": digest}
        return self._append(Event(action="log.recover", details=details), self._place(known))[1]

    def _append(self, event: Event, place: Head, *, before: bytes = b"") -> tuple[Entry, Head]:
        """Write an entry, and the head that knows of it. If that fails, the file is as long as it was."""
        given = {**dict(event), "number": place.count + 1, "at": datetime.now(UTC), "previous": place.hash}
        entry = Entry.model_validate(given)
        line, digest = encode(entry)
        end = place.size + len(before) + len(line)
        after = Head(count=entry.number, hash=digest, file=place.file, size=end).signed(self._key)
        with self._opened(self.folder / place.file, size=place.size) as descriptor:
            content = before + line
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        write_head(self.folder, after)
        self._latest = after
        return entry, after

    @contextmanager
    def _opened(self, path: Path, *, size: int) -> Iterator[int]:
        """A file of this size to write at the end of. If that fails, it is left as it was."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if size == 0:
                give_to_owner_of(self.folder, path)
                sync_folder(self.folder)
            yield descriptor
        except OSError:
            with suppress(OSError):  # else the next one to append seals it
                os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)


def log_files(folder: Path) -> list[Path]:
    """The files of the log in `folder`, in order."""
    return sorted(path for path in folder.glob("audit-*.jsonl") if FILE_NAME.fullmatch(path.name))


def file_name(number: int) -> str:
    """The file whose first entry has this number."""
    return f"audit-{number:012d}.jsonl"


def failed(event: Event, error: Exception) -> Event:
    """That what was granted could not be done. Only the type of the error is told: its message may quote anything."""
    return event.model_copy(update={"outcome": "failed", "details": {**event.details, "error": type(error).__name__}})
