"""How many jobs that have not ended a caller may have, and how many stays these may ask for."""

from __future__ import annotations

import time
from collections import Counter

from service.contracts.errors import TooManyJobs
from service.contracts.job_store import JobStore
from service.contracts.requests import GenerateRequest, Request

RECOUNT_SECONDS = 2.0
SHARE_OF_COUNTING = 0.1  # of the time, at most, however many jobs there are


class Quota:
    """Counts each caller's jobs and stays as they come; as they go, only once a caller seems to have reached a limit.

    So a submission reads no record, except now and then at the limit. Not for several threads at a time.
    """

    def __init__(self, jobs: JobStore, *, max_jobs: int, max_stays: int) -> None:
        self._store = jobs
        self._max_jobs = max_jobs
        self._max_stays = max_stays
        self._jobs: Counter[str | None] = Counter()
        self._stays: Counter[str | None] = Counter()
        self._recount_at: float | None = None  # None: never counted

    def check(self, caller: str | None, request: Request) -> None:
        """TooManyJobs if the caller cannot have this job beside the others now."""
        now = time.monotonic()
        if self._recount_at is None or (self._objection(caller, request) and now >= self._recount_at):
            self._recount()
        if objection := self._objection(caller, request):
            raise TooManyJobs(f"{objection}; try again later")

    def add(self, caller: str | None, request: Request) -> None:
        """The caller has one job more."""
        self._jobs[caller] += 1
        self._stays[caller] += stays_of(request)

    def _objection(self, caller: str | None, request: Request) -> str | None:
        if self._jobs[caller] >= self._max_jobs:
            return f"{self._max_jobs} of your jobs have not ended, and more are not allowed"
        if self._stays[caller] + stays_of(request) > self._max_stays:
            wanted = f"n_stays: {self._stays[caller]} stays are asked for by your jobs that have not ended"
            return f"{wanted}, and with these there would be more than the {self._max_stays} that are allowed"
        return None

    def _recount(self) -> None:
        start = time.monotonic()
        self._jobs, self._stays = Counter(), Counter()
        for job in self._store.active():
            self.add(job.caller, job.request)
        end = time.monotonic()
        self._recount_at = end + max(RECOUNT_SECONDS, (end - start) / SHARE_OF_COUNTING)


def stays_of(request: Request) -> int:
    """How many stays a request asks for."""
    return request.n_stays if isinstance(request, GenerateRequest) else 0
