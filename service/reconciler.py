"""Repairs: what a crash of Redis, of a worker or of the gateway left in disorder between our records and RQ."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

import structlog
from pydantic import ValidationError
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry, clean_registries

from service.contracts import live
from service.contracts.errors import IllegalTransition, NotFound
from service.contracts.jobs import (
    QUEUES,
    SERIALIZER,
    JobError,
    JobKind,
    JobRecord,
    JobState,
    now,
    parse_rq_id,
    problem_type,
    waiting,
)
from service.contracts.products import sweep_products
from service.contracts.workdirs import sweep_work
from service.jobs import JobQueue, named

log = structlog.get_logger(__name__)

LOST_WORKER = JobError(
    type=problem_type("worker-lost"),
    title="The worker was lost",
    detail="every worker that tried this job ended before it could record an outcome",
)
NO_OUTCOME = JobError(
    type=problem_type("no-outcome"),
    title="The worker recorded no outcome",
    detail="the worker ended without an outcome; its log says why",
)

# The id goes from the list KEYS[1] to the front of the list KEYS[2], unless it is not there any more.
_PUT_BACK = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) > 0 then redis.call('LPUSH', KEYS[2], ARGV[1]) end
"""


class Reconciler:
    """Makes the records of all jobs and what RQ knows of them agree again.

    `census` is how many jobs there are of each kind and state, as `reconcile` last saw them; None before that.
    """

    def __init__(self, queue: JobQueue, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.census: Counter[tuple[JobKind, JobState]] | None = None
        self._queue = queue
        self._redis = queue.redis
        self._jobs = queue.jobs
        self._settings = queue.settings
        self._clock = clock
        self._stranded_since: dict[tuple[JobKind, str], float] = {}

    def reconcile(self) -> None:
        """Give back what lost workers held, enqueue anew what Redis lost, end what cannot go on, and tidy up.

        Raises RedisError. Safe at any time and as often as you like.
        """
        records = list(self._jobs.active())[::-1]  # oldest first: a queue that Redis lost gets its order back
        self._count(records)
        for queue in self._queue.queues.values():
            self._shorten_leases(queue)
            clean_registries(queue)
        self._put_back_stranded()
        in_queue = self._queue.in_rq([record.rq_id for record in records])
        for record, job in zip(records, in_queue, strict=True):
            try:
                self._reconcile(record, job)
            except (IllegalTransition, NotFound):
                continue  # ended or was deleted since it was read
            except (OSError, ValidationError) as error:
                log.error("the job cannot be reconciled", job_id=record.id, error=type(error).__name__)
        sweep_work(self._jobs)
        sweep_products(self._jobs)

    def _reconcile(self, record: JobRecord, job: Job | None) -> None:
        status = None if job is None else job.get_status(refresh=False)
        if record.status == "cancelling":
            self._pursue_cancel(record, status)
        elif job is None:
            log.warning("the job was not in the queue any more; it is enqueued again", **named(record))
            self._queue.put(self._jobs.transition(record.id, waiting))
        elif job.origin in QUEUES and status == JobStatus.QUEUED:
            log.warning("the job waited in the queue of an earlier version; it is enqueued in ours", **named(record))
            job.delete()
            self._queue.put(record)
        elif status == JobStatus.QUEUED and record.status == "running":
            self._jobs.transition(record.id, _waiting_unless_newer_than(record))
        elif status in (JobStatus.CANCELED, JobStatus.STOPPED):
            self._queue.end(record, "cancelled")
        elif status == JobStatus.FAILED and record.pardons:
            self._try_anew(record)
        elif status == JobStatus.FAILED:
            self._queue.end(record, "failed", LOST_WORKER)
        elif status == JobStatus.FINISHED:
            self._queue.end(record, "failed", NO_OUTCOME)

    def _try_anew(self, record: JobRecord) -> None:
        """RQ has given the job up, and has counted attempts that were handed back while Redis was away."""
        record = self._jobs.transition(
            record.id, lambda record: waiting(record.model_copy(update={"pardons": max(0, record.pardons - 1)}))
        )
        log.warning("the job was given up too early; it is enqueued again", **named(record))
        self._queue.drop(record.id, keep_wish=True)
        self._queue.put(record)

    def _pursue_cancel(self, record: JobRecord, status: JobStatus | None) -> None:
        live.request_cancel(self._redis, record.id)
        asked_for = self._queue.cancelling_for(record.id)
        if status != JobStatus.STARTED:
            self._queue.end(record, "cancelled")
            self._queue.drop(record.id, keep_wish=True)
        elif asked_for > self._settings.cancel_grace_seconds:
            self._stop(record)

    def _stop(self, record: JobRecord) -> None:
        try:
            send_stop_job_command(self._redis, record.rq_id, SERIALIZER)
            log.warning("the job did not stop when asked to; its worker was told to kill it", **named(record))
        except (InvalidJobOperation, NoSuchJobError):
            log.info("the job has ended by itself", **named(record))

    def _shorten_leases(self, queue: Queue) -> None:
        """A lease that was given before the clock went back must not last for hours."""
        registry, latest = StartedJobRegistry(queue=queue), now().timestamp() + 2 * self._settings.lease_seconds
        for name in cast("list[bytes]", self._redis.zrangebyscore(registry.key, latest, "+inf")):
            self._redis.zadd(registry.key, {name: latest}, xx=True)

    def _put_back_stranded(self) -> None:
        """Put back what workers took and did not begin within the time of a lease: they died in between.

        RQ's workers do so, too, but by the time of day, and under a lock of 15 minutes with which one may have died.
        """
        at, queues = self._clock(), self._queue.queues
        stranded = {(kind, rq_id) for kind, queue in queues.items() for rq_id in _stranded(queue)}
        self._stranded_since = {found: self._stranded_since.get(found, at) for found in stranded}
        for (kind, rq_id), since in self._stranded_since.items():
            if at - since > self._settings.lease_seconds:
                log.warning("the job was lost on its way to a worker; it is put back", job_id=parse_rq_id(rq_id)[0])
                self._redis.eval(_PUT_BACK, 2, queues[kind].intermediate_queue.key, queues[kind].key, rq_id)

    def _count(self, active: Sequence[JobRecord]) -> None:
        ended = Counter((end.kind, end.status) for end in self._jobs.ended().values())
        self.census = ended + Counter((record.kind, record.status) for record in active)
        self._queue.forget_wishes_but({record.id for record in active if record.status == "cancelling"})


def _waiting_unless_newer_than(seen: JobRecord) -> Callable[[JobRecord], JobRecord]:
    """Not if another worker has begun, or somebody has cancelled, since the record was seen."""
    return lambda record: waiting(record) if record == seen else record


def _stranded(queue: Queue) -> list[str]:
    """The ids of jobs that have left the queue, and that no worker has begun."""
    taken = queue.intermediate_queue.get_job_ids()
    return [rq_id for rq_id in taken if rq_id not in queue.started_job_registry and queue.fetch_job(rq_id) is not None]
