from __future__ import annotations

import json
import zlib

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job, JobStatus

from service.connection import connect
from service.contracts import live
from service.contracts.errors import IllegalTransition, NotFound, QueueUnavailable
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, JobState, now, queue_name
from service.contracts.requests import EvaluateRequest, TrainRequest
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.jobs import JobQueue
from tests.service.making import add_job
from tests.service.queueing import become, drawn, generate, hand_over, in_rq, publish_something, start_in_rq, waiting


def test_a_job_waits_under_its_own_id_and_redis_holds_no_pickle(queue: JobQueue, redis: Redis) -> None:
    queue.submit(generate())
    assert waiting(queue) == ["job-1"]
    job = in_rq(redis)
    assert (job.func_name, job.args, job.timeout) == ("worker.tasks.run", ["job-1"], 24 * 3600)
    assert (job.retries_left, job.enqueue_at_front_on_retry) == (2, True)
    raw = redis.hget("rq:job:job-1", "data")
    assert isinstance(raw, bytes)
    assert json.loads(zlib.decompress(raw))[0] == "worker.tasks.run"


def test_each_kind_has_a_queue_and_a_timeout_of_its_own(queue: JobQueue, redis: Redis) -> None:
    queue.submit(JobRecord(id="job-2", created_at=now(), request=TrainRequest(dataset_id="data-1", name="a")))
    assert waiting(queue, "train") == ["job-2"]
    assert in_rq(redis, "job-2").timeout == 14 * 24 * 3600


def test_the_place_in_the_queue_counts_those_before(queue: JobQueue, jobs: JobStore) -> None:
    for job_id in ("job-1", "job-2", "job-3"):
        queue.submit(generate(job_id))
    assert [queue.status(jobs.read(f"job-{n}")).queue_position for n in (1, 2, 3)] == [0, 1, 2]


def test_progress_is_that_of_the_running_job(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    progress = live.Progress(step="sampling", value=3, max=10, eta_seconds=1.5)
    live.write_progress(redis, "job-1", progress)
    assert queue.status(jobs.read("job-1")).progress is None
    start_in_rq(redis, jobs)
    assert queue.status(jobs.read("job-1")).progress == progress


def test_a_waiting_job_is_cancelled_at_once(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    assert queue.cancel("job-1").status == "cancelled"
    assert jobs.read("job-1").finished_at is not None
    assert waiting(queue) == []
    assert not Job.exists("job-1", redis)
    assert queue.cancel("job-1").status == "cancelled"


def test_a_running_job_is_asked_to_stop(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    assert queue.cancel("job-1").status == "cancelling"
    assert live.cancel_requested(redis, "job-1")
    assert queue.cancel("job-1").status == "cancelling"


@pytest.mark.parametrize("ended", ["succeeded", "failed"])
def test_a_job_that_has_ended_cannot_be_cancelled(
    queue: JobQueue, jobs: JobStore, redis: Redis, ended: JobState
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    become(jobs, "job-1", ended)
    with pytest.raises(IllegalTransition, match=ended):
        queue.cancel("job-1")


def test_unknown_jobs_are_not_found(queue: JobQueue) -> None:
    with pytest.raises(NotFound):
        queue.cancel("job-1")
    queue.forget("job-1")


def test_a_removed_job_leaves_nothing(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    queue.cancel("job-1")
    jobs.remove("job-1")
    queue.forget("job-1")
    assert redis.keys("*job-1*") == []


def test_a_job_whose_lost_worker_left_an_expired_lease_can_be_forgotten(
    queue: JobQueue, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    redis.delete(*redis.keys("rq:execution:*"))
    with pytest.raises(ValueError, match="not found"):  # what RQ does; if it no longer does, so much the better
        in_rq(redis).delete()
    queue.forget("job-1")
    assert not live.cancel_requested(redis, "job-1")


def test_without_redis_nothing_is_submitted_but_records_can_be_read_and_cancelled(
    jobs: JobStore, store: ArtifactStore, settings: Settings
) -> None:
    with connect("redis://127.0.0.1:1") as nobody:
        queue = JobQueue(redis=nobody, jobs=jobs, settings=settings)
        with pytest.raises(QueueUnavailable):
            queue.submit(generate("job-2"))
        assert list(jobs.records()) == []
        record = add_job(store, "job-1")
        assert queue.status(record).queue_position is None
        assert queue.cancel("job-1").status == "cancelled"


def test_redis_is_asked_no_more_once_it_has_not_answered(
    queue: JobQueue, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job_id in ("job-1", "job-2", "job-3"):
        queue.submit(generate(job_id))
    asked = []

    def position(self: Queue, job_id: str) -> int:
        asked.append(job_id)
        if job_id == "job-2":
            raise RedisError("stalled")
        return 7

    monkeypatch.setattr(Queue, "get_job_position", position)
    assert [status.queue_position for status in queue.statuses(list(jobs.records()))] == [7, None, None]
    assert asked == ["job-3", "job-2"]


def test_workers_are_counted_while_they_live(queue: JobQueue, redis: Redis) -> None:
    assert queue.workers() == {"train": 0, "generate": 0, "evaluate": 0}
    redis.sadd(
        f"rq:workers:{queue_name('generate', installation_id(queue.jobs.store.root))}",
        "rq:worker:one",
        "rq:worker:dead",
    )
    redis.hset("rq:worker:one", "birth", "now")
    assert queue.workers() == {"train": 0, "generate": 1, "evaluate": 0}


def test_cohorts_and_uploaded_tables_take_turns_and_no_cohort_passes_another(
    queue: JobQueue, jobs: JobStore, redis: Redis
) -> None:
    def upload(number: int) -> None:
        request = EvaluateRequest(dataset_id="data-1", job_id="job-0")
        queue.submit(JobRecord(id=f"table-{number}", created_at=now(), request=request))

    def draw(number: int) -> None:
        jobs.create(generate(f"job-{number}"))
        queue.put(hand_over(jobs, f"job-{number}"))

    for number in range(1, 5):
        upload(number)
    for number in (1, 2):
        draw(number)
    order = ["table-1", "job-1-evaluation", "table-2", "job-2-evaluation", "table-3", "table-4"]
    assert waiting(queue, "evaluate") == order
    upload(5)
    draw(3)
    assert waiting(queue, "evaluate") == [*order[:5], "job-3-evaluation", "table-4", "table-5"]
    redis.ltrim(queue.queues["evaluate"].key, -1, -1)
    draw(4)
    assert waiting(queue, "evaluate") == ["table-5", "job-4-evaluation"]


def test_a_drawn_cohort_that_waits_says_so(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    drawn(queue, jobs, redis)
    queue.put(jobs.read("job-1"))
    status = queue.status(jobs.read("job-1"))
    assert status.progress is not None
    assert (status.progress.step, status.queue_position) == ("waiting for the evaluation", 0)


def test_a_drawn_cohort_that_waits_is_cancelled_at_once_and_removed(
    queue: JobQueue, jobs: JobStore, redis: Redis, store: ArtifactStore
) -> None:
    drawn(queue, jobs, redis)
    queue.put(jobs.read("job-1"))
    publish_something(store, "cohorts")
    assert queue.cancel("job-1").status == "cancelled"
    assert waiting(queue, "evaluate") == []
    assert not store.exists("cohorts", "job-1")
    assert not Job.exists("job-1-evaluation", redis)
    assert queue.cancel("job-1").status == "cancelled"


def test_an_evaluation_that_runs_is_asked_to_stop(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    drawn(queue, jobs, redis)
    queue.put(jobs.read("job-1"))
    in_rq(redis, "job-1-evaluation").set_status(JobStatus.STARTED)
    assert queue.cancel("job-1").status == "cancelling"
    assert live.cancel_requested(redis, "job-1")


def test_forgetting_a_job_forgets_both_of_its_ids(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    drawn(queue, jobs, redis)
    queue.put(jobs.read("job-1"))
    queue.forget("job-1")
    assert redis.keys("*job-1*") == []


def test_a_job_is_forgotten_although_a_late_heartbeat_left_half_of_its_execution(
    queue: JobQueue, redis: Redis, jobs: JobStore
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    (execution,) = in_rq(redis).get_executions()
    redis.hdel(execution.key, "created_at")  # the heartbeat of a lost worker comes after the key has expired
    become(jobs, "job-1", "queued")
    assert queue.cancel("job-1").status == "cancelled"


def test_half_a_job_that_a_late_heartbeat_left_is_forgotten_with_the_rest(queue: JobQueue, redis: Redis) -> None:
    redis.hset("rq:job:job-1", "last_heartbeat", now().isoformat())
    queue.forget("job-1")
    assert redis.keys("*job-1*") == []
