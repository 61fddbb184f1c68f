"""What a job has made becomes visible under the job's id: once, whoever of several attempts comes first."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from service.contracts.errors import AlreadyPublished, NotFound
from service.contracts.jobs import JobKind, JobRecord
from service.contracts.records import CohortRecord, ModelRecord, ReportRecord
from service.contracts.storage import ArtifactStore, Kind, write_record

PRODUCT: dict[JobKind, Kind] = {"train": "models", "generate": "cohorts", "evaluate": "reports"}

Published = TypeVar("Published", ModelRecord, CohortRecord, ReportRecord)


def publish(folder: Path, record: Published, *, kind: Kind, store: ArtifactStore) -> Published:
    """Publish `folder` with `record` in it. Where an earlier attempt at the job already did, that one is returned.

    AlreadyPublished where something else has the job's id, such as an imported model.
    """
    write_record(folder, record)
    try:
        store.publish(folder, kind, record.id)
    except AlreadyPublished:
        earlier = store.read_record(kind, record.id, type(record))
        if not _is_product(earlier, record.id):
            raise AlreadyPublished(f"a {kind[:-1]} that this job did not make has its id, '{record.id}'") from None
        return earlier
    return record


def retract(job: JobRecord, store: ArtifactStore) -> None:
    """Remove what a job published before it ended otherwise than in success: nobody would find or delete it."""
    if job.is_terminal and job.status != "succeeded":
        discard(job, store)


def discard(job: JobRecord, store: ArtifactStore) -> None:
    """Remove what a job published, if it did; a model under its id that came from elsewhere stays."""
    with suppress(NotFound):
        if job.kind != "train" or _is_product(store.model(job.id), job.id):
            store.remove(PRODUCT[job.kind], job.id)


def _is_product(record: ModelRecord | CohortRecord | ReportRecord, job_id: str) -> bool:
    """Whether the job made it. Cohorts and reports come from jobs only, but a model may have been imported."""
    return not isinstance(record, ModelRecord) or (record.origin == "trained" and record.job_id == job_id)
