"""A generation whose cohort is drawn goes on as an evaluation: its id is put into the queue of those."""

from __future__ import annotations

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError

from service.contracts.jobs import SERIALIZER, JobRecord, queue_name
from service.contracts.settings import Settings
from service.contracts.transport import enqueue_call, take_turns

log = structlog.get_logger(__name__)


def hand_over(record: JobRecord, *, redis: Redis, settings: Settings, installation: str) -> None:
    """Enqueue the evaluation of a record that says it is due, once. Without Redis the gateway does it later."""
    try:
        _enqueue(record, redis=redis, settings=settings, installation=installation)
        log.info("job_handed_over", queue=record.queue, request_id=record.request_id)
    except DuplicateJobError:
        log.info("job_handed_over_before")
    except RedisError as error:
        log.warning("not_handed_over", error=type(error).__name__)


def _enqueue(record: JobRecord, *, redis: Redis, settings: Settings, installation: str) -> None:
    retries = settings.max_attempts - 1
    queue = Queue(queue_name(record.queue, installation), connection=redis, serializer=SERIALIZER)
    queue.enqueue_call(
        **enqueue_call(record, settings),
        retry=Retry(max=retries, enqueue_at_front=True) if retries else None,
    )
    take_turns(redis, queue.key, record.rq_id)
