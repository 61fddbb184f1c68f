"""What a job has made becomes visible under the job's id: once, whoever of several attempts comes first."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from service.contracts.errors import AlreadyPublished
from service.contracts.products import is_product
from service.contracts.records import CohortRecord, ModelRecord, ReportRecord
from service.contracts.storage import ArtifactStore, Kind, stage_record

Published = TypeVar("Published", ModelRecord, CohortRecord, ReportRecord)


def publish(folder: Path, record: Published, *, kind: Kind, store: ArtifactStore) -> Published:
    """Publish `folder` with `record` in it. Where an earlier attempt at the job already did, that one is returned.

    AlreadyPublished where something else has the job's id, such as an imported model.
    """
    stage_record(folder, record)
    try:
        store.publish(folder, kind, record.id)
    except AlreadyPublished:
        earlier = store.read_record(kind, record.id, type(record))
        if not is_product(earlier, record.id):
            raise AlreadyPublished(f"a {kind[:-1]} that this job did not make has its id, '{record.id}'") from None
        return earlier
    return record
