"""Where a result comes from, written into it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from pydantic import JsonValue

from model.data.frame import arrow_schema
from model.data.layout import TableLayout
from model.data.times import holds_instants
from model.spec.schema import Schema
from service.contracts.records import ModelRecord
from service.contracts.requests import GenerateRequest

DISTRIBUTION = "cdmt-ehr"


@cache
def software_version() -> str:
    """The version of this software; "unknown" where it runs from a folder that was never installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def cohort_metadata(request: GenerateRequest, *, model: ModelRecord, chunk_size: int, engine: str) -> dict[str, str]:
    """The file metadata of a cohort's Parquet: all that its content depends on, and the schema, for exports.

    It holds no time, no job and nothing of an evaluation, so that the same stays are the same bytes.
    """
    return {
        "cdmt.synthetic": "true",
        "cdmt.model_id": model.id,
        "cdmt.model_version": str(model.version),
        "cdmt.model_sha256": model.sha256,
        "cdmt.request": request.model_dump_json(exclude={"evaluate", "detail", "webhook"}),
        "cdmt.schema": model.table_schema.model_dump_json(),
        "cdmt.seed": str(request.seed),
        "cdmt.chunk_size": str(chunk_size),
        "cdmt.engine": engine,
        "cdmt.software_version": software_version(),
    }


def time_metadata(schema: Schema, layout: TableLayout) -> dict[str, str]:
    """In the file metadata of a cohort with time stamps: that they are no dates, but count from the same instant."""
    if not holds_instants(arrow_schema(layout).field(schema.time).type):
        return {}
    start = np.datetime64(int(layout.time_start), "s")
    return {"cdmt.time_origin": f"{start}, made up: where every stay begins"}


def cohort_provenance(request: GenerateRequest, *, model: ModelRecord) -> dict[str, JsonValue]:
    """What a report says about how its cohort was made."""
    return {
        "model": model.name,
        "model_id": model.id,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "dataset_id": model.dataset_id,
        "dataset_sha256": model.dataset_sha256,
        "seed": request.seed,
        "request": request.model_dump(mode="json", exclude={"webhook"}),
        "software_version": software_version(),
    }
