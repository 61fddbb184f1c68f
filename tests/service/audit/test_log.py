"""Many writers, power cuts and full disks: what was put down is there, and nothing else is taken for it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.audit.entries import Entry, encode
from service.audit.head import read_head
from service.audit.log import AuditLog
from service.audit.reading import Filter, entries
from service.audit.verify import Verification
from service.contracts.errors import AuditUnavailable
from tests.service.audit.conftest import INSTALLATION, training

Found = Callable[[], Verification]

APPEND_500 = f"""
import sys
from pathlib import Path
from service.audit.entries import Event
from service.audit.log import AuditLog
log = AuditLog(Path(sys.argv[1]), installation="{INSTALLATION}", max_bytes=65536)
for number in range(500):
    log.append(Event(action="job.train", caller=sys.argv[2], object=f"job/{{number:03d}}"))
"""


def test_two_processes_append_500_entries_each(folder: Path, found: Found) -> None:
    both = [subprocess.Popen([sys.executable, "-c", APPEND_500, str(folder), name]) for name in ("ann", "bob")]
    assert [process.wait(120) for process in both] == [0, 0]
    assert (found().count, found().problems, found().notes) == (1001, [], [])
    assert Counter(entry.caller for entry in entries(folder, Filter())) == {"ann": 500, "bob": 500, None: 1}
    mine = [entry.object for entry in entries(folder, Filter(caller="ann"))]
    assert mine == [f"job/{number:03d}" for number in reversed(range(500))]


def test_threads_of_one_gateway(audit: AuditLog, found: Found) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = [entry.number for entry in pool.map(audit.append, map(training, range(40)))]
    assert sorted(numbers) == list(range(2, 42))
    assert (found().count, found().problems) == (41, [])


def test_files_are_private(written: Path) -> None:
    assert [path.stat().st_mode & 0o077 for path in (written, written.parent)] == [0, 0]


@pytest.mark.parametrize("torn", [b"{", b'{"action":"job.train","out', b"\x00" * 700, b"a\nb\n", b"\n"])
def test_a_torn_line_is_sealed_and_told(written: Path, audit: AuditLog, found: Found, torn: bytes) -> None:
    with written.open("ab") as file:
        file.write(torn)
    assert found().problems == []
    assert [note.line for note in found().notes][:1] in ([11], [])
    audit.append(training(11))
    assert (found().count, found().problems) == (12, [])
    assert "a crash tore it; the next entry seals it" in found().notes[0].message
    assert [entry.action for entry in entries(written.parent, Filter())][:2] == ["job.train", "log.seal"]


def test_a_seal_that_is_torn_itself(written: Path, audit: AuditLog, found: Found) -> None:
    whole = written.read_bytes()
    head = (written.parent / "head.json").read_bytes()
    with written.open("ab") as file:
        file.write(b'{"action":')
    audit.check()
    sealed = written.read_bytes()
    for cut in (len(whole) + 11, len(whole) + 50, len(sealed) - 1):
        written.write_bytes(sealed[:cut])
        (written.parent / "head.json").write_bytes(head)
        AuditLog(written.parent, installation=INSTALLATION).append(training(11))
        assert (found().count, found().problems) == (12, [])


def test_what_was_sealed_cannot_be_changed_any_more(written: Path, audit: AuditLog, found: Found) -> None:
    with written.open("ab") as file:
        file.write(b"{torn")
    audit.append(training(11))
    written.write_bytes(written.read_bytes().replace(b"{torn", b"{TORN"))
    assert [problem.line for problem in found().problems][:1] == [11]


def test_an_entry_that_the_head_did_not_come_to_know_of(written: Path, audit: AuditLog, found: Found) -> None:
    head = (written.parent / "head.json").read_bytes()
    audit.append(training(11))
    (written.parent / "head.json").write_bytes(head)
    assert (found().problems, [note.line for note in found().notes]) == ([], [11])
    AuditLog(written.parent, installation=INSTALLATION).append(training(12))
    assert (found().count, found().problems, [note.line for note in found().notes]) == (13, [], [11])
    told, adopted = list(entries(written.parent, Filter()))[1:3]
    assert (told.action, told.details["number"], adopted.object) == ("log.recover", 11, "job/011")


def test_an_entry_that_was_added_behind_the_head_is_told_of_for_ever(
    written: Path, audit: AuditLog, found: Found
) -> None:
    head = read_head(written.parent, None)
    assert head is not None
    forged = training(11).model_copy(update={"caller": "eve"})
    entry = Entry(**dict(forged), number=11, at=datetime.now(UTC), previous=head.hash)
    with written.open("ab") as file:
        file.write(encode(entry)[0])
    for number in range(12, 15):
        audit.append(training(number))
    assert [(note.line, "added by somebody else" in note.message) for note in found().notes] == [(11, True)]


def test_a_running_process_does_not_go_on_with_an_earlier_log(written: Path, audit: AuditLog, tmp_path: Path) -> None:
    earlier = shutil.copytree(written.parent, tmp_path / "earlier")
    audit.append(training(11))
    shutil.rmtree(written.parent)
    with pytest.raises(AuditUnavailable, match="earlier state"):  # nor with a new one
        audit.append(training(12))
    shutil.rmtree(written.parent)
    shutil.copytree(earlier, written.parent)
    with pytest.raises(AuditUnavailable, match="earlier state"):
        audit.check()
    assert AuditLog(written.parent, installation=INSTALLATION).append(training(11)).number == 11


def test_a_crash_at_the_begin_of_a_file(folder: Path, found: Found) -> None:
    log = AuditLog(folder, installation=INSTALLATION, max_bytes=4096)
    while len(sorted(folder.glob("audit-*"))) < 2:
        head = (folder / "head.json").read_bytes() if folder.exists() else b""
        last = log.append(training(0)).number
    second = folder / f"audit-{last:012d}.jsonl"
    line = second.read_bytes()
    for left in (line, line[:30], b""):
        second.write_bytes(left)
        (folder / "head.json").write_bytes(head)
        AuditLog(folder, installation=INSTALLATION, max_bytes=1 << 20).append(training(1))
        assert (found().count, found().problems) == (last + (2 if left == line else 1 if left else 0), [])


def test_a_full_disk_leaves_the_log_as_it_was(
    written: Path, audit: AuditLog, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write = written.read_bytes(), os.write

    def short(descriptor: int, content: bytes) -> int:
        if len(content) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content[: len(content) // 2])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        with pytest.raises(AuditUnavailable, match="No space left"):
            audit.append(training(11))
    assert written.read_bytes() == before
    audit.append(training(11))
    assert (found().count, found().problems, found().notes) == (11, [], [])


def test_what_must_be_put_down_is_not_done_otherwise(written: Path, audit: AuditLog) -> None:
    written.unlink()
    done = []
    with pytest.raises(AuditUnavailable), audit.recorded(training(11)):
        done.append(1)
    with audit.recorded_if_possible(training(11)):
        done.append(2)
    assert done == [2]


def test_a_deletion_is_put_down_once_it_has_made_room(
    written: Path, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with audit.recorded_if_possible(training(11)):
            patched.undo()
    assert next(entries(written.parent, Filter())).object == "job/011"


def test_what_fails_is_put_down_by_its_type_alone(written: Path, audit: AuditLog) -> None:
    with pytest.raises(ValueError, match="SECRET"), audit.recorded(training(11)):
        raise ValueError("SECRET 4711")
    failed, granted = list(entries(written.parent, Filter()))[:2]
    assert (failed.outcome, failed.details, granted.outcome) == ("failed", {"error": "ValueError"}, "granted")
    assert b"4711" not in written.read_bytes()
