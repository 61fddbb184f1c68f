"""What a job looks like from outside: its record, its live progress, and where to go from here."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel

from service.contracts.errors import NotFound
from service.contracts.jobs import JobError, JobKind, JobRecord, JobResult, JobState, PrivacyOverride
from service.contracts.live import Progress
from service.contracts.records import ModelRecord
from service.contracts.requests import EvaluateRequest, GenerateRequest, Request, TrainRequest
from service.contracts.storage import ArtifactStore
from service.contracts.webhooks import Delivery
from service.jobs import LiveStatus


class JobLinks(BaseModel):
    """Paths that exist now; null for what the job does not have (yet)."""

    self: str
    cancel: str | None = None
    events: str | None = None
    cohort: str | None = None
    report: str | None = None
    model: str | None = None


class JobView(BaseModel):
    """A job. `progress` is of its present step; `queue_position` counts the jobs that go before it.

    `privacy_overrides`: each time that an admin took the cohort although the privacy gate holds it back.
    `webhook`: how it fares, if the request has one.
    """

    id: str
    kind: JobKind
    status: JobState
    caller: str | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    progress: Progress | None
    request: Request
    model_id: str | None
    attempts: int
    queue_position: int | None
    result: JobResult | None
    error: JobError | None
    privacy_overrides: tuple[PrivacyOverride, ...]
    expires_at: AwareDatetime | None
    webhook: Delivery | None
    links: JobLinks


class ModelView(ModelRecord):
    """A model. `dataset`: whether the table that it was trained on is still in this installation.

    Where it is gone, or never was here, nobody can tell how close a cohort of the model is to real stays.
    """

    dataset: Literal["here", "deleted", "never_here"]


def model_view(record: ModelRecord, store: ArtifactStore) -> ModelView:
    """The body of GET /models/{id}."""
    if record.dataset_id is None:
        return ModelView(**dict(record), dataset="never_here")
    try:
        is_here = store.dataset(record.dataset_id).sha256 == record.dataset_sha256
    except NotFound:
        is_here = False
    return ModelView(**dict(record), dataset="here" if is_here else "deleted")


def job_view(
    record: JobRecord,
    live: LiveStatus,
    *,
    overrides: tuple[PrivacyOverride, ...] = (),
    delivery: Delivery | None = None,
) -> JobView:
    """The body of GET /jobs/{id}."""
    return JobView(
        id=record.id,
        kind=record.kind,
        status=record.status,
        caller=record.caller,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        progress=live.progress,
        request=record.request,
        model_id=record.model_id,
        attempts=record.attempts + max(0, record.evaluation_attempts - 1),
        queue_position=live.queue_position,
        result=record.result,
        error=record.error,
        privacy_overrides=overrides,
        expires_at=record.expires_at,
        webhook=delivery,
        links=job_links(record),
    )


def job_links(record: JobRecord) -> JobLinks:
    """Where a client can go from a job in this state."""
    here = f"/jobs/{record.id}"
    if record.status != "succeeded":
        cancel = None if record.is_terminal else f"{here}/cancel"
        return JobLinks(self=here, cancel=cancel, events=f"{here}/events")
    done = JobLinks(self=here, events=f"{here}/events")
    match record.request:
        case TrainRequest():
            found = {"report": f"{here}/report", "model": f"/models/{record.model_id}"}
        case GenerateRequest(evaluate=evaluate, model_id=model_id):
            found = {"cohort": f"{here}/cohort", "model": f"/models/{model_id}"}
            found |= {"report": f"{here}/report"} if evaluate else {}
        case EvaluateRequest():
            found = {"report": f"{here}/report"}
    return done.model_copy(update=found)
