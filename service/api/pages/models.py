"""The models as cards, and a model with its report and its archive."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from service.api.deps import CallerDep, ServicesDep
from service.api.pages.shell import page
from service.api.paging import Cursor
from service.api.routes.models import get_model, list_models
from service.contracts.errors import NotFound
from service.contracts.records import REPORT_HTML

router = APIRouter(prefix="/console/models", include_in_schema=False)


@router.get("")
def models(request: Request, services: ServicesDep, caller: CallerDep, cursor: Cursor = None) -> HTMLResponse:
    """The models, newest first, and the form to take in an archive."""
    found = list_models(request, Response(), services, cursor=cursor)
    return page(
        request,
        "models.html.j2",
        services=services,
        caller=caller,
        models=found.items,
        next_cursor=found.next_cursor,
        names={model.id: _dataset_name(services, model.dataset_id) for model in found.items},
    )


@router.get("/{model_id}")
def model(model_id: str, request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """A model."""
    found = get_model(model_id, services)
    return page(
        request,
        "model.html.j2",
        services=services,
        caller=caller,
        model=found,
        dataset_name=_dataset_name(services, found.dataset_id),
        has_report=REPORT_HTML in found.files,
        may_delete=caller.may("train") and caller.owns(found.caller),
    )


def _dataset_name(services: ServicesDep, dataset_id: str | None) -> str | None:
    """What the dataset is called; None where it is gone, or never was here."""
    try:
        return None if dataset_id is None else services.store.dataset(dataset_id).name
    except NotFound:
        return None
