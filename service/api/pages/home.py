"""The console's first page: what can be done next, what is missing, and what was done last."""

from __future__ import annotations

from itertools import islice

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.api.deps import CallerDep, ServicesDep
from service.api.pages.shell import page
from service.api.readiness import look_around
from service.api.views import job_view

RECENT = 5

router = APIRouter(include_in_schema=False)


@router.get("/console")
def home(request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """What one can do next."""
    workers, missing = look_around(services)
    may_read = caller.may("read")
    records = services.jobs.records(services.store.ids("jobs")) if may_read else iter(())
    recent = list(islice((job for job in records if caller.owns(job.caller)), RECENT))
    statuses = services.queue.statuses(recent)
    return page(
        request,
        "home.html.j2",
        services=services,
        caller=caller,
        workers=workers,
        missing={error.pointer for error in missing},
        jobs=[job_view(job, live) for job, live in zip(recent, statuses, strict=True)],
        has_models=may_read and any(services.store.ids("models")),
        has_datasets=may_read and any(services.store.ids("datasets")),
    )
