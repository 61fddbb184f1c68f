from __future__ import annotations

from functools import partial

import pytest

from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, JobState, now
from service.contracts.products import discard, retract, sweep_products
from service.contracts.records import SYNTHETIC
from service.contracts.requests import EvaluateRequest, TrainRequest
from service.contracts.storage import ArtifactStore
from tests.service.making import add_job, add_model


def publish(store: ArtifactStore, job_id: str) -> None:
    for kind in ("cohorts", "reports"):
        with store.staging("test") as folder:
            store.publish(folder, kind, job_id)


@pytest.mark.parametrize(
    ("status", "kept"),
    [("queued", True), ("running", True), ("succeeded", True), ("failed", False), ("cancelled", False)],
)
def test_what_a_job_made_stays_unless_it_ended_otherwise_than_well(
    store: ArtifactStore, status: JobState, *, kept: bool
) -> None:
    job = add_job(store, "job-1").model_copy(update={"status": status})
    publish(store, "job-1")
    retract(job, store)
    assert [store.exists("cohorts", "job-1"), store.exists("reports", "job-1")] == [kept, kept]
    retract(job, store)


def test_the_table_that_came_with_a_job_goes_with_its_products(store: ArtifactStore, jobs: JobStore) -> None:
    job = add_job(store, "job-1")
    table = store.directory("jobs", "job-1") / SYNTHETIC
    table.touch()
    discard(job, store)
    assert not table.exists()
    assert jobs.read("job-1") == job


def test_a_model_that_came_from_elsewhere_stays(store: ArtifactStore) -> None:
    add_model(store, "job-1")
    request = TrainRequest(dataset_id="data-1", name="a")
    discard(add_job(store, "job-1").model_copy(update={"request": request}), store)
    assert store.exists("models", "job-1")


def test_the_sweep_finds_what_was_left_by_jobs_that_did_not_succeed_or_are_deleted(
    store: ArtifactStore, jobs: JobStore
) -> None:
    ends: dict[str, JobState] = {"job-1": "failed", "job-2": "cancelled", "job-3": "succeeded", "job-4": "running"}
    for job_id, status in ends.items():
        add_job(store, job_id)
        for state in ("running", status):
            jobs.transition(job_id, partial(with_status, status=state))
        publish(store, job_id)
    publish(store, "job-5")  # deleted while a second attempt at it was under way
    add_model(store, "job-6")
    list(jobs.active())
    assert sweep_products(jobs) == 3
    assert store.ids("cohorts") == store.ids("reports") == ["job-4", "job-3"]
    assert store.exists("models", "job-6")
    assert sweep_products(jobs) == 0


def test_the_sweep_finds_the_table_of_an_evaluation_that_failed(store: ArtifactStore, jobs: JobStore) -> None:
    request = EvaluateRequest(dataset_id="data-1", job_id="job-0")
    for job_id in ("job-1", "job-2"):
        jobs.create(JobRecord(id=job_id, created_at=now(), request=request))
        (store.directory("jobs", job_id) / SYNTHETIC).touch()
    jobs.transition("job-1", partial(with_status, status="failed"))
    list(jobs.active())
    sweep_products(jobs)
    assert not (store.directory("jobs", "job-1") / SYNTHETIC).exists()
    assert (store.directory("jobs", "job-2") / SYNTHETIC).exists()


def with_status(job: JobRecord, status: JobState) -> JobRecord:
    return job.model_copy(update={"status": status})
