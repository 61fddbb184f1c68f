"""The files that a job or a model has to offer, as downloads."""

from __future__ import annotations

from functools import partial
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from model.spec.schema import Schema
from service.api.auditing import event, recorded_download
from service.api.bodies import prefers_html
from service.api.deps import Caller, Services
from service.api.downloads import HTML, PARQUET, REPORT_POLICY, Download, csv_download
from service.api.exports import CohortForm, check_exportable, export_download
from service.api.gate import check_gate
from service.contracts.errors import NotFound, NotReady
from service.contracts.jobs import JobRecord
from service.contracts.records import COHORT, REPORT_HTML, REPORT_JSON
from service.contracts.requests import EvaluateRequest, GenerateRequest, TrainRequest
from service.contracts.storage import Kind

ReportFormat = Literal["json", "html"]


def cohort_download(
    request: Request, job: JobRecord, services: Services, *, caller: Caller, wanted: CohortForm
) -> Response:
    """The cohort of a generate job, in the wanted form.

    PrivacyHeld where the privacy gate does not let it out, ExportError where it cannot be written in that form.
    """
    if not isinstance(job.request, GenerateRequest):
        raise NotFound("cohort of job", job.id)
    _check_succeeded(job)
    sha256 = services.store.cohort(job.id).files[COHORT].sha256
    path = services.store.cohort_dir(job.id) / COHORT
    check_gate(job, request, services=services, caller=caller)
    schema = check_exportable(path, wanted, known=partial(_schema_of_model, job.request, services))
    handed_out = event("cohort.download", f"job/{job.id}", caller=caller, format=wanted)
    name = f"synthetic-cohort-{job.id}"
    with recorded_download(request, handed_out, services):
        if wanted == "csv":
            return csv_download(request, path, sha256=sha256, filename=f"{name}.csv")
        if schema is not None and wanted != "parquet":
            return export_download(request, path, wanted, sha256=sha256, name=name, schema=schema)
        return Download(path, sha256=sha256, media_type=PARQUET, filename=f"{name}.parquet")


def _schema_of_model(request: GenerateRequest, services: Services) -> Schema:
    """For a cohort that was written without its schema; NotFound where its model is gone."""
    return services.store.model(request.model_id).table_schema


def job_report(
    request: Request, job: JobRecord, services: Services, *, caller: Caller, wanted: ReportFormat
) -> Response:
    """The report of a job: of its cohort, of the model that it trained, or of its comparison."""
    _check_succeeded(job)
    match job.request:
        case TrainRequest():
            return model_report(request, str(job.model_id), services, caller=caller, wanted=wanted)
        case GenerateRequest():
            # A report of before there were evaluations of their own lies beside its cohort.
            kind: Kind = "reports" if services.store.exists("reports", job.id) else "cohorts"
            return _report(request, kind, job.id, services, caller=caller, wanted=wanted)
        case EvaluateRequest():
            return _report(request, "reports", job.id, services, caller=caller, wanted=wanted)


def model_report(
    request: Request, model_id: str, services: Services, *, caller: Caller, wanted: ReportFormat
) -> Response:
    """The report of a model."""
    return _report(request, "models", model_id, services, caller=caller, wanted=wanted)


def wanted_report(request: Request) -> ReportFormat:
    """JSON or HTML, by the `Accept` header."""
    return "html" if prefers_html(request.headers.get("accept", "")) else "json"


def _check_succeeded(job: JobRecord) -> None:
    if job.status != "succeeded":
        raise NotReady(f"job '{job.id}' is {job.status}")


def _report(
    request: Request, kind: Kind, thing_id: str, services: Services, *, caller: Caller, wanted: ReportFormat
) -> Response:
    record = {"cohorts": services.store.cohort, "models": services.store.model, "reports": services.store.report}[kind]
    name = REPORT_HTML if wanted == "html" else REPORT_JSON
    entry = record(thing_id).files.get(name)
    if entry is None:
        raise NotFound(f"{name} of {kind[:-1]}", thing_id)
    thing = f"{'model' if kind == 'models' else 'job'}/{thing_id}"
    with recorded_download(request, event("report.download", thing, caller=caller, format=wanted), services):
        return Download(
            services.store.directory(kind, thing_id) / name,
            sha256=entry.sha256,
            media_type=HTML if wanted == "html" else "application/json",
            filename=f"report-{thing_id}.{wanted}",
            inline=True,
            headers={"Vary": "Accept", "Content-Security-Policy": REPORT_POLICY},
        )
