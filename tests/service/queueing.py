"""What a gateway and a worker do to records and to RQ, step by step, for the tests of queue and reconciler."""

from __future__ import annotations

from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry

from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import SERIALIZER, JobKind, JobRecord, JobResult, JobState, now, queue_name
from service.contracts.requests import GenerateRequest
from service.contracts.storage import ArtifactStore, Kind
from service.jobs import JobQueue


def generate(job_id: str = "job-1") -> JobRecord:
    """A generate job that nobody knows of."""
    return JobRecord(id=job_id, created_at=now(), request=GenerateRequest(model_id="model-1", n_stays=1))


def become(jobs: JobStore, job_id: str, status: JobState) -> None:
    """Write the job's next state."""
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": status}))


def in_rq(redis: Redis, job_id: str = "job-1") -> Job:
    """What RQ knows of a job."""
    return Job.fetch(job_id, redis, SERIALIZER)


def waiting(queue: JobQueue, kind: JobKind = "generate") -> list[str]:
    """The ids that wait in the queue of a kind, the next first."""
    name = queue_name(kind, installation_id(queue.jobs.store.root))
    return Queue(name, connection=queue.redis, serializer=SERIALIZER).job_ids


def start_in_rq(redis: Redis, jobs: JobStore, job_id: str = "job-1", *, lost: bool = False) -> None:
    """What a worker does to RQ and to the record when it begins a job; `lost`: and then it dies."""
    name = queue_name("generate", installation_id(jobs.store.root))
    Queue(name, connection=redis, serializer=SERIALIZER).remove(job_id)
    job = in_rq(redis, job_id)
    with redis.pipeline() as pipeline:
        job.prepare_for_execution("worker-1", pipeline)
        execution = Execution.create(job, 60, pipeline)
        registry = StartedJobRegistry(name, redis, serializer=SERIALIZER)
        registry.add_execution(execution, pipeline, 60)
        pipeline.execute()
    if lost:
        redis.zadd(registry.key, {execution.composite_key: 1})
    become(jobs, job_id, "running")


def hand_over(jobs: JobStore, job_id: str = "job-1") -> JobRecord:
    """What a worker writes once the cohort is drawn."""
    change = {"status": "running", "stage": "evaluation", "drawn": JobResult(n_stays=1)}
    return jobs.transition(job_id, lambda job: job.model_copy(update=change))


def drawn(queue: JobQueue, jobs: JobStore, redis: Redis) -> JobRecord:
    """A job whose cohort is drawn; RQ does not know of its evaluation yet."""
    queue.submit(generate())
    start_in_rq(redis, jobs)
    in_rq(redis).set_status(JobStatus.FINISHED)
    return hand_over(jobs)


def publish_something(store: ArtifactStore, kind: Kind, job_id: str = "job-1") -> None:
    """Something in the store under the id of a job."""
    with store.staging("test") as folder:
        store.publish(folder, kind, job_id)
