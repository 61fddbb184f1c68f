"""The page to ask for a cohort, and what its script wants to know while one fills it in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Json
from starlette.responses import HTMLResponse

from service.api.bodies import parsed
from service.api.deps import CallerDep, ServicesDep
from service.api.pages.plans import Plan, plan_of
from service.api.pages.shell import page
from service.api.routes.models import list_models
from service.api.submissions import check_generate
from service.contracts.requests import GenerateRequest

MAX_MODELS = 100

router = APIRouter(prefix="/console/generate", include_in_schema=False)


@router.get("")
def generate(request: Request, services: ServicesDep, caller: CallerDep, model: str | None = None) -> HTMLResponse:
    """The form. What it begins with are the defaults of the API."""
    models = list_models(request, Response(), services, limit=MAX_MODELS).items
    defaults = GenerateRequest(model_id="x" * 12, n_stays=1000)
    return page(
        request,
        "generate.html.j2",
        services=services,
        caller=caller,
        models=models,
        chosen=model,
        defaults=defaults,
        max_stays=services.settings.max_stays,
    )


@router.get("/counts")
def counts(services: ServicesDep, caller: CallerDep, wanted: Annotated[Json[Any], Query(alias="request")]) -> Plan:
    """What the request, a body of POST /jobs/generate, would come to; its errors are those of that operation."""
    request = parsed(wanted, GenerateRequest)
    check_generate(request, services)
    return plan_of(request, services, caller=caller)
