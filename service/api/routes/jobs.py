"""Jobs: submit, look at, cancel, delete, and fetch what they made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AwareDatetime
from starlette.concurrency import run_in_threadpool

from service.api.access import OwnJob, own_job
from service.api.bodies import FORM, JSON, json_body, media_type
from service.api.deps import Caller, CallerDep, Services, ServicesDep, json_only
from service.api.events import job_events, resume_point
from service.api.exports import Format, Layout, Tables, wanted_form
from service.api.fields import BadFields, FieldError
from service.api.gate import OVERRIDE_HEADER
from service.api.guard import is_still_let_in
from service.api.idempotency import Once, OnceDep, json_fingerprint
from service.api.middleware import is_head
from service.api.openapi import file_form, with_json
from service.api.paging import Cursor, Limit, Page, after, link_next, take
from service.api.results import cohort_download, job_report, wanted_report
from service.api.submissions import cancel_job, delete_job, submit
from service.api.tables import submit_table
from service.api.views import JobView, job_view
from service.api.waiting import preferred_wait, wait_for_end
from service.contracts.errors import NotFound
from service.contracts.idempotency import Answer
from service.contracts.jobs import JobKind, JobRecord, JobState
from service.contracts.requests import EvaluateRequest, GenerateRequest, TrainRequest
from service.contracts.requests import Request as Wanted
from service.jobs import LiveStatus

POLL_AFTER_SECONDS = "1"
WAITED: dict[int | str, dict[str, Any]] = {200: {"description": "The job has ended within `Prefer: wait=N` seconds."}}

NOTHING_MORE: dict[int | str, dict[str, Any]] = {204: {"description": "You have all events of a job that has ended."}}

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
            "webhook": "a URL that is told of the job's end",
        },
        required=("dataset_id",),
    ),
)
OverrideReason = Annotated[
    str | None,
    Header(alias=OVERRIDE_HEADER, description="an admin's reason to take a cohort that the privacy gate holds back"),
]
FormatQuery = Annotated[
    Format | None,
    Query(
        description="parquet or csv: one row per stay and step; omop: a zip of tables of the OMOP CDM 5.4; fhir: a zip "
        "of FHIR R4 resources as ndjson. Absent: as the job's request says"
    ),
]
LayoutQuery = Annotated[
    Layout | None,
    Query(description="of parquet and csv. wide: one row per stay, `heart_rate_00`, `heart_rate_01`, ..."),
]
TablesQuery = Annotated[Tables | None, Query(description="of omop: files of the zip, CSV if absent")]

router = APIRouter(prefix="/jobs", tags=["jobs"])
json_alone = [Depends(json_only)]


@router.post("/train", status_code=202, response_model=JobView, dependencies=json_alone, responses=WAITED)
async def train(
    body: TrainRequest, request: Request, services: ServicesDep, caller: CallerDep, once: OnceDep
) -> Response:
    """Train a model on a dataset."""
    return await _submitted(body, request, services, caller=caller, once=once)


@router.post("/generate", status_code=202, response_model=JobView, dependencies=json_alone, responses=WAITED)
async def generate(
    body: GenerateRequest, request: Request, services: ServicesDep, caller: CallerDep, once: OnceDep
) -> Response:
    """Draw a cohort of synthetic stays from a model, with the label ratios that you ask for.

    The cohort is there once the privacy gate has judged it; `result.privacy` says how.
    """
    return await _submitted(body, request, services, caller=caller, once=once)


@router.post("/evaluate", status_code=202, response_model=JobView, openapi_extra=EVALUATE_BODY, responses=WAITED)
async def evaluate(request: Request, services: ServicesDep, caller: CallerDep, once: OnceDep) -> Response:
    """Compare synthetic stays with a dataset: the cohort of a generate job (JSON), or any table (a form)."""
    if media_type(request, JSON, FORM) == FORM:
        answer = partial(_accepted, request=request, services=services)
        return await submit_table(request, services=services, caller=caller, once=once, answer=answer)
    body = await json_body(request, EvaluateRequest)
    if body.table is not None:
        raise BadFields([FieldError(pointer="/table", message=f"a table comes as a file, in {FORM}")])
    if body.job_id is not None:
        await run_in_threadpool(own_job, body.job_id, request, services)
    return await _submitted(body, request, services, caller=caller, once=once)


@router.get("")
def list_jobs(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: JobState | None = None,
    kind: JobKind | None = None,
    created_after: AwareDatetime | None = None,
) -> Page[JobView]:
    """The caller's jobs, an admin's everybody's, newest first."""
    records = services.jobs.records(after(services.store.ids("jobs"), cursor))
    own = (job for job in records if caller.owns(job.caller))
    wanted = (job for job in own if _matches(job, status=status, kind=kind, created_after=created_after))
    found, next_cursor = take(wanted, limit)
    link_next(request, response, next_cursor)
    statuses = services.queue.statuses(found)
    views = [_view(job, live, services) for job, live in zip(found, statuses, strict=True)]
    return Page(items=views, next_cursor=next_cursor)


@router.get("/{job_id}")
def get_job(job: OwnJob, response: Response, services: ServicesDep) -> JobView:
    """A job with its live progress; poll this until `status` is succeeded, failed or cancelled."""
    if not job.is_terminal:
        response.headers["Retry-After"] = POLL_AFTER_SECONDS
    return _now(job, services)


@router.post("/{job_id}/cancel", status_code=202, responses={200: {"description": "It is cancelled."}})
def cancel(job: OwnJob, response: Response, services: ServicesDep, caller: CallerDep) -> JobView:
    """Ask a job to stop: one that waits is cancelled at once, one that runs stops within seconds."""
    response.status_code = 200 if job.status == "cancelled" else 202
    return _now(cancel_job(job.id, services, caller=caller), services)


@router.get("/{job_id}/events", response_class=EventSourceResponse, responses=NOTHING_MORE)
async def events(
    job: OwnJob, request: Request, services: ServicesDep, caller: CallerDep, last: Annotated[str, Depends(resume_point)]
) -> AsyncIterator[ServerSentEvent]:
    """What happens to the job, until it ends: server-sent events `state` and `progress`, both with JSON.

    `Last-Event-ID` goes on where another connection broke off; no change of the state is missed. The end of the
    key or of the session ends the stream, within seconds.
    """
    if not is_head(request.scope):
        may_go_on = partial(run_in_threadpool, is_still_let_in, request, caller, services)
        async with aclosing(job_events(job.id, services.watch, last=last, may_go_on=may_go_on)) as news:
            async for event in news:
                yield event


@router.delete("/{job_id}", status_code=204)
def delete(job: OwnJob, services: ServicesDep, caller: CallerDep) -> None:
    """Remove a job that has ended, and its cohort and report. A model that it trained stays."""
    delete_job(job.id, services, caller=caller)


@router.get("/{job_id}/cohort", response_class=Response)
def get_cohort(
    job: OwnJob,
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    format: FormatQuery = None,  # noqa: A002  the word of the API
    layout: LayoutQuery = None,
    tables: TablesQuery = None,
    x_override_reason: OverrideReason = None,  # noqa: ARG001  for the documentation; read by the gate
) -> Response:
    """The synthetic cohort. 403 while the privacy gate holds it back, 422 where it cannot be written like that."""
    if not isinstance(job.request, GenerateRequest):
        raise NotFound("cohort of job", job.id)
    wanted = wanted_form(format or job.request.format, layout, tables)
    return cohort_download(request, job, services, caller=caller, wanted=wanted)


@router.get("/{job_id}/report", response_class=Response)
def get_report(job: OwnJob, request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """The report: JSON, or HTML for `Accept: text/html`."""
    return job_report(request, job, services, caller=caller, wanted=wanted_report(request))


@router.get("/{job_id}/report.html", response_class=Response)
def get_report_html(job: OwnJob, request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """The report as one page that needs nothing else."""
    return job_report(request, job, services, caller=caller, wanted="html")


async def _submitted(body: Wanted, request: Request, services: Services, *, caller: Caller, once: Once) -> Response:
    """Submit what has been asked for in JSON, and answer; or answer as before, if it comes with the same key again."""

    async def make(job_id: str, _is_resumed: bool) -> Answer:
        job = await run_in_threadpool(submit, body, job_id, services=services, caller=caller)
        return await _accepted(job, request, services)

    return await once("jobs", await json_fingerprint(request), make)


async def _accepted(job: JobRecord, request: Request, services: Services) -> Answer:
    """202 with the queued job; or 200 with the finished one, if the client waits and it ends in time."""
    job = await wait_for_end(job, seconds=preferred_wait(request), services=services)
    view = await run_in_threadpool(_now, job, services)
    here = {"Location": f"/jobs/{job.id}"}
    if job.is_terminal:
        return Answer(status=200, headers=here, body=view.model_dump_json())
    return Answer(status=202, headers=here | {"Retry-After": POLL_AFTER_SECONDS}, body=view.model_dump_json())


def _now(job: JobRecord, services: Services) -> JobView:
    return _view(job, services.queue.status(job), services)


def _view(job: JobRecord, live: LiveStatus, services: Services) -> JobView:
    delivery = None if job.request.webhook is None else services.outbox.delivery(job.id)
    return job_view(job, live, overrides=services.jobs.overrides(job.id), delivery=delivery)


def _matches(job: JobRecord, *, status: JobState | None, kind: JobKind | None, created_after: datetime | None) -> bool:
    return (
        (status is None or job.status == status)
        and (kind is None or job.kind == kind)
        and (created_after is None or job.created_at > created_after)
    )
