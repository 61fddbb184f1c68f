"""What can be asked for (the bodies of POST /jobs/...), and the record of a job that asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from model.spec import presets
from model.spec.base import Spec
from model.spec.config import Missing, Mode, NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.presets import Preset
from model.spec.privacy import HeldTest, PrivacyStatus
from model.spec.ratios import LabelRatios
from model.spec.report import Detail, MetricName
from service.contracts.ids import ID_PATTERN

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

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Title = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


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


class Webhook(Spec):
    """An address that is told of the end of the job. What the job makes does not depend on it."""

    url: str = Field(min_length=1, max_length=2048, description="of a host that this installation allows; https")


Told = Annotated[Webhook | None, Field(description="who shall be told of the job's end")]


def _with_preset(given: object, known: Mapping[Preset, Mapping[str, object]]) -> object:
    """A request's fields before they are parsed, and under them those of its preset; what is wrong is left as it is."""
    if not isinstance(given, Mapping) or given.get("preset") not in known:
        return given
    return presets.filled(given, known[given["preset"]])


class TrainRequest(Spec):
    """Train a model on a dataset."""

    kind: Literal["train"] = "train"
    dataset_id: Id
    name: Title
    preset: Preset | None = Field(None, description="paper: its settings, where the request gives none")
    training: TrainingConfig = TrainingConfig()
    network: NetworkConfig = NetworkConfig()
    holdout_fraction: float = Field(0.2, gt=0, lt=1, description="share of patients kept for the report")
    seed: Seed = 0
    webhook: Told = None

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, given: object) -> object:
        return _with_preset(given, presets.TRAINING)


class GenerateRequest(Spec):
    """Draw a cohort of synthetic stays from a model."""

    kind: Literal["generate"] = "generate"
    model_id: Id
    n_stays: int = Field(ge=1)
    label_ratios: LabelRatios | None = Field(None, description="absent: the training rate")
    mode: Mode = "conditional"
    preset: Preset | None = Field(None, description="paper: its sampler and output, where the request gives none")
    sampler: SamplerConfig = SamplerConfig()
    missing: Missing = Field("as_observed", description="imputed: filled by the training pipeline's rule")
    enforce_rules: bool = Field(
        False, description="draw stays that break a rule of the schema again, with the same labels"
    )
    format: Literal["parquet", "csv"] = Field("parquet", description="of the download, unless it asks for another")
    evaluate: bool = Field(
        True, description="make a report; the privacy tests run in any case where the model's dataset is still here"
    )
    detail: Detail = Field("quick", description="of the report; full takes minutes")
    seed: Seed = 0
    webhook: Told = None

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, given: object) -> object:
        return _with_preset(given, presets.GENERATION)

    @model_validator(mode="after")
    def _ratios_need_labels(self) -> GenerateRequest:
        if self.mode == "unconditional" and self.label_ratios is not None:
            raise ValueError("mode 'unconditional' draws stays without regard to labels: it takes no label_ratios")
        return self


class UploadedTable(Spec):
    """A synthetic table that came with its request. It is kept with the job and never handed out."""

    filename: str | None = None
    n_stays: int
    sha256: str = Field(description="of the file that was uploaded")
    bytes: int = Field(description="of the file that was uploaded")


class EvaluateRequest(Spec):
    """Compare synthetic stays with a dataset: the cohort of another job, or a table that is uploaded as a form."""

    kind: Literal["evaluate"] = "evaluate"
    dataset_id: Id = Field(description="of real stays: those that the synthetic ones were learned from, if you know")
    job_id: Id | None = Field(None, description="the generate job whose cohort is compared")
    table: UploadedTable | None = Field(
        None, description="the uploaded table; set by the service", json_schema_extra={"readOnly": True}
    )
    holdout_dataset_id: Id | None = Field(
        None, description="real stays that the maker of the table never saw; absent: a part of the dataset"
    )
    metrics: tuple[MetricName, ...] | None = Field(None, min_length=1, description="absent: all")
    detail: Detail = Field("quick", description="full takes minutes")
    seed: Seed = 0
    webhook: Told = None

    @model_validator(mode="after")
    def _one_table(self) -> EvaluateRequest:
        if (self.job_id is None) == (self.table is None):
            raise ValueError("name a job_id, or upload a table as multipart/form-data")
        if self.holdout_dataset_id == self.dataset_id:
            raise ValueError("holdout_dataset_id is the dataset itself; the holdout must be other stays")
        return self


Request = Annotated[TrainRequest | GenerateRequest | EvaluateRequest, Field(discriminator="kind")]


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
