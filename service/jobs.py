"""The queue of jobs as the gateway sees it: our records are the truth, RQ carries their ids to the workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus

from service.contracts import live
from service.contracts.errors import IllegalTransition, QueueUnavailable
from service.contracts.figures import Figures
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import QUEUES, SERIALIZER, JobError, JobKind, JobRecord, JobState, now, queue_name, rq_ids
from service.contracts.products import retract
from service.contracts.settings import Settings
from service.contracts.transport import enqueue_call, take_turns, without_hooks
from service.workload import workers

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LiveStatus:
    """What only Redis knows about a job: how far it is, and how many wait before it in its queue."""

    progress: live.Progress | None = None
    queue_position: int | None = None


class QueuedJob(Job):
    """A job of RQ's whose hooks are not called when RQ finds that its worker is lost."""

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take over what Redis keeps of the job, less its hooks. NoSuchJobError where that is no job."""
        try:
            super().restore(without_hooks(raw_data))
        except Exception as error:  # RQ checks nothing, and raises whatever it comes upon
            raise NoSuchJobError(f"what Redis keeps of '{self.id}' is no job") from error


class JobQueue:
    """Submit, look at and cancel jobs; `put`, `end`, `drop` are for the reconciler, which repairs what a crash left."""

    def __init__(
        self, *, redis: Redis, jobs: JobStore, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.redis = redis
        self.jobs = jobs
        self.settings = settings
        installation = installation_id(jobs.store.root)
        self.figures = Figures(redis, installation)
        self.queues = {
            kind: Queue(queue_name(kind, installation), connection=redis, job_class=QueuedJob, serializer=SERIALIZER)
            for kind in QUEUES
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
            self.put(record)
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

        The record decides, so this holds without Redis, too: a worker starts no cancelled job, and the reconciler
        repeats what could not be said.
        """
        before = self.jobs.read(job_id)
        record = before if before.status == "cancelled" else self.jobs.transition(job_id, _cancelled_or_cancelling)
        try:
            if record.status == "cancelling":
                self.cancelling_for(job_id)  # its grace begins
                live.request_cancel(self.redis, job_id)
                record = self._cancelled_between_stages(record)
            else:
                self.drop(job_id)
                if record is not before:
                    self.figures.job_ended(record)
        except RedisError:
            log.warning("the job shall be cancelled, but Redis does not answer", job_id=job_id)
        retract(record, self.jobs.store)
        return record

    def forget(self, job_id: str) -> None:
        """Remove from Redis what is left of a job whose record has been deleted."""
        try:
            self.drop(job_id)
        except RedisError:
            log.warning("the job is deleted, but Redis does not answer; its entry there will expire", job_id=job_id)

    def workers(self) -> dict[JobKind, int]:
        """How many workers are alive per kind of job. Raises RedisError."""
        return {kind: len(workers(queue).names) for kind, queue in self.queues.items()}

    def put(self, record: JobRecord) -> None:
        """Put the id of a job into the queue of its present stage, unless RQ knows it already. Raises RedisError."""
        retries, queue = self.settings.max_attempts - 1, self.queues[record.queue]
        try:
            queue.enqueue_call(
                **enqueue_call(record, self.settings),
                retry=Retry(max=retries, enqueue_at_front=True) if retries else None,
            )
        except DuplicateJobError:
            log.info("the job is in the queue already", **named(record))
            return
        if record.stage == "evaluation":
            take_turns(self.redis, queue.key, record.rq_id)

    def end(self, seen: JobRecord, status: JobState, error: JobError | None = None) -> JobRecord:
        """End a job as it was seen; not if it has come to its next stage since, of which RQ's status says nothing.

        IllegalTransition if it has ended already.
        """
        change = {"status": status, "error": error, "finished_at": now()}
        record = self.jobs.transition(
            seen.id, lambda record: record.model_copy(update=change) if record.stage == seen.stage else record
        )
        if record.is_terminal:
            self.figures.job_ended(record)
        live.announce(self.redis, record.id)
        retract(record, self.jobs.store)
        return record

    def drop(self, job_id: str, *, keep_wish: bool = False) -> None:
        """Remove a job from RQ, and, unless the wish to cancel it shall be kept, that and its progress, too."""
        for rq_id in rq_ids(job_id):
            job = self._whole_or_none(rq_id)
            try:
                if job is not None:
                    job.delete()
            except (KeyError, ValueError):  # RQ stumbles over the (half) expired execution of a lost worker
                log.info("the job is not wholly deleted in Redis; what is left will expire", job_id=job_id)
        if not keep_wish:
            live.clear(self.redis, job_id)

    def in_rq(self, rq_ids: Sequence[str]) -> list[Job | None]:
        """What RQ knows of each, in one round trip; None where it knows nothing. Raises RedisError."""
        try:
            return QueuedJob.fetch_many(rq_ids, self.redis, SERIALIZER)
        except NoSuchJobError:  # so RQ calls one of which it has but a part
            return [self._whole_or_none(rq_id) for rq_id in rq_ids]

    def cancelling_for(self, job_id: str) -> float:
        """For how many seconds this gateway has known that a job which runs shall be cancelled."""
        return self._clock() - self._cancelling_since.setdefault(job_id, self._clock())

    def forget_wishes_but(self, job_ids: AbstractSet[str]) -> None:
        """Keep in mind since when these jobs shall be cancelled, and no others."""
        self._cancelling_since = {i: since for i, since in self._cancelling_since.items() if i in job_ids}

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

    def _cancelled_between_stages(self, record: JobRecord) -> JobRecord:
        """End a job that shall be cancelled and whose drawn cohort waits for a worker: none will tell it to stop."""
        if record.stage == "making":
            return record
        job = self._whole_or_none(record.rq_id)
        if job is not None and job.get_status(refresh=False) == JobStatus.STARTED:
            return record
        try:
            record = self.end(record, "cancelled")
        except IllegalTransition:  # a worker was faster
            return self.jobs.read(record.id)
        self.drop(record.id, keep_wish=True)
        return record

    def _whole_or_none(self, rq_id: str) -> Job | None:
        """What RQ knows of a job. Half a job, left by a heartbeat that came late, is removed: it would bar the id."""
        try:
            return QueuedJob.fetch(rq_id, self.redis, SERIALIZER)
        except NoSuchJobError:
            self.redis.delete(Job.key_for(rq_id))
            return None


def _cancelled_or_cancelling(record: JobRecord) -> JobRecord:
    if record.status == "queued":
        return record.model_copy(update={"status": "cancelled", "finished_at": now()})
    return record.model_copy(update={"status": "cancelling"})


def named(record: JobRecord) -> dict[str, str | None]:
    """What a line of the log says of a job: who follows a request by its id finds the repairs, too."""
    return {"job_id": record.id, "request_id": record.request_id}
