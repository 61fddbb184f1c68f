"""Jobs: submit, look at, cancel, delete, and fetch what they made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import AwareDatetime
from starlette.concurrency import run_in_threadpool

from service.api.bodies import FORM, JSON, json_body, media_type
from service.api.deps import CallerDep, Services, ServicesDep, json_only
from service.api.errors import BadFields, FieldError
from service.api.gate import OVERRIDE_HEADER
from service.api.openapi import file_form, with_json
from service.api.paging import Cursor, Limit, Page, after, link_next, take
from service.api.results import cohort_download, job_report, wanted_report
from service.api.submissions import delete_job, submit
from service.api.tables import submit_table
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

EVALUATE_BODY = with_json(
    EvaluateRequest,
    file_form(
        "the synthetic stays, as Parquet or CSV with the dataset's columns; kept with the job, never handed out",
        fields={
            "dataset_id": "real stays: those that the synthetic ones were learned from, if you know",
            "holdout_dataset_id": "real stays that the maker of the table never saw; absent: a part of the dataset",
            "metrics": "a JSON list, or names separated by commas; absent: all",
            "detail": "quick or full",
            "seed": "a whole number",
        },
        required=("dataset_id",),
    ),
)
OverrideReason = Annotated[
    str | None,
    Header(alias=OVERRIDE_HEADER, description="an admin's reason to take a cohort that the privacy gate holds back"),
]

router = APIRouter(prefix="/jobs", tags=["jobs"])
json_alone = [Depends(json_only)]


@router.post("/train", status_code=202, dependencies=json_alone, responses=WAITED)
async def train(
    body: TrainRequest, request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> JobView:
    """Train a model on a dataset."""
    job = await run_in_threadpool(submit, body, services=services, caller=caller)
    return await _accepted(job, request, response, services)


@router.post("/generate", status_code=202, dependencies=json_alone, responses=WAITED)
async def generate(
    body: GenerateRequest, request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> JobView:
    """Draw a cohort of synthetic stays from a model, with the label ratios that you ask for.

    The cohort is there once the privacy gate has judged it; `result.privacy` says how.
    """
    job = await run_in_threadpool(submit, body, services=services, caller=caller)
    return await _accepted(job, request, response, services)


@router.post("/evaluate", status_code=202, openapi_extra=EVALUATE_BODY, responses=WAITED)
async def evaluate(request: Request, response: Response, services: ServicesDep, caller: CallerDep) -> JobView:
    """Compare synthetic stays with a dataset: the cohort of a generate job (JSON), or any table (a form)."""
    if media_type(request, JSON, FORM) == FORM:
        job = await submit_table(request, services=services, caller=caller)
    else:
        body = await json_body(request, EvaluateRequest)
        if body.table is not None:
            raise BadFields([FieldError(pointer="/table", message=f"a table comes as a file, in {FORM}")])
        job = await run_in_threadpool(submit, body, services=services, caller=caller)
    return await _accepted(job, request, response, services)


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
    statuses = services.queue.statuses(found)
    views = [job_view(job, live, services.jobs.overrides(job.id)) for job, live in zip(found, statuses, strict=True)]
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
    caller: CallerDep,
    format: Annotated[Literal["parquet", "csv"] | None, Query()] = None,  # noqa: A002  the word of the API
    x_override_reason: OverrideReason = None,  # noqa: ARG001  for the documentation; read by the gate
) -> Response:
    """The synthetic cohort: Parquet, or CSV with `?format=csv`. 403 while the privacy gate holds it back."""
    return cohort_download(request, services.jobs.read(job_id), services, caller=caller, wanted=format)


@router.get("/{job_id}/report", response_class=Response)
def get_report(job_id: str, request: Request, services: ServicesDep) -> Response:
    """The report: JSON, or HTML for `Accept: text/html`."""
    return job_report(services.jobs.read(job_id), services, wanted=wanted_report(request))


@router.get("/{job_id}/report.html", response_class=Response)
def get_report_html(job_id: str, services: ServicesDep) -> Response:
    """The report as one page that needs nothing else."""
    return job_report(services.jobs.read(job_id), services, wanted="html")


async def _accepted(job: JobRecord, request: Request, response: Response, services: Services) -> JobView:
    """202 with the queued job; or 200 with the finished one, if the client waits and it ends in time."""
    response.headers["Location"] = f"/jobs/{job.id}"
    job = await wait_for_end(job, seconds=preferred_wait(request), services=services)
    if job.is_terminal:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = POLL_AFTER_SECONDS
    return await run_in_threadpool(_view, job, services)


def _view(job: JobRecord, services: Services) -> JobView:
    return job_view(job, services.queue.status(job), services.jobs.overrides(job.id))


def _matches(job: JobRecord, *, status: JobState | None, kind: JobKind | None, created_after: datetime | None) -> bool:
    return (
        (status is None or job.status == status)
        and (kind is None or job.kind == kind)
        and (created_after is None or job.created_at > created_after)
    )
