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
    """Publish `folder` with `record` in it. Where an earlier attempt at the job already did, that one is returned."""
    write_record(folder, record)
    try:
        store.publish(folder, kind, record.id)
    except AlreadyPublished:
        return store.read_record(kind, record.id, type(record))
    return record


def retract(job: JobRecord, store: ArtifactStore) -> None:
    """Remove what a job published before it ended otherwise than in success: nobody would find or delete it."""
    if job.is_terminal and job.status != "succeeded":
        with suppress(NotFound):
            store.remove(PRODUCT[job.kind], job.id)
