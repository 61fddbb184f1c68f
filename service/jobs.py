"""The queue of jobs as the gateway sees it: our records are the truth, RQ carries their ids to the workers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import structlog
from pydantic import ValidationError
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as Reconnect
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.exceptions import DuplicateJobError, InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry, clean_registries

from service.contracts import live
from service.contracts.errors import IllegalTransition, NotFound, QueueUnavailable
from service.contracts.figures import Figures
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import (
    QUEUES,
    SERIALIZER,
    JobError,
    JobKind,
    JobRecord,
    JobState,
    now,
    problem_type,
    queue_name,
    rq_ids,
    waiting,
)
from service.contracts.products import retract, sweep_products
from service.contracts.settings import Settings
from service.contracts.transport import enqueue_call, take_turns
from service.contracts.workdirs import sweep_work
from service.workload import workers

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


CONNECT_SECONDS = 2
ANSWER_SECONDS = 5


def connect(url: str) -> Redis:
    """A client that gives up soon: whoever asks the gateway shall hear of it, and not wait for Redis to come back.

    It tries again once, so that a connection that Redis closed meanwhile does no harm.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        health_check_interval=30,
        retry=Reconnect(ConstantBackoff(0.05), 1),
    )


@dataclass(frozen=True)
class LiveStatus:
    """What only Redis knows about a job: how far it is, and how many wait before it in its queue."""

    progress: live.Progress | None = None
    queue_position: int | None = None


class JobQueue:
    """Submit, look at and cancel jobs; repair what a crash of Redis or of a worker left in disorder.

    `census` is how many jobs there are of each kind and state, as `reconcile` last saw them; None before that.
    """

    def __init__(
        self, *, redis: Redis, jobs: JobStore, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.redis = redis
        self.jobs = jobs
        self.settings = settings
        installation = installation_id(jobs.store.root)
        self.figures = Figures(redis, installation)
        self.census: Counter[tuple[JobKind, JobState]] | None = None
        self.queues = {
            kind: Queue(queue_name(kind, installation), connection=redis, serializer=SERIALIZER) for kind in QUEUES
        }
        self._clock = clock
        self._cancelling_since: dict[str, float] = {}

    def submit(self, record: JobRecord) -> None:
        """Write the record and enqueue its id."""
        self.jobs.create(record)
        self.enqueue(record)

    def enqueue(self, record: JobRecord) -> None:
        """Enqueue the id of a new record. QueueUnavailable if Redis does not answer; the record is deleted then."""
        try:
            self._enqueue(record)
        except RedisError as error:
            self.jobs.store.remove("jobs", record.id)
            raise QueueUnavailable("the job queue does not answer; try again later") from error

    def status(self, record: JobRecord) -> LiveStatus:
        """Progress and place in the queue; empty for a job that has ended, and while Redis does not answer."""
        return self.statuses([record])[0]

    def statuses(self, records: Sequence[JobRecord]) -> list[LiveStatus]:
        """The status of each. Once Redis has not answered, it is not asked again: each time takes seconds."""
        found: list[LiveStatus] = []
        try:
            for record in records:
                found.append(self._status(record))  # noqa: PERF401  what was found before an error counts
        except RedisError:
            log.warning("no live status of jobs: Redis does not answer", n_jobs=len(records) - len(found))
        return found + [LiveStatus()] * (len(records) - len(found))

    def cancel(self, job_id: str) -> JobRecord:
        """End a waiting job at once, ask a running one to stop. IllegalTransition if it ended in another way.

        The record decides, so this holds without Redis, too: a worker starts no cancelled job, and `reconcile`
        repeats what could not be said.
        """
        before = self.jobs.read(job_id)
        record = before if before.status == "cancelled" else self.jobs.transition(job_id, _cancelled_or_cancelling)
        try:
            if record.status == "cancelling":
                self._cancelling_since.setdefault(job_id, self._clock())
                live.request_cancel(self.redis, job_id)
                record = self._cancelled_between_stages(record)
            else:
                self._forget(job_id)
                if record is not before:
                    self.figures.job_ended(record)
        except RedisError:
            log.warning("the job shall be cancelled, but Redis does not answer", job_id=job_id)
        retract(record, self.jobs.store)
        return record

    def forget(self, job_id: str) -> None:
        """Remove from Redis what is left of a job whose record has been deleted."""
        try:
            self._forget(job_id)
        except RedisError:
            log.warning("the job is deleted, but Redis does not answer; its entry there will expire", job_id=job_id)

    def workers(self) -> dict[JobKind, int]:
        """How many workers are alive per kind of job. Raises RedisError."""
        return {kind: len(workers(queue).names) for kind, queue in self.queues.items()}

    def reconcile(self) -> None:
        """Make records and RQ agree again: give back what lost workers held, enqueue anew what Redis lost.

        Raises RedisError. Safe at any time and as often as you like.
        """
        records = list(self.jobs.active())
        self._count(records)
        for queue in self.queues.values():
            self._shorten_leases(queue)
            clean_registries(queue)
        in_queue = Job.fetch_many([record.rq_id for record in records], self.redis, SERIALIZER)
        for record, job in zip(records, in_queue, strict=True):
            try:
                self._reconcile(record, job)
            except (IllegalTransition, NotFound):
                continue  # ended or was deleted since it was read
            except (OSError, ValidationError) as error:
                log.error("the job cannot be reconciled", job_id=record.id, error=type(error).__name__)
        sweep_work(self.jobs)
        sweep_products(self.jobs)

    def _status(self, record: JobRecord) -> LiveStatus:
        if record.status == "queued":
            return LiveStatus(queue_position=self.queues[record.kind].get_job_position(record.id))
        if record.is_terminal:
            return LiveStatus()
        progress = live.read_progress(self.redis, record.id)
        if record.stage == "making":
            return LiveStatus(progress=progress)
        position = self.queues[record.queue].get_job_position(record.rq_id)
        return LiveStatus(progress=progress or live.WAITING_FOR_EVALUATION, queue_position=position)

    def _reconcile(self, record: JobRecord, job: Job | None) -> None:
        status = None if job is None else job.get_status(refresh=False)
        if record.status == "cancelling":
            self._pursue_cancel(record, status)
        elif job is None:
            log.warning("the job was not in the queue any more; it is enqueued again", **_named(record))
            self._enqueue(self.jobs.transition(record.id, waiting))
        elif job.origin in QUEUES and status == JobStatus.QUEUED:
            log.warning("the job waited in the queue of an earlier version; it is enqueued in ours", **_named(record))
            job.delete()
            self._enqueue(record)
        elif status == JobStatus.QUEUED and record.status == "running":
            self.jobs.transition(record.id, _waiting_unless_newer_than(record))
        elif status in (JobStatus.CANCELED, JobStatus.STOPPED):
            self._end(record, "cancelled")
        elif status == JobStatus.FAILED and record.pardons:
            self._try_anew(record)
        elif status == JobStatus.FAILED:
            self._end(record, "failed", LOST_WORKER)
        elif status == JobStatus.FINISHED:
            self._end(record, "failed", NO_OUTCOME)

    def _try_anew(self, record: JobRecord) -> None:
        """RQ has given the job up, and has counted attempts that were handed back while Redis was away."""
        record = self.jobs.transition(
            record.id, lambda record: waiting(record.model_copy(update={"pardons": max(0, record.pardons - 1)}))
        )
        log.warning("the job was given up too early; it is enqueued again", **_named(record))
        self._forget(record.id, keep_wish=True)
        self._enqueue(record)

    def _pursue_cancel(self, record: JobRecord, status: JobStatus | None) -> None:
        live.request_cancel(self.redis, record.id)
        asked_for = self._clock() - self._cancelling_since.setdefault(record.id, self._clock())
        if status != JobStatus.STARTED:
            self._end(record, "cancelled")
            self._forget(record.id, keep_wish=True)
        elif asked_for > self.settings.cancel_grace_seconds:
            self._stop(record)

    def _stop(self, record: JobRecord) -> None:
        try:
            send_stop_job_command(self.redis, record.rq_id, SERIALIZER)
            log.warning("the job did not stop when asked to; its worker was told to kill it", **_named(record))
        except (InvalidJobOperation, NoSuchJobError):
            log.info("the job has ended by itself", **_named(record))

    def _cancelled_between_stages(self, record: JobRecord) -> JobRecord:
        """End a job that shall be cancelled and whose drawn cohort waits for a worker: none will tell it to stop."""
        if record.stage == "making":
            return record
        try:
            job = Job.fetch(record.rq_id, self.redis, SERIALIZER)
        except NoSuchJobError:
            job = None
        if job is not None and job.get_status(refresh=False) == JobStatus.STARTED:
            return record
        try:
            record = self._end(record, "cancelled")
        except IllegalTransition:  # a worker was faster
            return self.jobs.read(record.id)
        self._forget(record.id, keep_wish=True)
        return record

    def _enqueue(self, record: JobRecord) -> None:
        retries, queue = self.settings.max_attempts - 1, self.queues[record.queue]
        try:
            queue.enqueue_call(
                **enqueue_call(record, self.settings),
                retry=Retry(max=retries, enqueue_at_front=True) if retries else None,
            )
        except DuplicateJobError:
            log.info("the job is in the queue already", **_named(record))
            return
        if record.stage == "evaluation":
            take_turns(self.redis, queue.key, record.rq_id)

    def _end(self, seen: JobRecord, status: JobState, error: JobError | None = None) -> JobRecord:
        """End a job as it was seen; not if it has come to its next stage since, of which RQ's status says nothing."""
        change = {"status": status, "error": error, "finished_at": now()}
        record = self.jobs.transition(
            seen.id, lambda record: record.model_copy(update=change) if record.stage == seen.stage else record
        )
        if record.is_terminal:
            self.figures.job_ended(record)
        retract(record, self.jobs.store)
        return record

    def _shorten_leases(self, queue: Queue) -> None:
        """A lease that was given before the clock went back must not last for hours."""
        registry, latest = StartedJobRegistry(queue=queue), now().timestamp() + 2 * self.settings.lease_seconds
        for name in cast("list[bytes]", self.redis.zrangebyscore(registry.key, latest, "+inf")):
            self.redis.zadd(registry.key, {name: latest}, xx=True)

    def _count(self, active: Sequence[JobRecord]) -> None:
        ended = Counter((end.kind, end.status) for end in self.jobs.ended().values())
        self.census = ended + Counter((record.kind, record.status) for record in active)
        cancelling = {record.id for record in active if record.status == "cancelling"}
        self._cancelling_since = {i: since for i, since in self._cancelling_since.items() if i in cancelling}

    def _forget(self, job_id: str, *, keep_wish: bool = False) -> None:
        for rq_id in rq_ids(job_id):
            try:
                Job.fetch(rq_id, self.redis, SERIALIZER).delete()
            except NoSuchJobError:
                pass
            except (KeyError, ValueError):  # RQ stumbles over the (half) expired execution of a lost worker
                log.info("the job is not wholly deleted in Redis; what is left will expire", job_id=job_id)
        if not keep_wish:
            live.clear(self.redis, job_id)


def _cancelled_or_cancelling(record: JobRecord) -> JobRecord:
    if record.status == "queued":
        return record.model_copy(update={"status": "cancelled", "finished_at": now()})
    return record.model_copy(update={"status": "cancelling"})


def _named(record: JobRecord) -> dict[str, str | None]:
    """What a line of the log says of a job: who follows a request by its id finds the repairs, too."""
    return {"job_id": record.id, "request_id": record.request_id}


def _waiting_unless_newer_than(seen: JobRecord) -> Callable[[JobRecord], JobRecord]:
    """Not if another worker has begun, or somebody has cancelled, since the record was seen."""
    return lambda record: waiting(record) if record == seen else record
