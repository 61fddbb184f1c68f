"""The warm horse on a real Valkey, in real processes; its jobs need no model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.job import Job, JobStatus
from rq.worker_registration import get_keys
from structlog.testing import capture_logs

from service.valkey import prepared, wait_until_ready
from tests.worker.light_worker import JOBS_PER_PROCESS, QUEUE, TIMING, light_horse
from worker.horse import Errand, Horse, LeasedWorker, serve_errands
from worker.parent import WarmWorker

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """Where the workers under test write what their `on_lost` is told."""
    return tmp_path / "lost"


@pytest.fixture
def start(valkey_url: str, redis: Redis, lost: Path) -> Iterator[Start]:
    """Start worker processes; whatever is left of them is killed in the end."""
    processes = []

    def start_one(*shutdown: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.worker.light_worker", valkey_url, str(lost), *shutdown]
        process = subprocess.Popen(command)
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def enqueue(redis: Redis) -> Callable[..., Job]:
    """Put a job of tests.worker.errands into the queue as the gateway does its own."""
    queue = Queue(QUEUE, connection=redis, serializer="json")

    def enqueue_one(name: str, *arguments: Any, timeout: int = 60) -> Job:
        retry = Retry(max=2, enqueue_at_front=True)
        return queue.enqueue(f"tests.worker.errands.{name}", *arguments, retry=retry, job_timeout=timeout)

    return enqueue_one


def until(what: Callable[[], Any], *, seconds: float = 120) -> None:
    """Return as soon as `what()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ended(job: Job, status: JobStatus) -> Callable[[], bool]:
    """Whether `job` has come to `status`."""
    return lambda: job.get_status(refresh=True) == status


def pids(notes: Path) -> list[int]:
    """The processes that wrote a line into `notes`, in order."""
    return [int(line.split()[0]) for line in notes.read_text().splitlines()] if notes.exists() else []


def alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_job_that_was_deleted_while_its_horse_loaded_is_done(
    valkey_url: str, redis: Redis, enqueue: Callable[..., Job], tmp_path: Path
) -> None:
    worker = LeasedWorker(QUEUE, connection=Redis.from_url(valkey_url), name="w", timing=TIMING, prepare_for_work=False)
    job = enqueue("note", str(tmp_path / "notes"))
    near, far = Pipe()
    with near, far, capture_logs() as lines:
        horse = threading.Thread(target=serve_errands, args=(far, worker), kwargs={"n_jobs": 9})
        horse.start()
        for job_id in ("deleted", job.id):  # the second is there, but its execution is not
            near.send(Errand(job_id, QUEUE, "gone"))
            assert near.recv() is True
        near.close()
        horse.join(60)
    assert [(line["event"], line["error"]) for line in lines] == [
        ("job_gone", "NoSuchJobError"),
        ("job_gone", "ValueError"),
    ]
    assert not (tmp_path / "notes").exists()


def test_a_horse_whose_parent_died_meanwhile_ends_without_a_word(redis: Redis) -> None:
    worker = LeasedWorker(QUEUE, connection=redis, name="w", timing=TIMING, prepare_for_work=False)
    near, far = Pipe()
    near.send(Errand("deleted", QUEUE, "gone"))
    near.close()
    with far:
        serve_errands(far, worker, n_jobs=9)  # it answers nobody, and finds nobody who has another


def test_two_jobs_run_in_one_horse_that_is_not_the_worker(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    worker = start()
    jobs = [enqueue("note", str(notes), word) for word in ("first", "second")]
    until(ended(jobs[1], JobStatus.FINISHED))
    first, second = pids(notes)
    assert first == second != worker.pid
    assert jobs[0].return_value() == "noted"


def test_a_horse_that_calls_itself_spent_is_replaced_without_harm_to_the_next_job(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    start()
    jobs = [enqueue(name, str(notes)) for name in ("spend", "note", "note")]
    until(ended(jobs[2], JobStatus.FINISHED))
    first, second, third = pids(notes)
    assert first != second == third
    assert not lost.exists()


def test_a_killed_horse_is_replaced_and_its_job_run_again(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    start()
    job = enqueue("sleep_once", str(notes))
    until(lambda: pids(notes))
    os.kill(pids(notes)[0], signal.SIGKILL)
    until(ended(job, JobStatus.FINISHED))
    first, second = pids(notes)
    assert first != second
    assert lost.read_text() == f"{job.id} requeued=True stopped=False\n"


def test_a_job_that_kills_its_horse_is_given_up_and_the_next_one_runs(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    start()
    poison = enqueue("die", str(notes))
    good = enqueue("note", str(tmp_path / "good"))
    until(ended(good, JobStatus.FINISHED))
    assert poison.get_status(refresh=True) == JobStatus.FAILED
    assert len(pids(notes)) == 3
    assert lost.read_text().splitlines()[-1] == f"{poison.id} requeued=False stopped=False"


def test_a_stopped_job_ends_at_once_and_is_not_run_again(
    start: Start, redis: Redis, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    start()
    job = enqueue("sleep", str(notes), 60)
    until(lambda: pids(notes))
    begin = time.monotonic()
    send_stop_job_command(redis, job.id, serializer="json")
    until(ended(job, JobStatus.STOPPED))
    assert time.monotonic() - begin < 30  # of the sixty that it would sleep
    after = enqueue("note", str(notes))
    until(ended(after, JobStatus.FINISHED))
    assert len(pids(notes)) == 2
    assert lost.read_text() == f"{job.id} requeued=False stopped=True\n"


def test_a_job_is_interrupted_when_its_time_is_up(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    start()
    job = enqueue("hang", str(notes), timeout=1)
    until(ended(job, JobStatus.FINISHED))
    assert [line.split(" ", 1)[1] for line in notes.read_text().splitlines()] == ["began", "out of time"]
    assert not lost.exists()


def test_an_idle_worker_ends_on_sigterm_and_takes_its_horse_along(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    worker = start()
    until(ended(enqueue("note", str(notes)), JobStatus.FINISHED))
    worker.terminate()
    assert worker.wait(60) == 0
    until(lambda: not alive(pids(notes)[0]))


def test_a_busy_worker_ends_on_sigterm_and_hands_its_job_back_unharmed(
    start: Start, redis: Redis, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    worker = start()
    job = enqueue("sleep_once", str(notes))
    until(lambda: pids(notes))
    worker.terminate()
    assert worker.wait(60) == 0
    assert not alive(pids(notes)[0])
    assert Queue(QUEUE, connection=redis, serializer="json").job_ids == [job.id]
    assert Job.fetch(job.id, connection=redis, serializer="json").retries_left == 2
    assert lost.read_text() == f"{job.id} requeued=True stopped=False\n"
    start()
    until(ended(job, JobStatus.FINISHED))


def test_a_job_that_listens_is_put_down_at_once_and_goes_first_although_it_has_no_retry(
    start: Start, redis: Redis, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    worker = start("30")
    job = Queue(QUEUE, connection=redis, serializer="json").enqueue("tests.worker.errands.listen", str(notes))
    until(lambda: pids(notes))
    other = enqueue("note", str(tmp_path / "other"))
    begin = time.monotonic()
    worker.terminate()
    assert worker.wait(10) == 0
    assert time.monotonic() - begin < 20  # long before the grace is over
    assert Queue(QUEUE, connection=redis, serializer="json").job_ids == [job.id, other.id]
    assert lost.read_text() == f"{job.id} requeued=True stopped=False\n"
    start()
    until(ended(other, JobStatus.FINISHED))
    assert job.get_status(refresh=True) == JobStatus.FINISHED
    assert [line.split(" ", 1)[1] for line in notes.read_text().splitlines()] == ["began", "put down", "began"]


def test_a_second_signal_takes_the_job_away_at_once(
    start: Start, redis: Redis, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    worker = start("30")
    job = enqueue("sleep_once", str(notes))
    until(lambda: pids(notes))
    worker.terminate()
    time.sleep(1.2)
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(20) == 0  # the grace is 30
    assert Job.fetch(job.id, connection=redis, serializer="json").retries_left == 2
    assert lost.read_text() == f"{job.id} requeued=True stopped=False\n"


def test_a_horse_is_replaced_after_so_many_jobs(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    start()
    jobs = [enqueue("note", str(notes)) for _ in range(JOBS_PER_PROCESS + 1)]
    until(ended(jobs[-1], JobStatus.FINISHED))
    *first, last = pids(notes)
    assert len(set(first)) == 1
    assert last not in first
    assert not lost.exists()


def test_a_short_job_is_finished_before_the_worker_ends_on_sigterm(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path, lost: Path
) -> None:
    notes = tmp_path / "notes"
    worker = start()
    job = enqueue("sleep", str(notes), 0.5)
    until(lambda: pids(notes))
    worker.terminate()
    assert worker.wait(60) == 0
    assert job.get_status(refresh=True) == JobStatus.FINISHED
    assert not lost.exists()


def test_a_worker_that_redis_forgot_makes_itself_known_again(
    start: Start, redis: Redis, enqueue: Callable[..., Job], tmp_path: Path
) -> None:
    start()
    until(ended(enqueue("note", str(tmp_path / "notes")), JobStatus.FINISHED))
    redis.flushall()
    until(lambda: get_keys(Queue(QUEUE, connection=redis)))
    until(ended(enqueue("note", str(tmp_path / "notes")), JobStatus.FINISHED))


def test_upkeep_does_not_wait_for_a_clock_that_was_set_back(valkey_url: str, redis: Redis) -> None:
    horse = Horse(print, preload=False)
    connection = Redis.from_url(valkey_url)
    worker = WarmWorker(QUEUE, connection=connection, horse=horse, name="w", timing=TIMING, on_lost=lambda *_: None)
    worker.register_birth()  # type: ignore[no-untyped-call]
    worker.run_maintenance_tasks()
    assert not worker.should_run_maintenance_tasks
    worker.last_cleaned_at = datetime.now(UTC) + timedelta(hours=2)  # type: ignore[assignment]
    time.sleep(TIMING.maintenance)
    assert worker.should_run_maintenance_tasks


def test_heartbeats_are_told_of_as_long_as_redis_takes_them(tmp_path: Path) -> None:
    told: list[str] = []
    with prepared(tmp_path) as valkey, subprocess.Popen(valkey.argv) as server:
        wait_until_ready(valkey.url)
        worker = WarmWorker(
            QUEUE,
            connection=Redis.from_url(valkey.url, retry=None),
            horse=Horse(print, preload=False),
            name="w",
            timing=TIMING,
            on_lost=lambda *_: None,
            on_heartbeat=lambda: told.append("idle" if worker.execution is None else "busy"),
        )
        worker.register_birth()  # type: ignore[no-untyped-call]
        worker.heartbeat()
        queue = worker.queues[0]
        job = queue.enqueue("tests.worker.errands.note")
        worker.prepare_execution(job)
        assert worker.execution is not None
        worker.maintain_heartbeats(job, worker.execution)
        server.kill()
        server.wait()
        with pytest.raises(RedisError):
            worker.heartbeat()
        worker.maintain_heartbeats(job, worker.execution)
    assert set(told) == {"idle", "busy"}
    assert told[-1] == "busy"


def test_an_idle_worker_waits_for_redis_for_a_while_and_then_ends_with_an_error(tmp_path: Path) -> None:
    with prepared(tmp_path) as valkey:
        server = subprocess.Popen(valkey.argv)
        wait_until_ready(valkey.url)
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.worker.light_worker", valkey.url, str(tmp_path / "lost")]
        )
        queue = Queue(QUEUE, connection=Redis.from_url(valkey.url))
        try:
            until(lambda: get_keys(queue))
            server.kill()
            server.wait()
            assert worker.wait(60) == 1
        finally:
            worker.kill()
            server.kill()
            worker.wait()
            server.wait()


def test_a_killed_worker_takes_its_horse_along_and_another_worker_finishes_the_job(
    start: Start, enqueue: Callable[..., Job], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    worker = start()
    job = enqueue("sleep_once", str(notes))
    until(lambda: pids(notes))
    worker.kill()
    until(lambda: not alive(pids(notes)[0]))
    start()
    until(ended(job, JobStatus.FINISHED))
    assert len(pids(notes)) == 2


def test_that_a_job_was_lost_is_told_before_rq_hands_it_to_others(redis: Redis, enqueue: Callable[..., Job]) -> None:
    job, seen = enqueue("sleep", "nowhere", 0), []
    worker = WarmWorker(
        QUEUE,
        connection=redis,
        horse=Horse(light_horse, "", "w", preload=False),
        name="w",
        timing=TIMING,
        on_lost=lambda _rq_id, requeued, _stopped: seen.append((requeued, job.get_status(refresh=True))),
    )
    for retries_left in (1, 0):
        job.set_status(JobStatus.STARTED)
        job.retries_left = retries_left
        worker.handle_job_failure(job, worker.queues[0])
        seen.append((bool(retries_left), job.get_status(refresh=True)))
    assert [status.value for _, status in seen] == ["started", "queued", "started", "failed"]
    assert [requeued for requeued, _ in seen] == [True, True, False, False]
