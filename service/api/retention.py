"""Nothing need be kept for ever: jobs that have expired go, with cohort and report; other things once they are old."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pydantic import ValidationError

from service.api.auditing import system_event
from service.api.deps import Services
from service.api.submissions import needed_things, remove_job
from service.audit.entries import Action
from service.contracts.errors import NotFound
from service.contracts.jobs import now
from service.contracts.storage import Kind

BATCH = 20  # jobs that go while nobody can submit one

EXPIRY: dict[Kind, Action] = {"datasets": "dataset.expire", "models": "model.expire", "cohorts": "cohort.expire"}

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
        status = services.jobs.read(job_id).status
        with services.audit.recorded_if_possible(system_event("job.expire", f"job/{job_id}", status=status)):
            remove_job(job_id, services)
    except NotFound:  # somebody else has deleted it
        return False
    except OSError as error:
        log.error("expired job %s cannot be removed: errno %s", job_id, error.errno)
        return False
    return True


def sweep_old(services: Services) -> int:
    """Remove datasets, models and cohorts that have been here for longer than the settings say; returns how many.

    What an unfinished job needs stays until that has ended; bundled models, which would come back, stay for ever.
    """
    settings = services.settings
    limits: dict[Kind, int] = {
        "datasets": settings.dataset_retention_seconds,
        "models": settings.model_retention_seconds,
        "cohorts": settings.cohort_retention_seconds,
    }
    return sum(_sweep_kind(kind, seconds, services) for kind, seconds in limits.items() if seconds)


def _sweep_kind(kind: Kind, seconds: int, services: Services) -> int:
    store, before = services.store, now().timestamp() - seconds
    old = [thing_id for thing_id in store.ids(kind) if store.came_at(kind, thing_id) < before]
    if not old:
        return 0
    with services.exclusive:
        needed = needed_things(services)
        removed = [i for i in old if i not in needed and _may_go(kind, i, services) and _is_swept(kind, i, services)]
    if removed:
        log.info("%d old %s were removed", len(removed), kind)
    return len(removed)


def _may_go(kind: Kind, thing_id: str, services: Services) -> bool:
    if not services.store.exists(kind, thing_id):  # somebody else has deleted it since it was listed
        return False
    if kind == "cohorts":
        return thing_id in services.jobs.ended()
    try:
        return kind == "datasets" or services.store.model(thing_id).origin != "bundled"
    except ValidationError:  # of another version: not ours to judge, and no reason to keep everything else
        log.error("the record of model %s is not valid; it stays", thing_id)
        return False


def _is_swept(kind: Kind, thing_id: str, services: Services) -> bool:
    action = EXPIRY[kind]
    thing = f"job/{thing_id}" if kind == "cohorts" else f"{kind[:-1]}/{thing_id}"
    try:
        with services.audit.recorded_if_possible(system_event(action, thing)):
            services.store.remove(kind, thing_id)
    except OSError as error:
        log.error("%s %s is old and cannot be removed: errno %s", kind[:-1], thing_id, error.errno)
        return False
    return True
