"""A generation whose cohort is drawn goes on as an evaluation: its id is put into the queue of those."""

from __future__ import annotations

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError

from service.contracts.jobs import SERIALIZER, TASKS, JobRecord, queue_name
from service.contracts.settings import Settings

log = structlog.get_logger(__name__)


def hand_over(record: JobRecord, *, redis: Redis, settings: Settings, installation: str) -> None:
    """Enqueue the evaluation of a record that says it is due, once. Without Redis the gateway does it later."""
    try:
        _enqueue(record, redis=redis, settings=settings, installation=installation)
        log.info("job_handed_over", queue=record.queue)
    except DuplicateJobError:
        log.info("job_handed_over_before")
    except RedisError as error:
        log.warning("not_handed_over", error=type(error).__name__)


def _enqueue(record: JobRecord, *, redis: Redis, settings: Settings, installation: str) -> None:
    retries = settings.max_attempts - 1
    name = queue_name(record.queue, installation)
    Queue(name, connection=redis, serializer=SERIALIZER).enqueue_call(
        TASKS[record.stage],
        args=[record.id],
        job_id=record.rq_id,
        timeout=settings.timeout_seconds(record.queue),
        result_ttl=settings.rq_ttl_seconds,
        failure_ttl=settings.rq_ttl_seconds,
        retry=Retry(max=retries, enqueue_at_front=True) if retries else None,
        unique=True,
    )
