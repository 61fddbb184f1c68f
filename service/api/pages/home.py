"""The console's first page: what can be done next, what is missing, and what was done last."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from service.api.deps import CallerDep, ServicesDep
from service.api.pages.shell import page
from service.api.readiness import look_around
from service.api.routes.jobs import list_jobs

RECENT = 5

router = APIRouter(include_in_schema=False)


@router.get("/console")
def home(request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """What one can do next."""
    workers, missing = look_around(services)
    may_read = caller.may("read")
    recent = list_jobs(request, Response(), services, caller, limit=RECENT).items if may_read else []
    return page(
        request,
        "home.html.j2",
        services=services,
        caller=caller,
        workers=workers,
        missing={error.pointer for error in missing},
        jobs=recent,
        has_models=may_read and any(services.store.ids("models")),
        has_datasets=may_read and any(services.store.ids("datasets")),
    )
