"""The record of a job, the states that it goes through, and how it is called in RQ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from model.spec.base import Spec
from model.spec.privacy import HeldTest, PrivacyStatus
from service.contracts.requests import GenerateRequest, Request

JobKind = Literal["train", "generate", "evaluate"]
JobState = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
Stage = Literal["making", "evaluation"]

TERMINAL: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})

# running -> queued is a job whose worker was lost, queued -> succeeded one whose worker was not, after all; running ->
# running is another attempt at it, or news about it.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    "queued": frozenset({"queued", "running", "succeeded", "failed", "cancelled"}),
    "running": frozenset({"running", "queued", "cancelling", "succeeded", "failed", "cancelled"}),
    "cancelling": frozenset({"cancelling", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

# How gateway and worker meet in RQ: one queue per kind, JSON instead of RQ's default pickle, the task by its name.
# A generation goes through RQ twice: its cohort is drawn on its own queue, and then judged as an evaluation, under
# an RQ id of its own, so that whoever draws (a GPU, perhaps) is free for the next job.
TASKS: dict[Stage, str] = {"making": "worker.tasks.run", "evaluation": "worker.tasks.assess"}
EVALUATION_SUFFIX = "-evaluation"
SERIALIZER = "json"
QUEUES: tuple[JobKind, ...] = ("train", "generate", "evaluate")

MAX_CHANGES = 100  # of a job's state that its record keeps: a training is requeued with every restart of its worker


def queue_name(kind: JobKind, installation: str) -> str:
    """The RQ queue of a kind of job in an installation; a worker process serves exactly one."""
    return f"cdmt-{installation}-{kind}"


def rq_ids(job_id: str) -> tuple[str, ...]:
    """All ids under which RQ may know a job."""
    return (job_id, job_id + EVALUATION_SUFFIX)


def parse_rq_id(rq_id: str) -> tuple[str, Stage]:
    """The job that an id of RQ's stands for, and its stage."""
    if rq_id.endswith(EVALUATION_SUFFIX):
        return rq_id.removesuffix(EVALUATION_SUFFIX), "evaluation"
    return rq_id, "making"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def problem_type(slug: str) -> str:
    """The `type` of a problem document (RFC 9457) and of a job's error."""
    return f"urn:cdmt:problem:{slug}"


class JobResult(Spec):
    """What a job that succeeded produced. A training names its model; a cohort its size and its labels."""

    model_id: str | None = None
    n_stays: int | None = None
    label_counts: dict[str, dict[str, int]] | None = None
    sha256: str | None = Field(None, description="of the cohort's Parquet, or of the model's weights")
    bytes: int | None = None
    warnings: tuple[str, ...] = ()
    redraw_rate: float | None = Field(None, description="share of the drawn stays that broke a rule; see enforce_rules")
    privacy: PrivacyStatus | None = Field(None, description="what the privacy gate decided of the synthetic stays")
    privacy_reason: str | None = None
    privacy_failed: tuple[HeldTest, ...] = Field((), description="the tests for which the stays are held back")
    figures: dict[str, float | None] = Field({}, description="the main figures of the report")
    model_load: Literal["loaded", "warm"] | None = Field(None, description="warm: kept loaded since an earlier job")
    timings: dict[str, float] = Field({}, description="part of the work -> seconds")


class JobError(Spec):
    """Why a job failed, in the words of RFC 9457. Holds no traceback and no patient's value."""

    type: str = Field(description="see problem_type")
    title: str
    detail: str


class PrivacyOverride(Spec):
    """An admin took a cohort that the gate holds back, and said why."""

    at: AwareDatetime
    caller: str
    address: str | None = Field(None, description="from which the request came")
    request_id: str
    reason: str
    failed: tuple[str, ...] = Field((), description="the tests for which it was held back")


class StateChange(Spec):
    """A job came to be in a state; its changes are numbered from 1, `queued`."""

    number: int
    status: JobState
    at: AwareDatetime


class JobRecord(Spec):
    """The truth about a job; RQ only carries its id. `attempts` counts how often a worker has started it.

    A generation whose cohort has been drawn is at stage `evaluation`: still running for whoever asked, with `drawn` as
    its result so far, and carried by another RQ job, whose starts `evaluation_attempts` counts.
    """

    id: str
    status: JobState = "queued"
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    request: Request
    attempts: int = 0
    pardons: int = Field(0, description="attempts that RQ counts as crashes and that were none")
    stage: Stage = "making"
    evaluation_attempts: int = 0
    drawn: JobResult | None = None
    result: JobResult | None = None
    error: JobError | None = None
    request_id: str | None = None
    caller: str | None = Field(None, description="who asked; None until there is authentication")
    expires_at: AwareDatetime | None = None
    changes: tuple[StateChange, ...] = Field((), description="of the state, after the first; written by the JobStore")

    @property
    def states(self) -> tuple[StateChange, ...]:
        """Every state that the job has been in, with the present one at the end; of very many, the last."""
        states = (StateChange(number=1, status="queued", at=self.created_at), *self.changes)
        if states[-1].status == self.status:
            return states
        ended = self.finished_at or self.started_at or self.created_at  # by a version that kept no changes
        return (*states, StateChange(number=states[-1].number + 1, status=self.status, at=ended))

    @property
    def kind(self) -> JobKind:
        """What the job does."""
        return self.request.kind

    @property
    def queue(self) -> JobKind:
        """The queue that its present stage waits in."""
        return "evaluate" if self.stage == "evaluation" else self.kind

    @property
    def rq_id(self) -> str:
        """The id of the RQ job that carries its present stage."""
        return self.id + EVALUATION_SUFFIX if self.stage == "evaluation" else self.id

    @property
    def model_id(self) -> str | None:
        """The model that a generation uses or that a training has made."""
        if isinstance(self.request, GenerateRequest):
            return self.request.model_id
        return self.result.model_id if self.result else None

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; its record never changes again."""
        return self.status in TERMINAL


def with_change(before: JobRecord, after: JobRecord) -> JobRecord:
    """`after` with the change of its state noted, if it is one."""
    if after.status == before.status:
        return after
    change = StateChange(number=before.states[-1].number + 1, status=after.status, at=now())
    return after.model_copy(update={"changes": (*before.states[1:], change)[-MAX_CHANGES:]})


def waiting(record: JobRecord) -> JobRecord:
    """The record of a job that waits for a worker (again). One whose cohort is drawn counts as running even so."""
    return record.model_copy(update={"status": "queued"}) if record.stage == "making" else record
