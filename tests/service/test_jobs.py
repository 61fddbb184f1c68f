from __future__ import annotations

import errno
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry

from service.contracts import live
from service.contracts.errors import IllegalTransition, NotFound, QueueUnavailable
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import (
    SERIALIZER,
    EvaluateRequest,
    GenerateRequest,
    JobKind,
    JobRecord,
    JobResult,
    JobState,
    TrainRequest,
    now,
    queue_name,
)
from service.contracts.settings import Settings
from service.contracts.storage import RECORD, ArtifactStore, Kind
from service.jobs import JobQueue, connect
from tests.service.making import add_job


def generate(job_id: str = "job-1") -> JobRecord:
    return JobRecord(id=job_id, created_at=now(), request=GenerateRequest(model_id="model-1", n_stays=1))


def become(jobs: JobStore, job_id: str, status: JobState) -> None:
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": status}))


def in_rq(redis: Redis, job_id: str = "job-1") -> Job:
    return Job.fetch(job_id, redis, SERIALIZER)


def waiting(queue: JobQueue, kind: JobKind = "generate") -> list[str]:
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


def test_what_redis_lost_is_enqueued_again(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate("job-1"))
    queue.submit(generate("job-2"))
    start_in_rq(redis, jobs, "job-2")
    redis.flushall()
    queue.reconcile()
    assert sorted(waiting(queue)) == ["job-1", "job-2"]
    assert jobs.read("job-2").status == "queued"
    queue.reconcile()
    assert sorted(waiting(queue)) == ["job-1", "job-2"]


def test_what_a_lost_worker_held_is_run_again(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs, lost=True)
    queue.reconcile()
    assert waiting(queue) == ["job-1"]
    assert in_rq(redis).retries_left == 1
    assert jobs.read("job-1").status == "queued"


def test_two_installations_on_one_redis_do_not_take_each_others_jobs(
    queue: JobQueue, redis: Redis, tmp_path: Path
) -> None:
    other = JobQueue(redis=redis, jobs=JobStore(ArtifactStore(tmp_path / "other")), settings=queue.settings)
    queue.submit(generate("job-1"))
    other.submit(generate("job-2"))
    assert (waiting(queue), waiting(other)) == (["job-1"], ["job-2"])
    for each in (queue, other):
        each.reconcile()
    assert (waiting(queue), waiting(other)) == (["job-1"], ["job-2"])
    redis.sadd(f"rq:workers:{queue_name('generate', installation_id(other.jobs.store.root))}", "rq:worker:w")
    redis.hset("rq:worker:w", "state", "idle")
    assert (queue.workers()["generate"], other.workers()["generate"]) == (0, 1)
    other.cancel("job-2")
    assert (waiting(queue), waiting(other)) == (["job-1"], [])


def test_what_an_earlier_version_left_in_its_queue_is_moved_to_ours(queue: JobQueue, jobs: JobStore) -> None:
    queue.submit(generate())
    queue.redis.delete("rq:job:job-1", f"rq:queue:{queue_name('generate', installation_id(jobs.store.root))}")
    Queue("generate", connection=queue.redis, serializer=SERIALIZER).enqueue_call("any.task", job_id="job-1")
    for _ in range(2):
        queue.reconcile()
        assert waiting(queue) == ["job-1"]


def test_a_job_that_another_worker_has_just_begun_is_not_called_waiting(
    queue: JobQueue, jobs: JobStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs, lost=True)
    transition = jobs.transition

    def begun_before(job_id: str, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        transition(job_id, lambda job: job.model_copy(update={"attempts": job.attempts + 1}))
        return transition(job_id, change)

    monkeypatch.setattr(jobs, "transition", begun_before)
    queue.reconcile()
    assert jobs.read("job-1").status == "running"


def test_one_record_that_cannot_be_changed_does_not_keep_the_others_from_being_reconciled(
    queue: JobQueue, jobs: JobStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job_id in ("job-1", "job-2", "job-3"):
        queue.submit(generate(job_id))
        start_in_rq(redis, jobs, job_id, lost=True)
    transition = jobs.transition

    def full_disk_for_the_newest(job_id: str, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        if job_id == "job-3":
            raise OSError(errno.ENOSPC, "No space left on device")
        return transition(job_id, change)

    (jobs.store.directory("jobs", "job-2") / RECORD).write_text('{"of": "another version"}')
    monkeypatch.setattr(jobs, "transition", full_disk_for_the_newest)
    queue.reconcile()
    assert jobs.read("job-1").status == "queued"
    assert jobs.read("job-3").status == "running"


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


def test_a_job_whose_workers_all_died_has_failed(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    for _ in range(3):
        start_in_rq(redis, jobs, lost=True)
        queue.reconcile()
    job = jobs.read("job-1")
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.type == "urn:cdmt:problem:worker-lost"
    assert job.finished_at is not None


def test_a_job_that_rq_gave_up_for_attempts_that_were_none_is_tried_anew_and_then_no_more(
    queue: JobQueue, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    jobs.transition("job-1", lambda job: job.model_copy(update={"pardons": 1}))
    in_rq(redis).set_status(JobStatus.FAILED)
    queue.reconcile()
    assert (jobs.read("job-1").status, jobs.read("job-1").pardons) == ("queued", 0)
    assert waiting(queue) == ["job-1"]
    assert in_rq(redis).retries_left == queue.settings.max_attempts - 1
    start_in_rq(redis, jobs)
    in_rq(redis).set_status(JobStatus.FAILED)
    queue.reconcile()
    assert jobs.read("job-1").status == "failed"


def test_a_worker_that_ends_without_an_outcome_fails_its_job(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    in_rq(redis).set_status(JobStatus.FINISHED)
    queue.reconcile()
    error = jobs.read("job-1").error
    assert error is not None
    assert error.type == "urn:cdmt:problem:no-outcome"


def test_a_running_job_is_left_alone(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    before = jobs.read("job-1")
    queue.reconcile()
    assert jobs.read("job-1") == before
    assert waiting(queue) == []


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.STOPPED, JobStatus.QUEUED, JobStatus.FINISHED, None])
def test_a_cancelled_job_that_no_worker_runs_is_cancelled(
    queue: JobQueue, jobs: JobStore, redis: Redis, status: JobStatus | None
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    queue.cancel("job-1")
    if status is None:
        redis.flushall()
    else:
        in_rq(redis).set_status(status)
    queue.reconcile()
    assert jobs.read("job-1").status == "cancelled"
    assert live.cancel_requested(redis, "job-1")  # for a worker that still runs it, unknown to Redis


def test_a_wish_to_cancel_that_redis_lost_is_said_again(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    become(jobs, "job-1", "cancelling")
    queue.reconcile()
    assert live.cancel_requested(redis, "job-1")
    assert jobs.read("job-1").status == "cancelling"


def test_a_job_that_does_not_stop_in_time_is_stopped_by_force(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    seconds = 0.0
    queue = JobQueue(redis=redis, jobs=jobs, settings=queue.settings, clock=lambda: seconds)
    queue.submit(generate())
    start_in_rq(redis, jobs)
    queue.cancel("job-1")
    with redis.pubsub(ignore_subscribe_messages=True) as commands:  # type: ignore[no-untyped-call]
        commands.subscribe("rq:pubsub:worker-1")
        queue.reconcile()
        seconds = queue.settings.cancel_grace_seconds + 1
        queue.reconcile()
        messages = [message for _ in range(4) if (message := commands.get_message(timeout=0.2))]
    assert [json.loads(message["data"]) for message in messages] == [{"command": "stop-job", "job_id": "job-1"}]


def test_workers_are_counted_while_they_live(queue: JobQueue, redis: Redis) -> None:
    assert queue.workers() == {"train": 0, "generate": 0, "evaluate": 0}
    redis.sadd(
        f"rq:workers:{queue_name('generate', installation_id(queue.jobs.store.root))}",
        "rq:worker:one",
        "rq:worker:dead",
    )
    redis.hset("rq:worker:one", "birth", "now")
    assert queue.workers() == {"train": 0, "generate": 1, "evaluate": 0}


def test_a_lease_from_before_the_clock_went_back_is_shortened(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    registry = StartedJobRegistry(queue=queue.queues["generate"])
    (name,) = cast("list[bytes]", redis.zrange(registry.key, 0, -1))
    for ahead, left in ((7200, 2 * queue.settings.lease_seconds), (30, 30)):
        redis.zadd(registry.key, {name: now().timestamp() + ahead})
        queue.reconcile()
        assert redis.zscore(registry.key, name) == pytest.approx(now().timestamp() + left, abs=5)


def test_the_census_counts_every_job_by_kind_and_state(queue: JobQueue, jobs: JobStore) -> None:
    for number in range(1, 5):
        queue.submit(generate(f"job-{number}"))
    become(jobs, "job-2", "running")
    queue.cancel("job-3")
    queue.reconcile()
    assert queue.census == {("generate", "queued"): 2, ("generate", "running"): 1, ("generate", "cancelled"): 1}
    jobs.remove("job-3")
    queue.reconcile()
    assert queue.census == {("generate", "queued"): 3}  # job-2, which no worker has, waits again


def test_each_end_that_the_gateway_writes_is_counted_once(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    for number in (1, 2):
        queue.submit(generate(f"job-{number}"))
    for _ in range(2):
        queue.cancel("job-1")
    start_in_rq(redis, jobs, "job-2")
    in_rq(redis, "job-2").set_status(JobStatus.FAILED)
    for _ in range(2):
        queue.reconcile()
    durations = queue.figures.totals().durations
    assert {end: sum(found.buckets) for end, found in durations.items()} == {
        ("generate", "cancelled"): 1,
        ("generate", "failed"): 1,
    }


def test_cohorts_and_uploaded_tables_take_turns_and_no_cohort_passes_another(
    queue: JobQueue, jobs: JobStore, redis: Redis
) -> None:
    def upload(number: int) -> None:
        request = EvaluateRequest(dataset_id="data-1", job_id="job-0")
        queue.submit(JobRecord(id=f"table-{number}", created_at=now(), request=request))

    def draw(number: int) -> None:
        jobs.create(generate(f"job-{number}"))
        hand_over(jobs, f"job-{number}")
        queue.reconcile()

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
    with store.staging("test") as folder:
        store.publish(folder, kind, job_id)


def test_an_evaluation_that_nobody_enqueued_is_enqueued_once(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    before = drawn(queue, jobs, redis)
    for _ in range(3):
        queue.reconcile()
    assert (waiting(queue, "evaluate"), waiting(queue)) == (["job-1-evaluation"], [])
    job = in_rq(redis, "job-1-evaluation")
    assert (job.func_name, job.args, job.retries_left) == ("worker.tasks.assess", ["job-1"], 2)
    assert jobs.read("job-1") == before


def test_a_drawn_cohort_that_waits_says_so(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    drawn(queue, jobs, redis)
    queue.reconcile()
    status = queue.status(jobs.read("job-1"))
    assert status.progress is not None
    assert (status.progress.step, status.queue_position) == ("waiting for the evaluation", 0)


def test_what_is_over_for_rq_is_no_end_for_a_job_that_was_handed_over_meanwhile(
    queue: JobQueue, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    in_rq(redis).set_status(JobStatus.FINISHED)
    seen = jobs.read("job-1")
    hand_over(jobs)
    queue._reconcile(seen, in_rq(redis))
    assert jobs.read("job-1").status == "running"


def test_a_drawn_cohort_that_waits_is_cancelled_at_once_and_removed(
    queue: JobQueue, jobs: JobStore, redis: Redis, store: ArtifactStore
) -> None:
    drawn(queue, jobs, redis)
    queue.reconcile()
    publish_something(store, "cohorts")
    assert queue.cancel("job-1").status == "cancelled"
    assert waiting(queue, "evaluate") == []
    assert not store.exists("cohorts", "job-1")
    assert not Job.exists("job-1-evaluation", redis)
    assert queue.cancel("job-1").status == "cancelled"


def test_a_cancel_in_the_moment_of_the_handover_ends_the_job(
    queue: JobQueue, jobs: JobStore, redis: Redis, store: ArtifactStore
) -> None:
    drawn(queue, jobs, redis)  # the record says so, RQ has not heard of it
    publish_something(store, "cohorts")
    assert queue.cancel("job-1").status == "cancelled"
    assert not store.exists("cohorts", "job-1")
    queue.reconcile()
    assert waiting(queue, "evaluate") == []


def test_an_evaluation_that_runs_is_asked_to_stop(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    drawn(queue, jobs, redis)
    queue.reconcile()
    in_rq(redis, "job-1-evaluation").set_status(JobStatus.STARTED)
    assert queue.cancel("job-1").status == "cancelling"
    assert live.cancel_requested(redis, "job-1")


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.FINISHED])
def test_an_evaluation_that_ends_without_an_outcome_fails_the_job_and_takes_its_cohort_along(
    queue: JobQueue, jobs: JobStore, redis: Redis, store: ArtifactStore, status: JobStatus
) -> None:
    drawn(queue, jobs, redis)
    queue.reconcile()
    publish_something(store, "cohorts")
    in_rq(redis, "job-1-evaluation").set_status(status)
    queue.reconcile()
    assert jobs.read("job-1").status == "failed"
    assert not store.exists("cohorts", "job-1")


def test_forgetting_a_job_forgets_both_of_its_ids(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    drawn(queue, jobs, redis)
    queue.reconcile()
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
