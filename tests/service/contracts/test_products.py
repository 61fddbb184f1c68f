from __future__ import annotations

import pytest

from service.contracts.job_store import JobStore
from service.contracts.jobs import JobState, TrainRequest
from service.contracts.products import discard, retract
from service.contracts.records import SYNTHETIC
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
