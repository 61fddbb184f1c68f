"""The page to train a model: a dataset, a name and a preset are enough."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from service.api.deps import CallerDep, ServicesDep
from service.api.pages.shell import page
from service.api.routes.datasets import list_datasets
from service.contracts.requests import TrainRequest

MAX_DATASETS = 100

router = APIRouter(prefix="/console/train", include_in_schema=False)


@router.get("")
def train(request: Request, services: ServicesDep, caller: CallerDep, dataset: str | None = None) -> HTMLResponse:
    """The form. What it begins with are the defaults of the API."""
    return page(
        request,
        "train.html.j2",
        services=services,
        caller=caller,
        datasets=list_datasets(request, Response(), services, limit=MAX_DATASETS).items,
        chosen=dataset,
        defaults=TrainRequest(dataset_id="x" * 12, name="x"),
    )
