"""Jobs are not kept for ever: what has expired goes, with its cohort and report. Models and datasets stay."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from service.api.auditing import system_event
from service.api.deps import Services
from service.api.submissions import needed_things, remove_job
from service.contracts.errors import NotFound
from service.contracts.jobs import now

BATCH = 20  # jobs that go while nobody can submit one

log = logging.getLogger(__name__)


def sweep_expired(services: Services) -> int:
    """Remove the jobs that have expired, except those that unfinished jobs need; returns how many. RedisError."""
    expired = services.jobs.expired(now())
    if expired:
        services.queue.redis.ping()  # without Redis, each would take seconds
    batches = (expired[start : start + BATCH] for start in range(0, len(expired), BATCH))
    n_removed = sum(_removed(batch, services) for batch in batches)
    if n_removed:
        log.info("%d expired jobs were removed", n_removed)
    return n_removed


def _removed(job_ids: Sequence[str], services: Services) -> int:
    with services.exclusive:
        needed = needed_things(services)
        removed = [job_id for job_id in job_ids if job_id not in needed and _is_removed(job_id, services)]
    for job_id in removed:
        services.queue.forget(job_id)
    return len(removed)


def _is_removed(job_id: str, services: Services) -> bool:
    """Remove a job. One that cannot be removed now must not keep the others: its turn comes again."""
    try:
        with services.audit.recorded_if_possible(system_event("job.expire", f"job/{job_id}")):
            remove_job(job_id, services)
    except NotFound:  # somebody else has deleted it
        return False
    except OSError as error:
        log.error("expired job %s cannot be removed: errno %s", job_id, error.errno)
        return False
    return True
