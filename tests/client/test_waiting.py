from __future__ import annotations

from typing import Any

import pytest

from cdmt_client import errors
from cdmt_client.effects import Answer
from cdmt_client.retrying import DEFAULT
from cdmt_client.waiting import LONGEST_PAUSE, ended, looked_at
from tests.client.playing import answer, pauses, play, requests

BROKEN = errors.Unreachable("connection refused")


def job(status: str, **more: object) -> Answer:
    return answer(body={"id": "abc", "status": status, **more})


def test_a_job_is_looked_at_until_it_has_succeeded() -> None:
    seen: list[dict[str, Any]] = []
    outcomes = [job("queued"), *[job("running")] * 20, job("succeeded")]
    done, asked = play(ended("abc", timeout=None, seen=seen.append, retries=DEFAULT), outcomes)
    assert (done["status"], len(seen)) == ("succeeded", 22)
    assert sorted(pauses(asked)) == pauses(asked)
    assert max(pauses(asked)) == LONGEST_PAUSE


def test_a_service_that_restarts_for_minutes_only_delays_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    outcomes = [job("running"), *[BROKEN] * 30, job("succeeded")]  # 20 s each: ten minutes
    done, _ = play(ended("abc", timeout=None, seen=lambda _: None, retries=DEFAULT), outcomes)
    assert done["status"] == "succeeded"
    with pytest.raises(errors.Unreachable):
        play(ended("abc", timeout=None, seen=lambda _: None, retries=DEFAULT), [BROKEN] * 60)


def test_time_runs_out_whether_or_not_the_service_answers() -> None:
    with pytest.raises(errors.Timeout, match="is running, and goes on"):
        play(ended("abc", timeout=0, seen=lambda _: None, retries=DEFAULT), [job("running")])
    with pytest.raises(errors.Timeout, match="connection refused"):
        play(ended("abc", timeout=0, seen=lambda _: None, retries=DEFAULT), [BROKEN])


@pytest.mark.parametrize(("status", "kind"), [("failed", errors.JobFailed), ("cancelled", errors.JobCancelled)])
def test_any_other_end_is_an_error_that_has_the_job(status: str, kind: type[errors.JobEnded]) -> None:
    problem = {"type": "urn:cdmt:problem:disk-full", "title": "t", "detail": "disk full"}
    with pytest.raises(kind, match="disk full") as caught:
        play(ended("abc", timeout=None, seen=lambda _: None, retries=DEFAULT), [job(status, error=problem)])
    assert (caught.value.job["id"], caught.value.problem["title"]) == ("abc", "t")


def test_an_id_cannot_lead_elsewhere() -> None:
    _, asked = play(looked_at("../models?x", DEFAULT), [job("queued")])
    assert requests(asked)[0].path == "/jobs/..%2Fmodels%3Fx"
