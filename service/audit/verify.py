"""Whether an audit log is whole and as it was written; if not, where it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from service.audit.entries import BadLine, Entry, decode, genesis
from service.audit.head import FILE as HEAD_FILE
from service.audit.head import Head
from service.audit.log import MAX_TAIL_BYTES, file_name
from service.audit.snapshot import snapshot

MAX_PROBLEMS = 100
"""After so many the search ends: each costs a look at what comes behind it, and rubbish has millions."""
UNKNOWN_TO_HEAD = "was written right before a crash, or added by somebody else: the head"
SEAL, MAX_SEAL_BYTES = b'"log.seal"', 1024


class Finding(NamedTuple):
    """Something to say about a place; line 0 is the file as a whole."""

    file: str
    line: int
    message: str


@dataclass(frozen=True)
class Checkpoint:
    """What an auditor noted earlier: the entry of this number had this hash."""

    count: int
    hash: str


@dataclass
class Verification:
    """What was found. `problems` are changes that the service did not make; `notes` are not."""

    count: int = 0
    hash: str | None = None
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


def verify(
    folder: Path, *, installation: str | None = None, key: bytes | None = None, expected: Checkpoint | None = None
) -> Verification:
    """Check every entry of the log in `folder`, as it is now, its head, and that it continues an `expected` one.

    Without `installation`, the log may be that of any. Without `key`, the signature of the head is not checked. Others
    may append meanwhile. OSError where a file cannot be read.
    """
    head_text, sizes = snapshot(folder)
    walk = _Walk(installation, _head(head_text), expected)
    for name, size in sizes.items():
        with (folder / name).open("rb") as file:
            walk.read(name, file.read(size), is_last=name == max(sizes))
    walk.compare(has_head=head_text is not None, key=key)
    return walk.found


class _Walk:
    """Goes through the log from its first entry on, and knows which comes next; after a problem it goes on."""

    def __init__(self, installation: str | None, head: Head | None, expected: Checkpoint | None) -> None:
        self.found = Verification()
        self._installation = installation
        self._head = head
        self._expected = expected
        self._number = 0
        self._hash: str | None = None  # of the entry before; None: not known
        self._wanted = {mark.count for mark in (head, expected) if mark is not None}
        self._seen: dict[int, tuple[Finding, str]] = {}
        self._ends: dict[int, int] = {}  # of those: how many bytes into its file an entry ends
        self._last = Finding(file_name(1), 0, "")

    def read(self, name: str, content: bytes, *, is_last: bool) -> None:
        if name != file_name(self._number + 1):
            self._complain(
                name, 0, f"by its name it begins with entry {int(name[6:18])}, and {self._number + 1} is due"
            )
        for line, start, end in (lines := _Lines(content)):
            if self._has_seen_enough:
                return
            entry = _whole_entry(content, start, end)
            if not isinstance(entry, BadLine):
                self._take(*entry, Finding(name, line, ""), end=end + 1)
            elif (seal := self._seal_of(content, start)) is not None:
                lines.go_to(seal)
                self.found.notes.append(Finding(name, line, "a crash tore it; the next entry seals it"))
            elif is_last and self._is_torn_end(content, start):
                lines.go_to(len(content))
                self.found.notes.append(Finding(name, line, "a crash tore it; it will be sealed at the next start"))
            else:
                self._complain(name, line, str(entry))
                self._number, self._hash = self._number + 1, None

    def compare(self, *, has_head: bool, key: bytes | None) -> None:
        """What the head and the auditor know against what was found."""
        if self._has_seen_enough:
            self._complain(*self.found.problems[-1][:2], "there may be more behind it: the search has ended here")
            return
        self.found.count, self.found.hash = self._number, self._hash
        if self._head is None:
            self._complain(HEAD_FILE, 0, "it is not the head of an audit log" if has_head else "it is missing")
        else:
            self._compare_head(self._head, key)
        if self._expected is not None:
            self._compare_mark(self._expected, "the checkpoint")

    @property
    def _has_seen_enough(self) -> bool:
        return len(self.found.problems) >= MAX_PROBLEMS

    def _take(self, entry: Entry, digest: str, place: Finding, *, end: int) -> None:
        due = self._number + 1
        if entry.number > due:
            self._complain(place.file, place.line, f"entries {due} to {entry.number - 1} are missing before it")
        elif entry.number < due:
            self._complain(place.file, place.line, f"it is entry {entry.number}, where {due} is due")
            return
        elif due == 1:
            self._check_first(entry, place)
        elif self._hash not in (None, entry.previous):
            self._complain(place.file, place.line, "it does not follow the entry before it: one of them was put there")
        if entry.action == "log.recover":
            self.found.notes.append(self._last._replace(message=f"it {UNKNOWN_TO_HEAD} did not know of it"))
        self._number, self._hash, self._last = entry.number, digest, place
        if entry.number in self._wanted:
            self._seen[entry.number], self._ends[entry.number] = (place, digest), end

    def _check_first(self, entry: Entry, place: Finding) -> None:
        named = (entry.object or "").removeprefix("installation/")
        if entry.previous != genesis(self._installation or named):
            self._complain(place.file, place.line, "it is not the first entry of this installation's log")

    def _compare_head(self, head: Head, key: bytes | None) -> None:
        if key is not None and not head.is_vouched_for(key):
            self._complain(HEAD_FILE, 0, "it is not signed with the key")
        self._compare_mark(head, HEAD_FILE)
        self._compare_place(head)
        if self._number > head.count + 1:
            message = f"it goes on to entry {self._number}, and {HEAD_FILE} knows of {head.count}"
            self._complain(self._last.file, self._last.line, message)
        elif self._number == head.count + 1:
            self.found.notes.append(self._last._replace(message=f"it {UNKNOWN_TO_HEAD} does not know of it"))

    def _compare_mark(self, mark: Head | Checkpoint, who: str) -> None:
        if self._number < mark.count:
            message = f"the log ends with entry {self._number}, and {who} knows of {mark.count}: the end was cut off"
            self._complain(self._last.file, self._last.line, message)
        elif mark.count in self._seen and self._seen[mark.count][1] != mark.hash:
            self._complain(*self._seen[mark.count][0][:2], f"it is not the entry {mark.count} that {who} knows of")

    def _compare_place(self, head: Head) -> None:
        """Where the service goes on to write, if all entries are in place: elsewhere it seals whole ones or refuses."""
        if self.found.problems or head.count not in self._seen:
            return
        file, end = self._seen[head.count][0].file, self._ends[head.count]
        if (head.file, head.size) != (file, end):
            message = f"it names byte {head.size} of {head.file} as the end of entry {head.count}, and that ends at"
            self._complain(HEAD_FILE, 0, f"{message} byte {end} of {file}")

    def _is_torn_end(self, content: bytes, start: int) -> bool:
        """Whether what is left, of which the head knows nothing, holds no entry: that is no loss."""
        behind_head = self._head is not None and self._number == self._head.count
        rest = (_whole_entry(content, *place[1:]) for place in _Lines(content, start))
        return behind_head and len(content) - start <= MAX_TAIL_BYTES and all(isinstance(e, BadLine) for e in rest)

    def _seal_of(self, content: bytes, start: int) -> int | None:
        """Where the entry begins that seals what a crash left from `start` on; None if none does."""
        found, at, last = None, start, start + MAX_TAIL_BYTES
        while (at := content.find(SEAL, at + 1, last + MAX_SEAL_BYTES)) >= 0:  # the last one: a seal may be torn itself
            begin, end = content.rfind(b"\n", start, at) + 1, content.find(b"\n", at)
            if start < begin <= last and end >= 0 and self._is_seal(content[begin:end], content, start, begin - 1):
                found = begin
        return found

    def _is_seal(self, line: bytes, content: bytes, start: int, end: int) -> bool:
        try:
            entry, _ = decode(line)
        except BadLine:
            return False
        details = {"bytes": end - start, "sha256": hashlib.sha256(memoryview(content)[start:end]).hexdigest()}
        return entry.action == "log.seal" and entry.number == self._number + 1 and entry.details == details

    def _complain(self, file: str, line: int, message: str) -> None:
        self.found.problems.append(Finding(file, line, message))


class _Lines(Iterator[tuple[int, int, int]]):
    """Number, start and end of each line of a content; a line without a newline ends where the content does."""

    def __init__(self, content: bytes, start: int = 0) -> None:
        self._content = content
        self._line = 0
        self._start = start

    def __next__(self) -> tuple[int, int, int]:
        if self._start >= len(self._content):
            raise StopIteration
        end = self._content.find(b"\n", self._start)
        end = len(self._content) if end < 0 else end
        self._line, start, self._start = self._line + 1, self._start, end + 1
        return self._line, start, end

    def go_to(self, start: int) -> None:
        """Leave out what comes before `start`."""
        self._line += self._content.count(b"\n", self._start, start)
        self._start = start


def _whole_entry(content: bytes, start: int, end: int) -> tuple[Entry, str] | BadLine:
    """The entry in a line, and its hash; or what is wrong with the line."""
    if end == len(content):
        return BadLine("its end is missing")
    try:
        return decode(content[start:end])
    except BadLine as bad:
        return bad


def _head(text: bytes | None) -> Head | None:
    try:
        return None if text is None else Head.model_validate_json(text)
    except ValidationError:
        return None
