"""The jobs, and a job: how it goes on, what it has made, why it failed, and what to do next."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from service.api.access import OwnJob
from service.api.deps import CallerDep, ServicesDep
from service.api.gate import OVERRIDE_HEADER, held_because
from service.api.pages.shell import page
from service.api.paging import Cursor
from service.api.routes.jobs import get_job, list_jobs
from service.contracts.errors import NotFound
from service.contracts.jobs import JobKind, JobState
from service.contracts.requests import GenerateRequest

router = APIRouter(prefix="/console/jobs", include_in_schema=False)


@router.get("")
def jobs(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    cursor: Cursor = None,
    status: JobState | Literal[""] | None = None,  # "" is what a form sends for all
    kind: JobKind | Literal[""] | None = None,
) -> HTMLResponse:
    """The caller's jobs, newest first."""
    found = list_jobs(request, Response(), services, caller, cursor=cursor, status=status or None, kind=kind or None)
    return page(
        request,
        "jobs.html.j2",
        services=services,
        caller=caller,
        jobs=found.items,
        next_cursor=found.next_cursor,
        is_first=cursor is None,
        status=status,
        kind=kind,
    )


@router.get("/{job_id}")
def job(job: OwnJob, request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """A job."""
    is_cohort = isinstance(job.request, GenerateRequest) and job.status == "succeeded"
    return page(
        request,
        "job.html.j2",
        services=services,
        caller=caller,
        job=get_job(job, Response(), services),
        held=held_because(job, services) if is_cohort else None,
        override_header=OVERRIDE_HEADER,
        names=_names(services, job.request.model_dump()),
    )


def _names(services: ServicesDep, request: dict[str, object]) -> dict[str, str]:
    """What the things that the request speaks of are called, by their ids; those that are gone have no name."""
    known: dict[str, str] = {}
    for field, read in (("model_id", services.store.model), ("dataset_id", services.store.dataset)):
        thing_id = request.get(field)
        if isinstance(thing_id, str):
            try:
                known[thing_id] = read(thing_id).name
            except NotFound:
                continue
    return known
