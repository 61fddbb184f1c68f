"""What a job leaves in the store, and how it is removed again where the job does not succeed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from service.contracts.errors import NotFound
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobKind, JobRecord
from service.contracts.records import SYNTHETIC, CohortRecord, ModelRecord, ReportRecord
from service.contracts.storage import ArtifactStore, Kind

PRODUCTS: dict[JobKind, tuple[Kind, ...]] = {
    "train": ("models",),
    "generate": ("cohorts", "reports"),
    "evaluate": ("reports",),
}


def retract(job: JobRecord, store: ArtifactStore) -> None:
    """Remove what a job that has ended kept for another attempt, and, unless it succeeded, what it published.

    Nobody else would find or delete it.
    """
    if job.is_terminal:
        store.remove_work_dir(job.id)
    if job.is_terminal and job.status != "succeeded":
        discard(job, store)


def discard(job: JobRecord, store: ArtifactStore) -> None:
    """Remove what a job published, if it did, and the table that came with it.

    A model under its id that came from elsewhere stays.
    """
    with suppress(NotFound):
        (store.directory("jobs", job.id) / SYNTHETIC).unlink(missing_ok=True)
    for kind in PRODUCTS[job.kind]:
        with suppress(NotFound):
            if kind != "models" or is_product(store.model(job.id), job.id):
                store.remove(kind, job.id)


def is_product(record: ModelRecord | CohortRecord | ReportRecord, job_id: str) -> bool:
    """Whether the job made it. Cohorts and reports come from jobs only, but a model may have been imported."""
    return not isinstance(record, ModelRecord) or (record.origin == "trained" and record.job_id == job_id)


def sweep_products(jobs: JobStore) -> int:
    """Remove what jobs published that did not succeed, or are deleted; returns of how many jobs.

    Their process died between the last record and the tidying-up, or a second one came too late to know.
    """
    left = list(_left(jobs))
    for job_id in left:
        try:
            discard(jobs.read(job_id), jobs.store)
        except NotFound:
            _remove_orphan(job_id, jobs.store)
    return len(left)


def _left(jobs: JobStore) -> Iterator[str]:
    store = jobs.store
    published = {job_id: kind for kind in ("models", "reports", "cohorts") for job_id in store.ids(kind)}
    ended = jobs.ended()
    for job_id, end in ended.items():
        if end.status != "succeeded" and (job_id in published or _has_table(end.kind, job_id, store)):
            yield job_id
    for job_id, kind in published.items():  # a model stays when its job is deleted
        if kind != "models" and job_id not in ended and not store.exists("jobs", job_id):
            yield job_id


def _has_table(kind: JobKind, job_id: str, store: ArtifactStore) -> bool:
    return kind == "evaluate" and (store.directory("jobs", job_id) / SYNTHETIC).exists()


def _remove_orphan(job_id: str, store: ArtifactStore) -> None:
    for kind in ("reports", "cohorts"):
        with suppress(NotFound):
            store.remove(kind, job_id)
