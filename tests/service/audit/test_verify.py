"""Whatever is done to a log is found, and where it was done."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.audit.entries import Entry, decode, encode
from service.audit.head import Head, read_head, write_head
from service.audit.log import AuditLog
from service.audit.verify import MAX_PROBLEMS, Checkpoint, Verification, verify
from service.contracts.errors import AuditUnavailable
from tests.service.audit.conftest import INSTALLATION, KEY, training

Found = Callable[[], Verification]


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def places(found: Verification) -> list[tuple[str, int]]:
    return [(problem.file, problem.line) for problem in found.problems]


def rewritten(lines: list[bytes], *, after: int) -> list[bytes]:
    """The lines with those after the first `after` chained anew, as a forger would."""
    chained = lines[:after]
    for line in lines[after:]:
        previous = decode(chained[-1][:-1])[1]
        entry = decode(line[:-1])[0].model_copy(update={"number": len(chained) + 1, "previous": previous})
        chained.append(encode(entry)[0])
    return chained


def test_an_untouched_log_is_whole(written: Path, found: Found) -> None:
    assert (found().count, found().problems, found().notes) == (10, [], [])
    assert found().hash == json.loads(lines_of(written)[-1])["hash"]


def test_every_byte_counts(written: Path, found: Found) -> None:
    content = written.read_bytes()
    starts = [0]
    for line in lines_of(written):
        starts.append(starts[-1] + len(line))
    for place in range(starts[4], starts[5]):
        written.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert places(found())[0] == (written.name, 5), place


@pytest.mark.parametrize("number", [1, 2, 5, 9])
def test_a_line_that_was_taken_out(written: Path, found: Found, number: int) -> None:
    lines = lines_of(written)
    written.write_bytes(b"".join(lines[: number - 1] + lines[number:]))
    assert places(found()) == [(written.name, number)]
    assert f"entries {number} to {number} are missing" in found().problems[0].message


def test_lines_that_changed_places(written: Path, found: Found) -> None:
    lines = lines_of(written)
    lines[3], lines[4] = lines[4], lines[3]
    written.write_bytes(b"".join(lines))
    assert places(found()) == [(written.name, 4), (written.name, 5)]


@pytest.mark.parametrize("number", [1, 5, 10])
def test_the_end_that_was_cut_off(written: Path, found: Found, number: int) -> None:
    written.write_bytes(b"".join(lines_of(written)[: number - 1]))
    assert len(found().problems) == 1
    assert f"ends with entry {number - 1}, and head.json knows of 10" in found().problems[0].message


def test_a_cut_within_the_last_line_is_no_crash(written: Path, found: Found) -> None:
    written.write_bytes(written.read_bytes()[:-20])
    assert places(found()) == [(written.name, 10)]


def test_an_entry_that_was_put_in(written: Path, found: Found) -> None:
    lines = lines_of(written)
    forged = decode(lines[5][:-1])[0].model_copy(update={"caller": "eve"})
    written.write_bytes(b"".join([*lines[:5], encode(forged)[0], *lines[5:]]))
    assert places(found()) == [(written.name, 7), (written.name, 8)]


def test_a_tail_that_was_chained_anew(written: Path, found: Found) -> None:
    lines = lines_of(written)
    written.write_bytes(b"".join(rewritten(lines[:4] + lines[5:] + lines[5:6], after=4)))
    assert places(found()) == [(written.name, 10)]
    assert "not the entry 10 that head.json knows of" in found().problems[0].message


def test_rubbish_does_not_keep_the_search_busy(written: Path, found: Found) -> None:
    content = written.read_bytes()
    written.write_bytes(b"".join(b'rubbish "log.seal" %d\n' % number for number in range(3_000)) + content)
    start = time.process_time()
    assert len(found().problems) == MAX_PROBLEMS + 1
    assert "the search has ended here" in found().problems[-1].message
    assert time.process_time() - start < 10


def test_entries_that_were_added_at_the_end(written: Path, found: Found, audit: AuditLog) -> None:
    lines = lines_of(written)
    written.write_bytes(b"".join(rewritten([*lines, lines[-1], lines[-1]], after=10)))
    assert places(found()) == [(written.name, 12)]
    with pytest.raises(AuditUnavailable, match="cdmt audit verify"):
        audit.append(training(11))


def test_another_installations_log(written: Path) -> None:
    assert places(verify(written.parent, installation="ba9876543210")) == [(written.name, 1)]
    assert verify(written.parent).problems == []


@pytest.mark.parametrize("text", [None, b"", b"{}"])
def test_a_head_that_is_gone_or_none(written: Path, found: Found, audit: AuditLog, text: bytes | None) -> None:
    head = written.parent / "head.json"
    head.unlink()
    if text is not None:
        head.write_bytes(text)
    assert places(found()) == [("head.json", 0)]
    with pytest.raises(AuditUnavailable):
        audit.append(training(11))


@pytest.mark.parametrize("change", [{"size": -1}, {"size": 1}, {"file": "audit-000000000002.jsonl"}])
def test_a_head_that_points_elsewhere(written: Path, found: Found, change: dict[str, int | str]) -> None:
    head = read_head(written.parent, None)
    assert head is not None
    more = {name: head.size + value if isinstance(value, int) else value for name, value in change.items()}
    write_head(written.parent, head.model_copy(update=more))
    assert places(found()) == [("head.json", 0)]
    assert f"and that ends at byte {written.stat().st_size} of {written.name}" in found().problems[0].message


def test_a_log_that_is_gone(written: Path, found: Found, audit: AuditLog) -> None:
    written.unlink()
    assert "ends with entry 0" in found().problems[0].message
    with pytest.raises(AuditUnavailable, match="missing"):
        audit.append(training(11))


def test_a_whole_file_that_is_gone(folder: Path, found: Found) -> None:
    log = AuditLog(folder, installation=INSTALLATION, max_bytes=4096)
    for number in range(2, 40):
        log.append(training(number))
    first, *middle, last = sorted(folder.glob("audit-*.jsonl"))
    assert (found().count, found().problems, len(middle)) == (39, [], 1)
    for path, place in ((first, (middle[0].name, 0)), (middle[0], (last.name, 0)), (last, (middle[0].name, 13))):
        aside = shutil.move(path, folder / "aside")
        assert places(found())[0] == place
        shutil.move(aside, path)
    assert found().problems == []


class TestKey:
    """Who can write the files but has not the key cannot make a head that fits."""

    @pytest.fixture
    def signed(self, folder: Path) -> AuditLog:
        log = AuditLog(folder, installation=INSTALLATION, key=KEY)
        for number in range(2, 5):
            log.append(training(number))
        return log

    def test_a_signed_head(self, signed: AuditLog) -> None:
        assert verify(signed.folder, installation=INSTALLATION, key=KEY).problems == []
        assert places(verify(signed.folder, key=b"x" * 32)) == [("head.json", 0)]

    def test_a_head_that_was_made_to_fit_a_shorter_log(self, signed: AuditLog) -> None:
        path = signed.folder / "audit-000000000001.jsonl"
        lines = lines_of(path)[:-1]
        path.write_bytes(b"".join(lines))
        digest = decode(lines[-1][:-1])[1]
        forged = Head(count=3, hash=digest, file=path.name, size=len(b"".join(lines)))
        for head in (forged, forged.signed(b"x" * 32)):
            write_head(signed.folder, head)
            assert verify(signed.folder, installation=INSTALLATION).problems == []
            assert places(verify(signed.folder, installation=INSTALLATION, key=KEY)) == [("head.json", 0)]
            with pytest.raises(AuditUnavailable, match="not signed"):
                signed.append(training(5))

    def test_a_key_that_is_new_signs_what_is_there(self, written: Path) -> None:
        log = AuditLog(written.parent, installation=INSTALLATION, key=KEY)
        with pytest.raises(AuditUnavailable, match="not signed"):
            log.append(training(11))
        log.sign()
        log.append(training(11))
        assert verify(written.parent, installation=INSTALLATION, key=KEY).count == 11

    def test_who_has_no_key_does_not_take_the_signature_away(self, signed: AuditLog) -> None:
        with pytest.raises(AuditUnavailable, match="is signed"):
            AuditLog(signed.folder, installation=INSTALLATION).append(training(5))
        assert verify(signed.folder, installation=INSTALLATION, key=KEY).problems == []

    def test_an_old_head_with_the_log_of_then_is_found_by_a_checkpoint(self, signed: AuditLog) -> None:
        kept = shutil.copytree(signed.folder, signed.folder.with_name("kept"))
        signed.append(training(5))
        head = read_head(signed.folder, KEY)
        assert head is not None
        noted = Checkpoint(head.count, head.hash)
        assert verify(signed.folder, key=KEY, expected=noted).problems == []
        rolled_back = verify(kept, key=KEY, expected=noted)
        assert "the checkpoint knows of 5" in rolled_back.problems[0].message
        assert verify(kept, key=KEY).problems == []


def test_a_checkpoint_that_is_no_longer_in_the_log(written: Path, found: Found) -> None:
    noted = Checkpoint(4, json.loads(lines_of(written)[3])["hash"])
    assert verify(written.parent, expected=noted).problems == []
    assert places(verify(written.parent, expected=Checkpoint(4, "0" * 64))) == [(written.name, 4)]


def test_an_entry_that_claims_to_seal_hides_no_other(written: Path, found: Found) -> None:
    lines = lines_of(written)
    seal = Entry.model_validate(
        {**dict(decode(lines[5][:-1])[0]), "action": "log.seal", "details": {"bytes": 1, "sha256": "0" * 64}}
    )
    written.write_bytes(b"".join([*lines[:5], lines[5][:40] + b"\n", encode(seal)[0], *lines[6:]]))
    assert places(found())[0] == (written.name, 6)
