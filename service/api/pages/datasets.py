"""The datasets, a dataset, and the form for a new one, whose schema is looked at before it is stored."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from service.api.deps import CallerDep, ServicesDep
from service.api.pages.shell import page
from service.api.paging import Cursor
from service.api.routes.datasets import get_dataset, list_datasets

router = APIRouter(prefix="/console/datasets", include_in_schema=False)


@router.get("")
def datasets(request: Request, services: ServicesDep, caller: CallerDep, cursor: Cursor = None) -> HTMLResponse:
    """The datasets, newest first, and the form for a new one."""
    found = list_datasets(request, Response(), services, cursor=cursor)
    return page(
        request,
        "datasets.html.j2",
        services=services,
        caller=caller,
        datasets=found.items,
        next_cursor=found.next_cursor,
        max_bytes=services.settings.max_upload_bytes,
    )


@router.get("/{dataset_id}")
def dataset(dataset_id: str, request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """What is known of a dataset."""
    record = get_dataset(dataset_id, services)
    return page(
        request,
        "dataset.html.j2",
        services=services,
        caller=caller,
        dataset=record,
        may_delete=caller.may("train") and caller.owns(record.caller),
    )
