from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from redis import Redis
from rq import Queue
from rq.job import JobStatus
from rq.registry import StartedJobRegistry

from service.contracts import live
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import SERIALIZER, JobRecord, now, queue_name
from service.contracts.storage import RECORD, ArtifactStore
from service.jobs import JobQueue
from service.reconciler import Reconciler
from tests.service.queueing import become, drawn, generate, hand_over, in_rq, publish_something, start_in_rq, waiting


def test_what_redis_lost_is_enqueued_again(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate("job-1"))
    queue.submit(generate("job-2"))
    start_in_rq(redis, jobs, "job-2")
    redis.flushall()
    reconciler.reconcile()
    assert waiting(queue) == ["job-1", "job-2"]  # in the order in which they came
    assert jobs.read("job-2").status == "queued"
    reconciler.reconcile()
    assert waiting(queue) == ["job-1", "job-2"]


def test_half_a_job_that_a_late_heartbeat_left_keeps_neither_itself_nor_others_from_being_enqueued(
    queue: JobQueue, reconciler: Reconciler, redis: Redis
) -> None:
    for job_id in ("job-1", "job-2"):
        queue.submit(generate(job_id))
    redis.flushall()
    redis.hset("rq:job:job-1", "last_heartbeat", now().isoformat())
    reconciler.reconcile()
    assert sorted(waiting(queue)) == ["job-1", "job-2"]


@pytest.mark.parametrize(("field", "value"), [("enqueued_at", "x"), ("timeout", "x"), ("status", "x"), ("ttl", "\xff")])
def test_a_job_that_rq_cannot_read_keeps_neither_itself_nor_others_from_being_run(
    queue: JobQueue, reconciler: Reconciler, redis: Redis, field: str, value: str
) -> None:
    for job_id in ("job-1", "job-2"):
        queue.submit(generate(job_id))
    redis.delete(queue.queues["generate"].key, "rq:job:job-2")
    redis.hset("rq:job:job-1", field, value)
    reconciler.reconcile()
    assert sorted(waiting(queue)) == ["job-1", "job-2"]


def test_what_a_lost_worker_held_is_run_again(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs, lost=True)
    reconciler.reconcile()
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
        Reconciler(each).reconcile()
    assert (waiting(queue), waiting(other)) == (["job-1"], ["job-2"])
    redis.sadd(f"rq:workers:{queue_name('generate', installation_id(other.jobs.store.root))}", "rq:worker:w")
    redis.hset("rq:worker:w", "state", "idle")
    assert (queue.workers()["generate"], other.workers()["generate"]) == (0, 1)
    other.cancel("job-2")
    assert (waiting(queue), waiting(other)) == (["job-1"], [])


def test_what_an_earlier_version_left_in_its_queue_is_moved_to_ours(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore
) -> None:
    queue.submit(generate())
    queue.redis.delete("rq:job:job-1", f"rq:queue:{queue_name('generate', installation_id(jobs.store.root))}")
    Queue("generate", connection=queue.redis, serializer=SERIALIZER).enqueue_call("any.task", job_id="job-1")
    for _ in range(2):
        reconciler.reconcile()
        assert waiting(queue) == ["job-1"]


def test_a_job_that_another_worker_has_just_begun_is_not_called_waiting(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs, lost=True)
    transition = jobs.transition

    def begun_before(job_id: str, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        transition(job_id, lambda job: job.model_copy(update={"attempts": job.attempts + 1}))
        return transition(job_id, change)

    monkeypatch.setattr(jobs, "transition", begun_before)
    reconciler.reconcile()
    assert jobs.read("job-1").status == "running"


def test_one_record_that_cannot_be_changed_does_not_keep_the_others_from_being_reconciled(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
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
    reconciler.reconcile()
    assert jobs.read("job-1").status == "queued"
    assert jobs.read("job-3").status == "running"


def test_a_job_whose_workers_all_died_has_failed(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    for _ in range(3):
        start_in_rq(redis, jobs, lost=True)
        reconciler.reconcile()
    job = jobs.read("job-1")
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.type == "urn:cdmt:problem:worker-lost"
    assert job.finished_at is not None


def test_a_job_that_rq_gave_up_for_attempts_that_were_none_is_tried_anew_and_then_no_more(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    jobs.transition("job-1", lambda job: job.model_copy(update={"pardons": 1}))
    in_rq(redis).set_status(JobStatus.FAILED)
    reconciler.reconcile()
    assert (jobs.read("job-1").status, jobs.read("job-1").pardons) == ("queued", 0)
    assert waiting(queue) == ["job-1"]
    assert in_rq(redis).retries_left == queue.settings.max_attempts - 1
    start_in_rq(redis, jobs)
    in_rq(redis).set_status(JobStatus.FAILED)
    reconciler.reconcile()
    assert jobs.read("job-1").status == "failed"


def test_a_worker_that_ends_without_an_outcome_fails_its_job(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    in_rq(redis).set_status(JobStatus.FINISHED)
    reconciler.reconcile()
    error = jobs.read("job-1").error
    assert error is not None
    assert error.type == "urn:cdmt:problem:no-outcome"


def test_a_running_job_is_left_alone(queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    before = jobs.read("job-1")
    reconciler.reconcile()
    assert jobs.read("job-1") == before
    assert waiting(queue) == []


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.STOPPED, JobStatus.QUEUED, JobStatus.FINISHED, None])
def test_a_cancelled_job_that_no_worker_runs_is_cancelled(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis, status: JobStatus | None
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    queue.cancel("job-1")
    if status is None:
        redis.flushall()
    else:
        in_rq(redis).set_status(status)
    reconciler.reconcile()
    assert jobs.read("job-1").status == "cancelled"
    assert live.cancel_requested(redis, "job-1")  # for a worker that still runs it, unknown to Redis


def test_a_wish_to_cancel_that_redis_lost_is_said_again(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    become(jobs, "job-1", "cancelling")
    reconciler.reconcile()
    assert live.cancel_requested(redis, "job-1")
    assert jobs.read("job-1").status == "cancelling"


def test_a_job_that_does_not_stop_in_time_is_stopped_by_force(queue: JobQueue, jobs: JobStore, redis: Redis) -> None:
    seconds = 0.0
    queue = JobQueue(redis=redis, jobs=jobs, settings=queue.settings, clock=lambda: seconds)
    reconciler = Reconciler(queue)
    queue.submit(generate())
    start_in_rq(redis, jobs)
    queue.cancel("job-1")
    with redis.pubsub(ignore_subscribe_messages=True) as commands:  # type: ignore[no-untyped-call]
        commands.subscribe("rq:pubsub:worker-1")
        reconciler.reconcile()
        seconds = queue.settings.cancel_grace_seconds + 1
        reconciler.reconcile()
        messages = [message for _ in range(4) if (message := commands.get_message(timeout=0.2))]
    assert [json.loads(message["data"]) for message in messages] == [{"command": "stop-job", "job_id": "job-1"}]


def test_a_lease_from_before_the_clock_went_back_is_shortened(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    registry = StartedJobRegistry(queue=queue.queues["generate"])
    (name,) = cast("list[bytes]", redis.zrange(registry.key, 0, -1))
    for ahead, left in ((7200, 2 * queue.settings.lease_seconds), (30, 30)):
        redis.zadd(registry.key, {name: now().timestamp() + ahead})
        reconciler.reconcile()
        assert redis.zscore(registry.key, name) == pytest.approx(now().timestamp() + left, abs=5)


def test_a_job_that_was_lost_on_its_way_to_a_worker_is_put_back_after_a_lease_at_no_cost(
    queue: JobQueue, jobs: JobStore, redis: Redis
) -> None:
    seconds = 0.0
    reconciler = Reconciler(queue, clock=lambda: seconds)
    for job_id in ("job-1", "job-2", "job-3"):
        queue.submit(generate(job_id))
    ours = queue.queues["generate"]
    for _ in range(2):
        redis.lmove(ours.key, ours.intermediate_queue.key)  # as RQ's workers take a job
    reconciler.reconcile()
    start_in_rq(redis, jobs, "job-2")
    seconds = queue.settings.lease_seconds
    reconciler.reconcile()
    assert waiting(queue) == ["job-3"]
    seconds += 1
    for _ in range(2):
        reconciler.reconcile()
        assert waiting(queue) == ["job-1", "job-3"]
    assert in_rq(redis).retries_left == queue.settings.max_attempts - 1


def test_the_census_counts_every_job_by_kind_and_state(queue: JobQueue, reconciler: Reconciler, jobs: JobStore) -> None:
    for number in range(1, 5):
        queue.submit(generate(f"job-{number}"))
    become(jobs, "job-2", "running")
    queue.cancel("job-3")
    reconciler.reconcile()
    assert reconciler.census == {("generate", "queued"): 2, ("generate", "running"): 1, ("generate", "cancelled"): 1}
    jobs.remove("job-3")
    reconciler.reconcile()
    assert reconciler.census == {("generate", "queued"): 3}  # job-2, which no worker has, waits again


def test_each_end_that_the_gateway_writes_is_counted_once(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    for number in (1, 2):
        queue.submit(generate(f"job-{number}"))
    for _ in range(2):
        queue.cancel("job-1")
    start_in_rq(redis, jobs, "job-2")
    in_rq(redis, "job-2").set_status(JobStatus.FAILED)
    for _ in range(2):
        reconciler.reconcile()
    durations = queue.figures.totals().durations
    assert {end: sum(found.buckets) for end, found in durations.items()} == {
        ("generate", "cancelled"): 1,
        ("generate", "failed"): 1,
    }


def test_an_evaluation_that_nobody_enqueued_is_enqueued_once(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    before = drawn(queue, jobs, redis)
    for _ in range(3):
        reconciler.reconcile()
    assert (waiting(queue, "evaluate"), waiting(queue)) == (["job-1-evaluation"], [])
    job = in_rq(redis, "job-1-evaluation")
    assert (job.func_name, job.args, job.retries_left) == ("worker.tasks.assess", ["job-1"], 2)
    assert jobs.read("job-1") == before


def test_what_is_over_for_rq_is_no_end_for_a_job_that_was_handed_over_meanwhile(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis
) -> None:
    queue.submit(generate())
    start_in_rq(redis, jobs)
    in_rq(redis).set_status(JobStatus.FINISHED)
    seen = jobs.read("job-1")
    hand_over(jobs)
    reconciler._reconcile(seen, in_rq(redis))
    assert jobs.read("job-1").status == "running"


def test_a_cancel_in_the_moment_of_the_handover_ends_the_job(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis, store: ArtifactStore
) -> None:
    drawn(queue, jobs, redis)  # the record says so, RQ has not heard of it
    publish_something(store, "cohorts")
    assert queue.cancel("job-1").status == "cancelled"
    assert not store.exists("cohorts", "job-1")
    reconciler.reconcile()
    assert waiting(queue, "evaluate") == []


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.FINISHED])
def test_an_evaluation_that_ends_without_an_outcome_fails_the_job_and_takes_its_cohort_along(
    queue: JobQueue, reconciler: Reconciler, jobs: JobStore, redis: Redis, store: ArtifactStore, status: JobStatus
) -> None:
    drawn(queue, jobs, redis)
    reconciler.reconcile()
    publish_something(store, "cohorts")
    in_rq(redis, "job-1-evaluation").set_status(status)
    reconciler.reconcile()
    assert jobs.read("job-1").status == "failed"
    assert not store.exists("cohorts", "job-1")
