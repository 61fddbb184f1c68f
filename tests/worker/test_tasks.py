"""Jobs run in this process: what becomes of their records, and of what they leave behind."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
import torch
from redis import Redis
from structlog.testing import capture_logs

from service.contracts import live
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, JobResult, waiting
from service.contracts.records import DatasetRecord, ModelRecord
from service.contracts.requests import EvaluateRequest, GenerateRequest, TrainRequest
from service.contracts.storage import file_sha256, write_record
from tests.worker.conftest import submit
from tests.worker.tables import FAST_SAMPLER, TINY_NETWORK, TINY_TRAINING
from worker import outcomes
from worker.generate import run_generate
from worker.interruption import INTERRUPTION
from worker.outcomes import SPENT, OutOfTime
from worker.progress import JobLink
from worker.tasks import HANDED_OVER, INTERRUPTED, UNRECORDED, execute
from worker.train import run_train
from worker.workshop import Workshop, open_workshop


def small_cohort(model: ModelRecord, n_stays: int = 40) -> GenerateRequest:
    """A request that takes a moment."""
    return GenerateRequest(model_id=model.id, n_stays=n_stays, sampler=FAST_SAMPLER, evaluate=False)


def leftovers(shop: Workshop) -> list[Path]:
    """What jobs left in the store's folders for unfinished work."""
    return [*(shop.store.root / "staging").iterdir(), *(shop.store.root / "work").iterdir()]


def test_a_generation_succeeds_and_leaves_nothing_but_its_cohort(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan))
    assert execute(job_id, shop) == "succeeded"
    record = shop.jobs.read(job_id)
    assert (record.status, record.attempts) == ("succeeded", 1)
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.result is not None
    assert record.result.n_stays == 40
    cohort = shop.store.cohort(job_id)
    assert record.result.sha256 == cohort.files["cohort.parquet"].sha256
    assert pd.read_parquet(shop.store.cohort_dir(job_id) / "cohort.parquet")["stay"].nunique() == 40
    assert leftovers(shop) == []


def test_the_second_job_of_a_model_finds_it_loaded(shop: Workshop, orphan: ModelRecord) -> None:
    loads = []
    for _ in range(2):
        job_id = submit(shop, small_cohort(orphan))
        execute(job_id, shop)
        result = shop.jobs.read(job_id).result
        assert result is not None
        loads.append(result.model_load)
    assert loads == ["loaded", "warm"]


def test_a_training_publishes_a_model_that_generates(shop: Workshop, dataset: DatasetRecord) -> None:
    request = TrainRequest(dataset_id=dataset.id, name="mine", training=TINY_TRAINING, network=TINY_NETWORK, seed=3)
    job_id = submit(shop, request)
    assert execute(job_id, shop) == "succeeded"
    record = shop.jobs.read(job_id)
    assert record.model_id == job_id
    model = shop.store.model(job_id)
    assert (model.name, model.seed, model.dataset_id, model.job_id) == ("mine", 3, dataset.id, job_id)
    assert (model.n_train, model.n_holdout, model.n_steps) == (96, 24, 20)
    generation = submit(shop, small_cohort(model))
    assert execute(generation, shop) == HANDED_OVER
    assert execute(generation, shop, stage="evaluation") == "succeeded"
    assert leftovers(shop) == []


def test_a_cohort_of_ours_is_evaluated_against_its_dataset(
    shop: Workshop, dataset: DatasetRecord, model: ModelRecord
) -> None:
    cohort = submit(shop, small_cohort(model))
    execute(cohort, shop)
    execute(cohort, shop, stage="evaluation")
    job_id = submit(shop, EvaluateRequest(dataset_id=dataset.id, job_id=cohort, metrics=("total_variation",)))
    assert execute(job_id, shop) == "succeeded"
    assert {"report.json", "report.html", "record.json"} == {f.name for f in shop.store.report_dir(job_id).iterdir()}


def test_an_interrupted_job_says_nothing_in_its_record_and_a_training_keeps_its_state(
    shop: Workshop, dataset: DatasetRecord, orphan: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(INTERRUPTION, "is_due", lambda *, loses_work: True)
    request = TrainRequest(dataset_id=dataset.id, name="mine", training=TINY_TRAINING, network=TINY_NETWORK)
    for wanted in (request, small_cohort(orphan)):
        job_id = submit(shop, wanted)
        assert execute(job_id, shop) == INTERRUPTED
        assert shop.jobs.read(job_id).status == "running"  # the parent says the rest
    assert list((shop.store.root / "staging").iterdir()) == []
    monkeypatch.undo()
    shop.jobs.transition(job_id, outcomes.lost("making", requeued=True, stopped=False))
    assert execute(job_id, shop) == "succeeded"


def test_a_job_that_does_not_look_up_is_cancelled_all_the_same_and_its_process_replaced(
    shop: Workshop, orphan: ModelRecord, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(*_: object, **__: object) -> None:
        while True:
            sum(range(1000))

    monkeypatch.setattr("worker.tasks.run_generate", deaf)
    job_id = submit(shop, small_cohort(orphan))

    def cancel() -> None:
        shop.jobs.transition(job_id, lambda record: record.model_copy(update={"status": "cancelling"}))
        live.request_cancel(redis, job_id)

    timer = threading.Timer(0.5, cancel)
    timer.start()
    begin = time.monotonic()
    assert execute(job_id, shop) == SPENT
    assert time.monotonic() - begin < 0.5 + 20  # it would never have looked up
    assert shop.jobs.read(job_id).status == "cancelled"
    assert leftovers(shop) == []


def test_a_job_that_has_ended_is_not_done_again(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan))
    execute(job_id, shop)
    before = shop.jobs.read(job_id)
    assert execute(job_id, shop) == "skipped"
    assert shop.jobs.read(job_id) == before


def test_a_job_that_was_removed_is_skipped(shop: Workshop) -> None:
    assert execute("no-such-job", shop) == "skipped"
    assert leftovers(shop) == []


def test_a_job_that_was_given_up_while_it_ran_leaves_no_cohort(
    shop: Workshop, orphan: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given_up_meanwhile(record: JobRecord, request: GenerateRequest, *, shop: Workshop, link: JobLink) -> JobResult:
        result = run_generate(record, request, shop=shop, link=link)
        assert isinstance(result, JobResult)
        shop.jobs.transition(record.id, outcomes.cancelled)
        return result

    monkeypatch.setattr("worker.tasks.run_generate", given_up_meanwhile)
    job_id = submit(shop, small_cohort(orphan))
    assert execute(job_id, shop) == "skipped"
    assert shop.jobs.read(job_id).status == "cancelled"
    assert not shop.store.exists("cohorts", job_id)
    assert leftovers(shop) == []


def test_a_training_that_was_cancelled_and_deleted_while_it_ran_leaves_no_model(
    shop: Workshop, dataset: DatasetRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_meanwhile(record: JobRecord, request: TrainRequest, *, shop: Workshop, link: JobLink) -> JobResult:
        result = run_train(record, request, shop=shop, link=link)
        shop.jobs.transition(record.id, outcomes.cancelled)
        shop.jobs.remove(record.id)
        return result

    monkeypatch.setattr("worker.tasks.run_train", deleted_meanwhile)
    request = TrainRequest(dataset_id=dataset.id, name="mine", training=TINY_TRAINING, network=TINY_NETWORK)
    job_id = submit(shop, request)
    assert execute(job_id, shop) == "skipped"
    assert not shop.store.exists("models", job_id)
    assert leftovers(shop) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_fails_the_job_and_is_named(shop: Workshop, orphan: ModelRecord) -> None:
    without = open_workshop(shop.settings.model_copy(update={"device": "cuda"}))
    job_id = submit(shop, small_cohort(orphan))
    assert execute(job_id, without) == "failed"
    error = shop.jobs.read(job_id).error
    assert error is not None
    assert "no usable GPU" in error.detail


def test_a_cancelled_job_is_not_begun(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan))
    shop.jobs.transition(job_id, outcomes.started("making"))
    shop.jobs.transition(job_id, lambda record: record.model_copy(update={"status": "cancelling"}))
    assert execute(job_id, shop) == "cancelled"
    assert not shop.store.exists("cohorts", job_id)


def test_a_running_job_is_cancelled_in_the_middle(shop: Workshop, orphan: ModelRecord, redis: Redis) -> None:
    job_id = submit(shop, small_cohort(orphan, n_stays=500_000))
    timer = threading.Timer(1.0, live.request_cancel, (redis, job_id))
    timer.start()
    assert execute(job_id, shop) == "cancelled"
    timer.join()
    assert shop.jobs.read(job_id).status == "cancelled"
    assert not shop.store.exists("cohorts", job_id)
    assert leftovers(shop) == []


def test_an_unknown_model_fails_the_job_and_is_named(shop: Workshop) -> None:
    job_id = submit(shop, GenerateRequest(model_id="gone", n_stays=1))
    assert execute(job_id, shop) == "failed"
    error = shop.jobs.read(job_id).error
    assert error is not None
    assert error.type.endswith("not-found")
    assert error.detail == "there is no model 'gone'"


@contextmanager
def disk_of(n_bytes: int) -> Iterator[None]:
    """No file can grow beyond `n_bytes`: the kernel says so by EFBIG, as it says ENOSPC of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_fails_the_job_with_that_reason_and_leaves_nothing(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan, n_stays=2000))
    with disk_of(20_000), capture_logs():  # our log is a file, too
        assert execute(job_id, shop) == "failed"
    error = shop.jobs.read(job_id).error
    assert error is not None
    assert error.type.endswith("disk-full")
    assert "disk full" in error.detail
    assert not shop.store.exists("cohorts", job_id)
    assert leftovers(shop) == []


@contextmanager
def file_system_of(size: str, folder: Path) -> Iterator[None]:
    """A file system of its own on `folder`; the test is skipped where we may not mount."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_file_system_fails_the_job_with_that_reason(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan, n_stays=2000))
    with file_system_of("64k", shop.store.root / "staging"):
        assert execute(job_id, shop) == "failed"
        assert leftovers(shop) == []
    error = shop.jobs.read(job_id).error
    assert error is not None
    assert error.type.endswith("disk-full")


@contextmanager
def unwritable(until: Callable[[], bool], only: Callable[[str], bool] = lambda _: True) -> Iterator[None]:
    """Records whose new status `only` names cannot be written, for want of space, until `until()`."""
    write = JobStore.transition

    def transition(jobs: JobStore, job_id: str, change: outcomes.Change) -> JobRecord:
        if only(change(jobs.read(job_id)).status) and not until():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(jobs, job_id, change)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobStore, "transition", transition)
        patch.setattr("worker.tasks.RECORD_POLL_SECONDS", 0.01)
        patch.setattr("worker.tasks.RECORD_SECONDS", 0.2)
        yield


def third_time() -> Callable[[], bool]:
    """Answers False, False, True."""
    answers = iter([False, False, True])
    return lambda: next(answers)


def test_a_start_that_could_not_be_recorded_fails_the_job_as_soon_as_there_is_space(
    shop: Workshop, orphan: ModelRecord
) -> None:
    job_id = submit(shop, small_cohort(orphan))
    with unwritable(third_time()):
        assert execute(job_id, shop) == "failed"
    record = shop.jobs.read(job_id)
    assert record.error is not None
    assert record.error.type.endswith("disk-full")
    assert record.attempts == 1
    assert leftovers(shop) == []


def test_an_outcome_is_recorded_as_soon_as_there_is_space(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan))
    with unwritable(third_time(), only=lambda status: status == "succeeded"):
        assert execute(job_id, shop) == "succeeded"
    assert shop.jobs.read(job_id).status == "succeeded"


def test_a_job_whose_outcome_cannot_be_recorded_is_left_to_the_gateway(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan))
    with unwritable(lambda: False, only=lambda status: status == "succeeded"), capture_logs() as lines:
        assert execute(job_id, shop) == UNRECORDED
    assert lines[-1]["event"] == "outcome_not_recorded"
    assert shop.jobs.read(job_id).status == "running"
    assert not shop.store.exists("cohorts", job_id)


def test_a_full_file_system_of_records_fails_the_job_once_there_is_space(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.tasks.RECORD_POLL_SECONDS", 0.02)
    small, filler = tmp_path / "small", tmp_path / "small" / "filler"
    small.mkdir()
    with file_system_of("1m", small):
        shop = open_workshop(shop.settings.model_copy(update={"data_dir": small}))
        job_id = submit(shop, GenerateRequest(model_id="any", n_stays=1))
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        timer = threading.Timer(0.5, filler.unlink)
        timer.start()
        assert execute(job_id, shop) == "failed"
        timer.join()
        error = shop.jobs.read(job_id).error
        assert [path.name for path in shop.store.directory("jobs", job_id).iterdir()] == ["record.json"]
        assert leftovers(shop) == []
    assert error is not None
    assert error.type.endswith("disk-full")


def test_an_unforeseen_error_is_told_without_its_words(
    shop: Workshop, orphan: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("patient 4711 has a heart rate of 80.5")

    monkeypatch.setattr("worker.tasks.run_generate", broken)
    job_id = submit(shop, small_cohort(orphan))
    with capture_logs() as lines:
        assert execute(job_id, shop) == SPENT
    assert [line["event"] for line in lines] == ["job_started", "job_failed", "job_ended"]
    record = shop.jobs.read(job_id)
    assert record.status == "failed"
    assert record.error is not None
    assert "ValueError" in record.error.detail
    assert "4711" not in record.model_dump_json()


def test_a_second_attempt_beside_the_first_waits_and_finds_the_job_done(shop: Workshop, orphan: ModelRecord) -> None:
    job_id = submit(shop, small_cohort(orphan, n_stays=2000))
    ends: list[str] = []
    attempts = [threading.Thread(target=lambda: ends.append(execute(job_id, shop))) for _ in range(2)]
    for attempt in attempts:
        attempt.start()
    for attempt in attempts:
        attempt.join()
    assert sorted(ends) == ["skipped", "succeeded"]
    assert shop.jobs.read(job_id).attempts == 1


def test_an_attempt_outlives_the_lapse_of_its_lease(
    shop: Workshop, orphan: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_back_meanwhile(record: JobRecord, request: GenerateRequest, *, shop: Workshop, link: JobLink) -> JobResult:
        shop.jobs.transition(record.id, outcomes.lost("making", requeued=True, stopped=False))
        result = run_generate(record, request, shop=shop, link=link)
        assert isinstance(result, JobResult)
        return result

    monkeypatch.setattr("worker.tasks.run_generate", put_back_meanwhile)
    job_id = submit(shop, small_cohort(orphan))
    assert execute(job_id, shop) == "succeeded"
    assert shop.jobs.read(job_id).status == "succeeded"


def test_an_attempt_whose_job_is_put_back_in_the_moment_of_its_end_ends_it_all_the_same(
    shop: Workshop, orphan: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = JobStore.transition

    def put_back_each_time(jobs: JobStore, job_id: str, change: outcomes.Change) -> JobRecord:
        after = write(jobs, job_id, change)
        if after.status == "running":
            write(jobs, job_id, waiting)  # as the reconciler does
        return after

    monkeypatch.setattr(JobStore, "transition", put_back_each_time)
    job_id = submit(shop, small_cohort(orphan))
    assert execute(job_id, shop) == "succeeded"
    assert [change.status for change in shop.jobs.read(job_id).states] == ["queued", "running", "queued", "succeeded"]


def test_what_an_earlier_attempt_published_stays(shop: Workshop, orphan: ModelRecord) -> None:
    first = submit(shop, small_cohort(orphan).model_copy(update={"seed": 1}))  # as if by another kind of device
    execute(first, shop)
    again = submit(shop, small_cohort(orphan))
    (shop.store.root / "cohorts" / first).rename(shop.store.root / "cohorts" / again)
    assert execute(again, shop) == "succeeded"
    record = shop.jobs.read(again)
    assert record.result is not None
    published = shop.store.cohort(again).files["cohort.parquet"]
    assert (record.result.sha256, record.result.bytes) == (published.sha256, published.bytes)
    assert file_sha256(shop.store.cohort_dir(again) / "cohort.parquet") == published.sha256


def put_foreign_model(shop: Workshop, model: ModelRecord, job_id: str) -> ModelRecord:
    """An imported model that has the id of a train job."""
    folder = shutil.copytree(shop.store.model_dir(model.id), shop.store.root / "models" / job_id)
    foreign = model.model_copy(update={"id": job_id, "origin": "imported", "job_id": job_id})
    write_record(folder, foreign)
    return foreign


def test_an_imported_model_with_the_id_of_a_job_is_neither_its_result_nor_removed(
    shop: Workshop, dataset: DatasetRecord, model: ModelRecord
) -> None:
    request = TrainRequest(dataset_id=dataset.id, name="mine", training=TINY_TRAINING, network=TINY_NETWORK)
    job_id = submit(shop, request)
    foreign = put_foreign_model(shop, model, job_id)
    assert execute(job_id, shop) == "failed"
    error = shop.jobs.read(job_id).error
    assert error is not None
    assert "did not make" in error.detail
    assert execute(job_id, shop) == "skipped"  # which retracts what a failed job has published
    assert shop.store.model(job_id) == foreign


def test_a_job_that_has_used_up_its_time_fails_with_that_reason(
    shop: Workshop, orphan: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*_: object, **__: object) -> None:
        raise OutOfTime

    monkeypatch.setattr("worker.tasks.run_generate", too_slow)
    job_id = submit(shop, small_cohort(orphan))
    execute(job_id, shop)
    error = shop.jobs.read(job_id).error
    assert error is not None
    assert error.type.endswith("timeout")
