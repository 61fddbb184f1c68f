"""How many jobs a caller may have that have not ended."""

from __future__ import annotations

import time
from collections import Counter

from service.contracts.errors import TooManyJobs
from service.contracts.job_store import JobStore

RECOUNT_SECONDS = 2.0
SHARE_OF_COUNTING = 0.1  # of the time, at most, however many jobs there are


class Quota:
    """Counts each caller's jobs as they come; as they go, only once a caller seems to have reached the limit.

    So a submission reads no record, except now and then at the limit. Not for several threads at a time.
    """

    def __init__(self, jobs: JobStore, *, limit: int) -> None:
        self._jobs = jobs
        self._limit = limit
        self._counts: Counter[str | None] | None = None
        self._recount_at = 0.0

    def check(self, caller: str | None) -> None:
        """TooManyJobs if the caller can have no further job now."""
        if self._is_full(caller) and time.monotonic() >= self._recount_at:
            self._recount()
        if self._is_full(caller):
            raise TooManyJobs(f"{self._limit} of your jobs have not ended, and more are not allowed; try again later")

    def add(self, caller: str | None) -> None:
        """The caller has one job more."""
        if self._counts is not None:
            self._counts[caller] += 1

    def _is_full(self, caller: str | None) -> bool:
        return self._counts is None or self._counts[caller] >= self._limit

    def _recount(self) -> None:
        start = time.monotonic()
        self._counts = Counter(job.caller for job in self._jobs.active())
        end = time.monotonic()
        self._recount_at = end + max(RECOUNT_SECONDS, (end - start) / SHARE_OF_COUNTING)
