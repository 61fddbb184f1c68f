"""What a job leaves in the store, and how it is removed again where the job does not succeed."""

from __future__ import annotations

from contextlib import suppress

from service.contracts.errors import NotFound
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
