"""The end of a job, polled for. A gateway that restarts meanwhile, for minutes, only delays it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

from cdmt_client.effects import Flow, Json, Pause, Request
from cdmt_client.errors import JobCancelled, JobFailed, Timeout, Unreachable
from cdmt_client.records import TERMINAL
from cdmt_client.retrying import Retries, answered

OUTAGE_SECONDS = 900
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.2, 2.0, 1.25


def looked_at(job_id: str, retries: Retries) -> Flow[Json]:
    """The job as it is now."""
    return (yield from answered(Request("GET", f"/jobs/{quote(job_id, safe='')}"), retries)).json()


def ended(job_id: str, *, timeout: float | None, seen: Callable[[Json], None], retries: Retries) -> Flow[Json]:
    """The job as it has succeeded; `seen` is called with every look at it.

    Raises JobFailed, JobCancelled, and Timeout after `timeout` seconds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        job = yield from _patiently(job_id, deadline, retries)
        seen(job)
        if job["status"] in TERMINAL:
            return _succeeded(job)
        left = _left(deadline)
        if left <= 0:
            raise Timeout(f"job '{job_id}' has not ended in {timeout:g} s; it is {job['status']}, and goes on")
        yield Pause(min(pause, left))
        pause = min(pause * GROWTH, LONGEST_PAUSE)


def _patiently(job_id: str, deadline: float | None, retries: Retries) -> Flow[Json]:
    patient = replace(retries, seconds=min(max(retries.seconds, OUTAGE_SECONDS), max(0.0, _left(deadline))), least=1)
    try:
        return (yield from looked_at(job_id, patient))
    except Unreachable as error:
        if error.is_passing and deadline is not None:
            raise Timeout(f"job '{job_id}' could not be looked at any more in time: {error}") from error
        raise


def _left(deadline: float | None) -> float:
    return float("inf") if deadline is None else deadline - time.monotonic()


def _succeeded(job: Json) -> Json:
    if job["status"] == "succeeded":
        return job
    raise (JobFailed if job["status"] == "failed" else JobCancelled)(job)
