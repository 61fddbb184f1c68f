"""`Prefer: wait=N` (RFC 7240): an answer that waits for the end of the job, if that comes soon enough."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.api.deps import Services
from service.contracts.jobs import JobRecord

MAX_SECONDS = 60


def preferred_wait(request: Request) -> int:
    """How many seconds the client wants to wait; 0 if it does not say, or not in whole seconds."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\b", request.headers.get("prefer", ""), re.IGNORECASE)
    return min(int(found[1]), MAX_SECONDS) if found else 0


async def wait_for_end(job: JobRecord, *, seconds: float, services: Services) -> JobRecord:
    """The job's record as soon as it has ended, or as it is after so many seconds. NotFound if it is removed."""
    if job.is_terminal or not seconds:
        return job
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(services.watch.snapshots(job.id)) as snapshots:
            async for snapshot in snapshots:
                if snapshot.record.is_terminal:
                    return snapshot.record
    return await run_in_threadpool(services.jobs.read, job.id)
