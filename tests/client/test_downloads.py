from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cdmt_client import errors
from cdmt_client.downloads import to_memory, to_path
from cdmt_client.effects import Answer, Request
from cdmt_client.retrying import DEFAULT, Retries
from tests.client.playing import answer, play, problem, requests

GET = Request("GET", "/jobs/abc/cohort", params={"format": "parquet"})
CONTENT = b"0123456789"
TAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
WHOLE = answer(etag=TAG, content_length="10")
BROKEN = errors.Unreachable("reset")


def rest(start: int, etag: str = TAG) -> Answer:
    """The head of what is left from `start`."""
    return answer(206, etag=etag, content_range=f"bytes {start}-9/10", content_length=str(10 - start))


def fetched(outcomes: list[object], retries: Retries = DEFAULT) -> tuple[bytes, list[Request]]:
    """What arrives, and what was asked for."""
    content, asked = play(to_memory(GET, told=None, retries=retries), outcomes)
    return content, requests(asked)


def test_a_broken_download_goes_on_where_it_was() -> None:
    content, asked = fetched([WHOLE, b"0123", BROKEN, rest(4), b"45", BROKEN, BROKEN, rest(6), b"6789", b""])
    assert content == CONTENT
    ranges = [request.headers.get("Range") for request in asked]
    assert ranges == [None, "bytes=4-", "bytes=6-", "bytes=6-"]
    assert [request.headers.get("If-Range") for request in asked] == [None, TAG, TAG, TAG]
    assert all(request.headers["Accept-Encoding"] == "identity" and request.params == GET.params for request in asked)


def test_an_answer_that_ends_early_is_broken_too() -> None:
    content, asked = fetched([WHOLE, b"0123", b"", rest(4), b"456789", b""])
    assert (content, len(asked)) == (CONTENT, 2)


@pytest.mark.parametrize("other", [answer(etag=TAG, content_length="10"), rest(5), rest(4, etag='"other"')])
def test_what_cannot_be_added_begins_anew(other: Answer) -> None:
    again: list[object] = [b"0123456789", b""] if other.status == 200 else [WHOLE, b"0123456789", b""]
    content, _ = fetched([WHOLE, b"0123", BROKEN, other, *again])
    assert content == CONTENT


def test_a_range_that_is_gone_begins_anew() -> None:
    gone = problem(416, "requested-range-not-satisfiable")
    assert fetched([WHOLE, b"0123", BROKEN, gone, WHOLE, CONTENT, b""])[0] == CONTENT


def test_nothing_is_asked_for_when_all_came_before_the_break() -> None:
    content, asked = fetched([WHOLE, CONTENT, BROKEN])
    assert (content, len(asked)) == (CONTENT, 1)


def test_a_wrong_checksum_is_fetched_once_more() -> None:
    assert fetched([WHOLE, b"012345678X", b"", WHOLE, CONTENT, b""])[0] == CONTENT
    with pytest.raises(errors.ChecksumMismatch):
        fetched([WHOLE, b"012345678X", b"", WHOLE, b"X123456789", b""])


def test_without_a_digest_all_is_fetched_again() -> None:
    head = answer(etag='"abc-csv"')
    content, asked = fetched([head, b"01", BROKEN, head, b"0123", b""])
    assert content == b"0123"
    assert "Range" not in asked[1].headers


def test_a_refusal_is_told_and_a_busy_service_waited_for() -> None:
    refusal = problem(403, "privacy-held")
    with pytest.raises(errors.CohortHeld, match="because"):
        fetched([refusal, refusal.content, b""])
    busy = problem(503, "audit-unavailable", retry_after="5")
    assert fetched([busy, busy.content, b"", WHOLE, CONTENT, b""])[0] == CONTENT


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "cohort.parquet"
    path.write_bytes(b"before")
    with pytest.raises(errors.Unreachable):
        play(to_path(GET, path, told=None, retries=Retries(seconds=0)), [WHOLE, b"0123", BROKEN])
    assert (path.read_bytes(), len(list(tmp_path.iterdir()))) == (b"before", 1)
    told: list[tuple[str, int, int]] = []
    made, _ = play(to_path(GET, path, told=lambda *now: told.append(now), retries=DEFAULT), [WHOLE, CONTENT, b""])
    assert (made, path.read_bytes(), len(list(tmp_path.iterdir()))) == (path, CONTENT, 1)
    assert told == [("downloading", 10, 10)]
    with pytest.raises(errors.Unreadable, match="No such file"):
        play(to_path(GET, tmp_path / "absent" / "x", told=None, retries=DEFAULT), [])
