"""Jobs: submit, look at, cancel, delete, and fetch what they made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime
from starlette.concurrency import run_in_threadpool

from service.api.deps import Caller, CallerDep, Services, ServicesDep, json_only
from service.api.paging import Cursor, Limit, Page, after, link_next, take
from service.api.results import cohort_download, job_report, wanted_report
from service.api.submissions import delete_job, submit
from service.api.views import JobView, job_view
from service.api.waiting import preferred_wait, wait_for_end
from service.contracts.jobs import (
    EvaluateRequest,
    GenerateRequest,
    JobKind,
    JobRecord,
    JobState,
    TrainRequest,
)

POLL_AFTER_SECONDS = "1"
WAITED: dict[int | str, dict[str, Any]] = {200: {"description": "The job has ended within `Prefer: wait=N` seconds."}}

router = APIRouter(prefix="/jobs", tags=["jobs"])
json_body = [Depends(json_only)]


@router.post("/train", status_code=202, dependencies=json_body, responses=WAITED)
async def train(
    body: TrainRequest, request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> JobView:
    """Train a model on a dataset."""
    return await _submitted(body, request, response, services=services, caller=caller)


@router.post("/generate", status_code=202, dependencies=json_body, responses=WAITED)
async def generate(
    body: GenerateRequest, request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> JobView:
    """Draw a cohort of synthetic stays from a model, with the label ratios that you ask for."""
    return await _submitted(body, request, response, services=services, caller=caller)


@router.post("/evaluate", status_code=202, dependencies=json_body, responses=WAITED)
async def evaluate(
    body: EvaluateRequest, request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> JobView:
    """Compare the cohort of a generate job with a dataset."""
    return await _submitted(body, request, response, services=services, caller=caller)


@router.get("")
def list_jobs(
    request: Request,
    response: Response,
    services: ServicesDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: JobState | None = None,
    kind: JobKind | None = None,
    created_after: AwareDatetime | None = None,
) -> Page[JobView]:
    """Jobs, newest first."""
    records = services.jobs.records(after(services.store.ids("jobs"), cursor))
    wanted = (job for job in records if _matches(job, status=status, kind=kind, created_after=created_after))
    found, next_cursor = take(wanted, limit)
    link_next(request, response, next_cursor)
    views = [job_view(job, status) for job, status in zip(found, services.queue.statuses(found), strict=True)]
    return Page(items=views, next_cursor=next_cursor)


@router.get("/{job_id}")
def get_job(job_id: str, response: Response, services: ServicesDep) -> JobView:
    """A job with its live progress; poll this until `status` is succeeded, failed or cancelled."""
    job = services.jobs.read(job_id)
    if not job.is_terminal:
        response.headers["Retry-After"] = POLL_AFTER_SECONDS
    return _view(job, services)


@router.post("/{job_id}/cancel", status_code=202, responses={200: {"description": "It is cancelled."}})
def cancel(job_id: str, response: Response, services: ServicesDep) -> JobView:
    """Ask a job to stop: one that waits is cancelled at once, one that runs stops within seconds."""
    was_cancelled = services.jobs.read(job_id).status == "cancelled"
    job = services.queue.cancel(job_id)
    response.status_code = 200 if was_cancelled else 202
    return _view(job, services)


@router.delete("/{job_id}", status_code=204)
def delete(job_id: str, services: ServicesDep) -> None:
    """Remove a job that has ended, and its cohort and report. A model that it trained stays."""
    delete_job(job_id, services)


@router.get("/{job_id}/cohort", response_class=Response)
def get_cohort(
    job_id: str,
    request: Request,
    services: ServicesDep,
    format: Annotated[Literal["parquet", "csv"] | None, Query()] = None,  # noqa: A002  the word of the API
) -> Response:
    """The synthetic cohort: Parquet, or CSV with `?format=csv`."""
    return cohort_download(request, services.jobs.read(job_id), services, wanted=format)


@router.get("/{job_id}/report", response_class=Response)
def get_report(job_id: str, request: Request, services: ServicesDep) -> Response:
    """The report: JSON, or HTML for `Accept: text/html`."""
    return job_report(services.jobs.read(job_id), services, wanted=wanted_report(request))


@router.get("/{job_id}/report.html", response_class=Response)
def get_report_html(job_id: str, services: ServicesDep) -> Response:
    """The report as one page that needs nothing else."""
    return job_report(services.jobs.read(job_id), services, wanted="html")


async def _submitted(
    body: TrainRequest | GenerateRequest | EvaluateRequest,
    request: Request,
    response: Response,
    *,
    services: Services,
    caller: Caller,
) -> JobView:
    """202 with the queued job; or 200 with the finished one, if the client waits and it ends in time."""
    job = await run_in_threadpool(submit, body, services=services, caller=caller)
    response.headers["Location"] = f"/jobs/{job.id}"
    job = await wait_for_end(job, seconds=preferred_wait(request), services=services)
    if job.is_terminal:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = POLL_AFTER_SECONDS
    return await run_in_threadpool(_view, job, services)


def _view(job: JobRecord, services: Services) -> JobView:
    return job_view(job, services.queue.status(job))


def _matches(job: JobRecord, *, status: JobState | None, kind: JobKind | None, created_after: datetime | None) -> bool:
    return (
        (status is None or job.status == status)
        and (kind is None or job.kind == kind)
        and (created_after is None or job.created_at > created_after)
    )
