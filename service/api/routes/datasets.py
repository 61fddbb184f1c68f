"""Datasets: real patients' tables. They come in, are counted and checked, and never go out again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from service.api.deps import Caller, CallerDep, Services, ServicesDep, multipart_only
from service.api.idempotency import OnceDep, created, form_fingerprint
from service.api.ingest import described, ingest
from service.api.openapi import file_form
from service.api.paging import Cursor, Limit, Page, after, link_next, take
from service.api.submissions import delete_dataset
from service.api.uploads import Upload, receive_upload
from service.contracts.idempotency import Answer
from service.contracts.records import DatasetRecord

FORM = file_form(
    "Parquet or CSV in long form: a row per stay and time step",
    fields={
        "schema": "JSON; absent: inferred from the table, and returned",
        "name": "absent: the name of the file",
    },
)

NOT_STORED = "not-stored"
DryRun = Annotated[
    bool,
    Query(
        description=f"200 with the record that the table would have, of id `{NOT_STORED}`, its schema inferred where "
        "none is given; nothing is stored"
    ),
]

router = APIRouter(prefix="/datasets", tags=["datasets"])


@router.post(
    "", status_code=201, response_model=DatasetRecord, dependencies=[Depends(multipart_only)], openapi_extra=FORM
)
async def upload(
    request: Request, services: ServicesDep, caller: CallerDep, once: OnceDep, dry_run: DryRun = False
) -> Response:
    """Store a table of real stays, with the schema given or inferred. Only counts come back."""
    with services.store.staging("dataset") as folder:
        form = await receive_upload(request, folder / "upload", fields=("schema", "name"), files=services.store.files)
        if dry_run:
            return await _look_at(form, folder, services=services, caller=caller)

        async def make(dataset_id: str, _is_resumed: bool) -> Answer:
            async with services.ingesting:
                record = await run_in_threadpool(
                    ingest, form, folder, dataset_id=dataset_id, services=services, caller=caller
                )
            return created(f"/datasets/{record.id}", record)

        return await once("datasets", form_fingerprint(request, form), make)


async def _look_at(form: Upload, folder: Path, *, services: Services, caller: Caller) -> Response:
    async with services.ingesting:
        record = await run_in_threadpool(
            described, form, folder, dataset_id=NOT_STORED, services=services, caller=caller
        )
    return JSONResponse(record.model_dump(mode="json"))


@router.get("")
def list_datasets(
    request: Request, response: Response, services: ServicesDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[DatasetRecord]:
    """Datasets, newest first."""
    records = services.store.datasets(after(services.store.ids("datasets"), cursor))
    found, next_cursor = take(records, limit)
    link_next(request, response, next_cursor)
    return Page(items=found, next_cursor=next_cursor)


@router.get("/{dataset_id}")
def get_dataset(dataset_id: str, services: ServicesDep) -> DatasetRecord:
    """What is known about a dataset."""
    return services.store.dataset(dataset_id)


@router.delete("/{dataset_id}", status_code=204)
def delete(dataset_id: str, services: ServicesDep, caller: CallerDep) -> None:
    """Remove a dataset and its table; 409 while a job uses it. Models trained on it stay."""
    delete_dataset(dataset_id, services, caller=caller)
