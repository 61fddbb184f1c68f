from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from cdmt_client import errors
from cdmt_client.effects import Answer, Request
from cdmt_client.retrying import DEFAULT, Retries, answered, check, retry_after
from tests.client.playing import answer, pauses, play, problem, requests

GET = Request("GET", "/models")
BROKEN = errors.Unreachable("reset")


def test_what_passes_is_tried_again_with_growing_pauses() -> None:
    failures = [BROKEN, problem(503, "queue-unavailable"), answer(502, b"<html>"), BROKEN]
    found, asked = play(answered(GET, DEFAULT), [*failures, answer(body={"items": []})])
    assert found.json() == {"items": []}
    assert requests(asked) == [GET] * 5
    for number, seconds in enumerate(pauses(asked)):
        assert 0.5 * 0.25 * 2**number <= seconds <= 0.25 * 2**number


def test_retry_after_is_the_shortest_pause() -> None:
    _, asked = play(answered(GET, DEFAULT), [problem(429, "too-many-jobs", retry_after="5"), answer()])
    assert pauses(asked) == [5]


@pytest.mark.parametrize(("retries", "said"), [(Retries(seconds=3), "5"), (Retries(seconds=0), "0")])
def test_nobody_waits_longer_than_the_patience(retries: Retries, said: str) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        play(answered(GET, retries), [problem(429, "too-many-jobs", retry_after=said)])
    assert caught.value.retry_after == float(said)


def test_patience_ends_but_not_before_some_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(errors.Unreachable):
        play(answered(GET, Retries(seconds=30, least=3)), [BROKEN] * 4)


def test_what_does_not_pass_is_raised_at_once() -> None:
    for passing in (errors.Unreachable("CERTIFICATE_VERIFY_FAILED", is_passing=False), problem(507, "disk-full")):
        with pytest.raises((errors.Unreachable, errors.ServerError)):
            play(answered(GET, DEFAULT), [passing])


def test_a_key_in_flight_is_waited_for_beyond_all_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    in_flight = problem(409, "key-in-flight", retry_after="1")
    found, _ = play(answered(GET, DEFAULT), [in_flight] * 20 + [answer(201)])
    assert found.status == 201


def test_a_deletion_whose_answer_was_lost_is_done() -> None:
    delete = Request("DELETE", "/jobs/abc")
    found, _ = play(answered(delete, DEFAULT), [BROKEN, problem(404, "not-found")])
    assert found.status == 404
    with pytest.raises(errors.NotFound):
        play(answered(delete, DEFAULT), [problem(404, "not-found")])


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (problem(400, "not-json"), errors.InvalidRequest),
        (problem(401, "unauthorized"), errors.Unauthorized),
        (problem(403, "missing-scope"), errors.Forbidden),
        (problem(403, "privacy-held"), errors.CohortHeld),
        (problem(404, "not-found"), errors.NotFound),
        (problem(409, "not-ready"), errors.Conflict),
        (problem(413, "too-large"), errors.InvalidRequest),
        (problem(422, "invalid-ratios"), errors.InvalidRequest),
        (problem(429, "too-many-jobs"), errors.RateLimited),
        (problem(421, "misdirected-request"), errors.Refused),
        (problem(500, "internal-error"), errors.ServerError),
    ],
)
def test_problems_are_typed_errors(said: Answer, kind: type[errors.Refused]) -> None:
    with pytest.raises(kind) as caught:
        check(said)
    assert type(caught.value) is kind
    assert (caught.value.request_id, caught.value.problem["detail"]) == ("r-1", "because")


def test_a_bad_body_names_its_fields() -> None:
    said = answer(422, {"detail": "no", "errors": [{"pointer": "/n_stays", "message": "too many"}]})
    with pytest.raises(errors.InvalidRequest) as caught:
        check(said)
    assert caught.value.errors == (errors.FieldError("/n_stays", "too many"),)


def test_a_proxy_s_page_is_no_riddle() -> None:
    with pytest.raises(errors.ServerError, match="502: <html>bad gateway"):
        check(answer(502, b"<html>bad gateway"))
    with pytest.raises(errors.Unreadable, match="not JSON"):
        answer(200, b"<html>").json()


def test_retry_after_may_be_a_date() -> None:
    seconds = retry_after(answer(retry_after=formatdate(time.time() + 60, usegmt=True)))
    assert seconds is not None
    assert 50 < seconds <= 60
    assert retry_after(answer(retry_after="soon")) is None
    assert retry_after(answer(retry_after=formatdate(0, usegmt=True))) == 0
