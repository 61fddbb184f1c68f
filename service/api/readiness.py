"""What of the service works: for the health check, and for the console's first page."""

from __future__ import annotations

from redis.exceptions import RedisError

from service.api.deps import Services
from service.api.fields import FieldError
from service.contracts.errors import AuditUnavailable
from service.contracts.jobs import JobKind


def look_around(services: Services) -> tuple[dict[JobKind, int], list[FieldError]]:
    """How many workers are alive per kind of job, and what is missing."""
    workers: dict[JobKind, int] = {}
    missing: list[FieldError] = []
    try:
        services.store.check_writable()
    except OSError as error:
        missing.append(FieldError(pointer="store", message=f"not writable: {error.strerror}"))
    try:
        services.audit.check()
    except AuditUnavailable:
        missing.append(FieldError(pointer="audit", message="cannot be written"))
    try:
        workers = services.queue.workers()
        if not any(workers.values()):
            missing.append(FieldError(pointer="worker", message="none is alive"))
    except RedisError:
        missing.append(FieldError(pointer="redis", message="does not answer"))
    return workers, missing
