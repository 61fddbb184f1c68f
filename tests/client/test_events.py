from __future__ import annotations

from typing import Any

import pytest

from cdmt_client import errors
from cdmt_client.effects import Effect, Tell
from cdmt_client.events import DEAF_TRIES, Stream, told_events
from cdmt_client.records import Event
from cdmt_client.retrying import DEFAULT
from tests.client.playing import answer, play, problem, requests

TEXT = (
    b": ping\r\n\r\n"
    b'event: state\ndata: {"status": "running"}\nid: 2\n\n'
    b'id: 2.ab\ndata: {"step": "sampling",\ndata:  "value": 1, "max": 2}\nevent: progress\n\n'
    b'event: state\r\ndata: {"status": "succeeded"}\r\nid: 3\r\n\r\n'
)
EVENTS = [
    Event("state", {"status": "running"}, "2"),
    Event("progress", {"step": "sampling", "value": 1, "max": 2}, "2.ab"),
    Event("state", {"status": "succeeded"}, "3"),
]
HEAD = answer(content_type="text/event-stream; charset=utf-8")
BROKEN = errors.Unreachable("reset")


def told(asked: list[Effect]) -> list[Any]:
    return [effect.item for effect in asked if isinstance(effect, Tell)]


@pytest.mark.parametrize("place", range(len(TEXT)))
def test_events_are_parsed_however_they_are_cut(place: int) -> None:
    stream = Stream()
    assert [*stream.fed(TEXT[:place]), *stream.fed(TEXT[place:])] == EVENTS
    assert stream.has_ended


def test_a_broken_stream_goes_on_after_the_last_event() -> None:
    second = TEXT.index(b"id: 2.ab")
    outcomes = [HEAD, TEXT[: second + 20], BROKEN, HEAD, TEXT[second:], b""]
    _, asked = play(told_events("abc", retries=DEFAULT), outcomes)
    assert told(asked) == EVENTS
    assert [request.headers.get("Last-Event-ID") for request in requests(asked)] == [None, "2"]


def job(status: str, progress: object = None) -> object:
    return answer(body={"id": "abc", "status": status, "progress": progress, "error": None, "links": {}})


def test_where_no_events_pass_the_job_is_polled() -> None:
    page = answer(content_type="text/html")
    half = {"step": "sampling", "value": 1, "max": 2}
    _, asked = play(told_events("abc", retries=DEFAULT), [page, b"", job("running", half), job("succeeded")])
    assert [(event.kind, event.data.get("status")) for event in told(asked)] == [
        ("progress", None),
        ("state", "running"),
        ("state", "succeeded"),
    ]


def test_a_proxy_that_keeps_events_back_is_given_up() -> None:
    silent = [HEAD, BROKEN] * DEAF_TRIES
    _, asked = play(told_events("abc", retries=DEFAULT), [*silent, job("succeeded")])
    assert [event.data["status"] for event in told(asked)] == ["succeeded"]


def test_nothing_is_left_to_tell_and_a_refusal_is_raised() -> None:
    refusal = problem(404, "not-found")
    with pytest.raises(errors.NotFound):
        play(told_events("abc", retries=DEFAULT), [refusal, refusal.content, b""])
