"""The worker as it is started: `python -m worker`, on a real queue, with real jobs of a tiny model."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from safetensors import safe_open
from structlog.testing import capture_logs

from model.compute import Compute
from model.spec.report import Detail
from model.training import CHECKPOINT
from service.connection import connect
from service.contracts import data_folder, live
from service.contracts.figures import Figures
from service.contracts.ids import new_id
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, now, queue_name
from service.contracts.live import WAITING_FOR_EVALUATION
from service.contracts.records import COHORT, ModelRecord
from service.contracts.requests import GenerateRequest, TrainRequest
from service.contracts.settings import Settings
from service.contracts.storage import RECORD, ArtifactStore, file_sha256, write_record
from service.jobs import JobQueue
from service.reconciler import Reconciler
from service.valkey import prepared, wait_until_ready
from tests.worker.conftest import ignore_progress, never, publish_dataset
from tests.worker.tables import FAST_SAMPLER, LENGTH, TINY_NETWORK, TINY_TRAINING
from worker.__main__ import _record_loss, _record_pardon, main
from worker.generate import generate_cohort
from worker.models import read_model

WAITING = WAITING_FOR_EVALUATION.step
SOON = 10.0  # seconds; a tenth of one where the machine has nothing else to do


class Worker:
    """A worker process and what it has logged."""

    def __init__(self, settings: Settings, queue: str, log: Path) -> None:
        environment = {
            **os.environ,
            "CDMT_CHECKPOINT_EVERY_SECONDS": "0.1" if settings.checkpoint_every_seconds == 60 else "3600",
            "REDIS_URL": settings.redis_url or "",
            "CDMT_DATA_DIR": str(settings.data_dir),
            "CDMT_DEVICE": "cpu",
            "CDMT_THREADS": "1",
            "CDMT_LEASE_SECONDS": "6",
        }
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", "--queue", queue, "--shutdown-seconds", "1"],
                env=environment,
                stdout=output,
                stderr=output,
            )

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of this event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    @property
    def horse(self) -> psutil.Process:
        """The process that runs the jobs: the youngest that said it is ready."""
        return psutil.Process(self.lines("horse_ready")[-1]["pid"])


def until(what: Callable[[], Any], *, seconds: float = 120) -> None:
    """Return as soon as `what()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def queue(settings: Settings, valkey_url: str, redis: Redis, trained_folder: Path) -> JobQueue:
    """The gateway's side of the queue, over a store that holds the tiny model as `tiny-model`."""
    settings = settings.model_copy(update={"redis_url": valkey_url})
    store = ArtifactStore(settings.data_dir)
    put_model(store, trained_folder)
    return JobQueue(redis=redis, jobs=JobStore(store), settings=settings)


def put_model(store: ArtifactStore, trained_folder: Path) -> None:
    """Store the tiny model as `tiny-model`."""
    folder = shutil.copytree(trained_folder, store.root / "models" / "tiny-model")
    record = ModelRecord.model_validate_json((folder / RECORD).read_bytes())
    write_record(folder, record.model_copy(update={"id": "tiny-model"}))


@contextmanager
def killed_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which does not outlive the test."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def worker(queue: JobQueue, tmp_path: Path) -> Iterator[Worker]:
    """A worker for generate jobs, up and running."""
    worker = Worker(queue.settings, "generate", tmp_path / "worker.log")
    with killed_at_the_end(worker.process):
        yield worker


def submit(queue: JobQueue, n_stays: int, *, evaluate: bool = False, detail: Detail = "quick") -> str:
    """A generate job, put into the queue as the gateway does."""
    request = GenerateRequest(
        model_id="tiny-model", n_stays=n_stays, sampler=FAST_SAMPLER, evaluate=evaluate, detail=detail
    )
    record = JobRecord(id=new_id(), created_at=now(), request=request)
    queue.submit(record)
    return record.id


def has(queue: JobQueue, job_id: str, status: str) -> Callable[[], bool]:
    """Whether the job has come to `status`."""
    return lambda: queue.jobs.read(job_id).status == status


def model_load(queue: JobQueue, job_id: str) -> str | None:
    """Whether the job that has succeeded had to load its model."""
    result = queue.jobs.read(job_id).result
    assert result is not None
    return result.model_load


def samples(queue: JobQueue, job_id: str) -> Callable[[], bool]:
    """Whether the job shows that it is sampling."""

    def look() -> bool:
        progress = live.read_progress(queue.redis, job_id)
        return progress is not None and progress.step == "sampling" and progress.value > 0

    return look


def test_the_parent_never_imports_torch_or_what_needs_it() -> None:
    code = "import sys, worker.__main__; print([m for m in ('torch', 'sklearn', 'pandas') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_without_a_redis_it_says_what_to_do(settings: Settings) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "CDMT_REDIS_URL")}
    command = [sys.executable, "-m", "worker", "--queue", "train"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert ended.returncode == 2
    assert "REDIS_URL" in json.loads(ended.stdout)["hint"]


def test_jobs_run_warm_are_cancelled_and_are_done_again_when_their_process_is_killed(
    queue: JobQueue, worker: Worker
) -> None:
    # two jobs: the second finds the model loaded
    first, second = submit(queue, 20), submit(queue, 20)
    until(has(queue, second, "succeeded"))
    assert [model_load(queue, job_id) for job_id in (first, second)] == ["loaded", "warm"]
    assert len(worker.lines("model_loaded")) == 1

    # a running job is cancelled, and the model stays loaded
    endless = submit(queue, 1_000_000)
    until(samples(queue, endless))
    begin = time.monotonic()
    assert queue.cancel(endless).status == "cancelling"
    until(has(queue, endless, "cancelled"))
    assert time.monotonic() - begin < SOON
    assert not list((queue.jobs.store.root / "staging").iterdir())

    # the horse is killed in the middle of a job: another one does it again, from the start
    job_id = submit(queue, 60_000)
    until(samples(queue, job_id))
    killed = worker.horse.pid
    os.kill(killed, signal.SIGKILL)
    until(has(queue, job_id, "succeeded"))
    assert (queue.jobs.read(job_id).attempts, model_load(queue, job_id)) == (2, "loaded")
    assert len(pd.read_parquet(queue.jobs.store.cohort_dir(job_id) / COHORT)) == 60_000 * LENGTH
    assert worker.horse.pid != killed
    assert len(worker.lines("model_loaded")) == 2


@contextmanager
def frozen(queue: JobQueue, job_id: str) -> Iterator[None]:
    """Nobody can change the job's record meanwhile: whoever is about to, waits."""
    descriptor = os.open(queue.jobs.store.directory("jobs", job_id), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_a_kill_between_the_publication_and_the_record_costs_an_attempt_and_leaves_the_first_cohort_or_none(
    queue: JobQueue, worker: Worker
) -> None:
    def killed_once_published(job_id: str) -> int:
        with frozen(queue, job_id):
            until(lambda: queue.jobs.store.exists("cohorts", job_id))
            time.sleep(0.3)
            os.kill(worker.horse.pid, signal.SIGKILL)
            return (queue.jobs.store.cohort_dir(job_id) / COHORT).stat().st_ino

    job_id = submit(queue, 20_000)
    until(samples(queue, job_id))
    inode = killed_once_published(job_id)
    until(has(queue, job_id, "succeeded"))
    record, cohort = queue.jobs.read(job_id), queue.jobs.store.cohort_dir(job_id) / COHORT
    assert record.attempts == 2
    assert record.result is not None
    assert (cohort.stat().st_ino, file_sha256(cohort)) == (inode, record.result.sha256)

    # the same at the last attempt: the job has failed, and nothing is left of it
    queue.settings = queue.settings.model_copy(update={"max_attempts": 1})
    last = submit(queue, 20_000)
    until(samples(queue, last))
    killed_once_published(last)
    until(has(queue, last, "failed"))
    until(lambda: products(queue) == {job_id})


def test_a_job_that_does_not_listen_is_stopped_by_force_and_sigterm_puts_a_job_back(
    queue: JobQueue, worker: Worker
) -> None:
    deaf = submit(queue, 1_000_000)
    until(samples(queue, deaf))
    os.kill(worker.horse.pid, signal.SIGSTOP)
    queue.cancel(deaf)
    queue.settings = queue.settings.model_copy(update={"cancel_grace_seconds": 0.1})
    time.sleep(0.2)
    Reconciler(queue).reconcile()
    until(has(queue, deaf, "cancelled"))

    # SIGTERM: the job that runs goes back to the queue, unfinished but not lost
    last = submit(queue, 1_000_000)
    until(samples(queue, last))
    worker.process.terminate()
    assert worker.process.wait(60) == 0
    assert queue.jobs.read(last).status == "queued"
    assert queue.status(queue.jobs.read(last)).queue_position == 0


def test_two_workers_share_a_queue_and_a_job_that_both_were_given_has_one_result(
    queue: JobQueue, worker: Worker, tmp_path: Path
) -> None:
    other = Worker(queue.settings, "generate", tmp_path / "other.log")
    with killed_at_the_end(other.process):
        until(lambda: queue.workers()["generate"] == 2 and worker.lines("horse_ready") and other.lines("horse_ready"))
        raced = submit(queue, 20_000)
        name = queue_name("generate", installation_id(queue.jobs.store.root))
        Queue(name, connection=queue.redis, serializer="json").enqueue_call(
            "worker.tasks.run", args=[raced], job_id="as-if-a-lease-had-lapsed"
        )
        others = [submit(queue, 2_000) for _ in range(6)]
        until(lambda: all(queue.jobs.read(job_id).is_terminal for job_id in (raced, *others)))
        assert {queue.jobs.read(job_id).status for job_id in (raced, *others)} == {"succeeded"}
        until(lambda: worker.lines("job_skipped") + other.lines("job_skipped"))
    started = [line["job_id"] for each in (worker, other) for line in each.lines("job_started")]
    assert sorted(started) == sorted([raced, *others])  # each of them once
    assert all(each.lines("job_started") or each.lines("job_skipped") for each in (worker, other))
    record = queue.jobs.read(raced)
    assert record.attempts == 1
    assert record.result is not None
    assert file_sha256(queue.jobs.store.cohort_dir(raced) / COHORT) == record.result.sha256
    assert products(queue) == {raced, *others}


def test_a_training_whose_process_is_killed_goes_on_from_its_checkpoint(queue: JobQueue, tmp_path: Path) -> None:
    dataset = publish_dataset(queue.jobs.store)
    training = TINY_TRAINING.model_copy(update={"max_steps": 600})
    request = TrainRequest(dataset_id=dataset.id, name="tiny", training=training, network=TINY_NETWORK)
    record = JobRecord(id=new_id(), created_at=now(), request=request)
    queue.submit(record)
    worker = Worker(queue.settings, "train", tmp_path / "worker.log")
    with killed_at_the_end(worker.process):
        until(lambda: training_step(queue, record.id) > 60)
        os.kill(worker.horse.pid, signal.SIGKILL)
        live.clear(queue.redis, record.id)
        until(lambda: training_step(queue, record.id) > 0)
        assert training_step(queue, record.id) > 20
        until(has(queue, record.id, "succeeded"))
        until(lambda: not list((queue.jobs.store.root / "work").iterdir()))  # swept after the record was written
    assert queue.jobs.read(record.id).attempts == 2
    assert queue.jobs.store.model(record.id).n_steps == 600


def trained_beyond(queue: JobQueue, job_id: str, step: int) -> bool:
    """Whether the job shows a later optimiser step."""
    return training_step(queue, job_id) > step


def test_a_training_that_is_told_to_end_loses_no_step_and_goes_on_in_the_next_worker(
    queue: JobQueue, tmp_path: Path
) -> None:
    dataset = publish_dataset(queue.jobs.store)
    training = TINY_TRAINING.model_copy(update={"max_steps": 600})
    request = TrainRequest(dataset_id=dataset.id, name="tiny", training=training, network=TINY_NETWORK)
    records = [JobRecord(id=new_id(), created_at=now(), request=request) for _ in range(2)]
    for record in records:
        queue.submit(record)
    job_id = records[0].id
    settings = queue.settings.model_copy(update={"checkpoint_every_seconds": 3600})
    for attempt in (1, 2):
        before = training_step(queue, job_id)
        worker = Worker(settings, "train", tmp_path / f"worker-{attempt}.log")
        with killed_at_the_end(worker.process):
            until(partial(trained_beyond, queue, job_id, before + 40))
            begin = time.monotonic()
            worker.process.terminate()
            assert worker.process.wait(60) == 0
            assert time.monotonic() - begin < SOON
        assert worker.lines("job_interrupted")
        assert [queue.jobs.read(record.id).status for record in records] == ["queued", "queued"]
        assert queue.status(queue.jobs.read(job_id)).queue_position == 0
        assert Job.fetch(job_id, queue.redis, "json").retries_left == queue.settings.max_attempts - 1
        with safe_open(queue.jobs.store.work_dir(job_id) / CHECKPOINT, framework="np") as file:
            kept = json.loads(file.metadata()["progress"])["step"]
        assert kept >= training_step(queue, job_id) > before + 40
    last = Worker(settings, "train", tmp_path / "last.log")
    with killed_at_the_end(last.process):
        until(has(queue, job_id, "succeeded"), seconds=120)
    assert queue.jobs.store.model(job_id).n_steps == 600


def products(queue: JobQueue) -> set[str]:
    """The jobs that have something in the store."""
    return {path.name for kind in ("cohorts", "reports", "work") for path in (queue.jobs.store.root / kind).iterdir()}


def evaluates(queue: JobQueue, job_id: str) -> Callable[[], bool]:
    """Whether the job shows that its cohort is being evaluated."""

    def look() -> bool:
        progress = live.read_progress(queue.redis, job_id)
        stage = queue.jobs.read(job_id).stage
        return stage == "evaluation" and progress is not None and progress.step not in ("sampling", WAITING)

    return look


def test_a_cohort_is_evaluated_by_another_worker_can_be_cancelled_in_each_phase_and_is_drawn_once(
    queue: JobQueue, worker: Worker, tmp_path: Path
) -> None:
    # nobody evaluates yet: the one who draws is free for the next job, the cohort waits, and can be cancelled at once
    waiting, other = submit(queue, 30, evaluate=True), submit(queue, 30, evaluate=True)
    until(lambda: queue.jobs.read(other).stage == "evaluation")
    until(lambda: queue.status(queue.jobs.read(other)).queue_position == 1)
    record = queue.jobs.read(waiting)
    status = queue.status(record)
    assert record.status == "running"
    assert status.progress is not None
    assert (status.progress.step, status.queue_position) == (WAITING, 0)
    assert queue.cancel(waiting).status == "cancelled"
    assert not queue.jobs.store.exists("cohorts", waiting)

    # the process that evaluates is killed: the evaluation is done again, the cohort is not drawn again
    evaluator = Worker(queue.settings, "evaluate", tmp_path / "evaluator.log")
    with killed_at_the_end(evaluator.process):
        until(evaluates(queue, other))
        drawn = queue.jobs.store.cohort_dir(other) / COHORT
        before = drawn.stat().st_ino
        os.kill(evaluator.horse.pid, signal.SIGKILL)
        until(has(queue, other, "succeeded"), seconds=120)
        record = queue.jobs.read(other)
        assert (record.attempts, record.evaluation_attempts) == (1, 2)
        assert drawn.stat().st_ino == before
        assert set(queue.jobs.store.report(other).files) == {"report.html", "report.json"}
        assert record.result is not None
        assert record.result.privacy == "not_evaluated"

        # a cancel while it is evaluated
        begun = submit(queue, 3000, evaluate=True, detail="full")
        until(evaluates(queue, begun))
        begin = time.monotonic()
        assert queue.cancel(begun).status == "cancelling"
        until(has(queue, begun, "cancelled"))
        assert time.monotonic() - begin < SOON
        until(lambda: products(queue) == {other})


def test_a_crash_at_the_handover_loses_nothing_and_enqueues_once(queue: JobQueue, worker: Worker) -> None:
    job_id = submit(queue, 30, evaluate=True)
    evaluations = "rq:queue:" + queue_name("evaluate", installation_id(queue.jobs.store.root))
    until(lambda: queue.redis.llen(evaluations) == 1)
    queue.redis.delete(evaluations, f"rq:job:{job_id}-evaluation")  # as if it had died before
    for _ in range(2):
        Reconciler(queue).reconcile()
    assert queue.redis.lrange(evaluations, 0, -1) == [f"{job_id}-evaluation".encode()]
    assert queue.jobs.read(job_id).status == "running"


def training_step(queue: JobQueue, job_id: str) -> int:
    """The optimiser step that the job shows; 0 before the first."""
    progress = live.read_progress(queue.redis, job_id)
    return progress.value if progress is not None and progress.step == "training" else 0


def test_every_log_line_is_json_a_jobs_lines_name_it_and_another_process_draws_the_same_bytes(
    queue: JobQueue, worker: Worker, tmp_path: Path
) -> None:
    job_id = submit(queue, 5)
    until(has(queue, job_id, "succeeded"))
    record = queue.jobs.read(job_id)
    assert isinstance(record.request, GenerateRequest)
    assert record.result is not None
    here = generate_cohort(
        read_model(queue.jobs.store.model_dir("tiny-model"), Compute(device="cpu")),
        record.request,
        destination=tmp_path,
        real=None,
        chunk_size=None,
        progress=ignore_progress,
        cancelled=never,
    )
    assert here.result.sha256 == record.result.sha256
    until(lambda: worker.lines("job_ended"))
    (line,) = worker.lines("job_ended")
    assert line["job_id"] == job_id
    assert line["status"] == "succeeded"


def test_the_worker_ends_with_an_error_when_redis_is_away_for_long_and_the_result_stays(
    settings: Settings, trained_folder: Path, tmp_path: Path
) -> None:
    with prepared(tmp_path / "valkey") as valkey, ExitStack() as processes:
        server = processes.enter_context(killed_at_the_end(subprocess.Popen(valkey.argv)))
        wait_until_ready(valkey.url)
        settings = settings.model_copy(update={"redis_url": valkey.url})
        queue = JobQueue(
            redis=Redis.from_url(valkey.url), jobs=JobStore(ArtifactStore(settings.data_dir)), settings=settings
        )
        put_model(queue.jobs.store, trained_folder)
        worker = Worker(settings, "generate", tmp_path / "worker.log")
        processes.enter_context(killed_at_the_end(worker.process))
        job_id = submit(queue, 60_000)
        until(samples(queue, job_id))
        server.kill()
        until(has(queue, job_id, "succeeded"))
        assert worker.process.wait(30) == 1


def test_sigterm_while_redis_is_away_costs_no_attempt(settings: Settings, trained_folder: Path, tmp_path: Path) -> None:
    with prepared(tmp_path / "valkey") as valkey, ExitStack() as processes:

        def start_redis() -> subprocess.Popen[bytes]:
            server = processes.enter_context(killed_at_the_end(subprocess.Popen(valkey.argv)))
            wait_until_ready(valkey.url)
            return server

        server = start_redis()
        settings = settings.model_copy(update={"redis_url": valkey.url, "max_attempts": 1})
        store = ArtifactStore(settings.data_dir)
        queue = JobQueue(redis=connect(valkey.url), jobs=JobStore(store), settings=settings)
        put_model(store, trained_folder)
        worker = Worker(settings, "generate", tmp_path / "worker.log")
        processes.enter_context(killed_at_the_end(worker.process))
        job_id = submit(queue, 1_000_000)
        until(samples(queue, job_id))
        time.sleep(1.1)  # the append-only file goes to the disk each second
        server.kill()
        server.wait()
        worker.process.terminate()
        worker.process.wait(30)
        start_redis()
        assert queue.jobs.read(job_id).pardons == 1

        def waits_again() -> bool:
            Reconciler(queue).reconcile()
            return queue.jobs.read(job_id).status == "queued"

        until(waits_again)  # once the lease has run out
        assert queue.jobs.read(job_id).pardons == 0
        assert queue.status(queue.jobs.read(job_id)).queue_position == 0


def test_a_record_of_another_version_does_not_end_the_worker_that_lost_its_job(
    settings: Settings, redis: Redis
) -> None:
    jobs = JobStore(ArtifactStore(settings.data_dir))
    record = JobRecord(id="job-1", created_at=now(), request=GenerateRequest(model_id="model-1", n_stays=1))
    jobs.create(record)
    path = jobs.store.directory("jobs", "job-1") / RECORD
    path.write_text('{"of": "another version"}')
    with capture_logs() as lines:
        _record_loss(jobs, Figures(redis, "aaaaaaaaaaaa"), redis, "job-1", requeued=False, stopped=False)
        _record_pardon(jobs, "job-1")
    assert [line["event"] for line in lines] == ["loss_not_recorded", "pardon_not_recorded"]
    assert path.read_text() == '{"of": "another version"}'


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("CDMT_THREADS", "s3cret", "CDMT_THREADS: "), ("CDMT_DEVICE", "s3cret", "CDMT_DEVICE: ")],
)
def test_a_wrong_setting_is_named_in_one_line_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, told: str
) -> None:
    monkeypatch.setenv("CDMT_REDIS_URL", "redis://:passw0rd@localhost")
    monkeypatch.setenv(name, value)
    assert main(["--queue", "train"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"the worker does not start: {told}")
    assert error.count("\n") == 1
    assert "s3cret" not in error
    assert "passw0rd" not in error


def test_the_data_folder_of_a_newer_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / data_folder.FILE).write_text('{"version": 2}')
    monkeypatch.setenv("CDMT_REDIS_URL", "redis://localhost")
    monkeypatch.setenv("CDMT_DATA_DIR", str(tmp_path))
    assert main(["--queue", "train"]) == 2
    assert "storage version 2" in capsys.readouterr().err
    assert not (tmp_path / "datasets").exists()
