"""What can be asked for (the bodies of POST /jobs/...), and the record of a job that asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from model.spec.base import Spec
from model.spec.config import Missing, Mode, NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.ratios import LabelRatios
from model.spec.report import MetricName
from service.contracts.ids import ID_PATTERN

JobKind = Literal["train", "generate", "evaluate"]
JobState = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]

TERMINAL: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})

# running -> queued is a job whose worker was lost; running -> running another attempt at it, or news about it.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    "queued": frozenset({"queued", "running", "cancelled", "failed"}),
    "running": frozenset({"running", "queued", "cancelling", "succeeded", "failed", "cancelled"}),
    "cancelling": frozenset({"cancelling", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

# How gateway and worker meet in RQ: one queue per kind, JSON instead of RQ's default pickle, the task by its name.
TASK = "worker.tasks.run"
SERIALIZER = "json"
QUEUES: tuple[JobKind, ...] = ("train", "generate", "evaluate")

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Title = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def queue_name(kind: JobKind) -> str:
    """The RQ queue of a kind of job; a worker process serves exactly one."""
    return kind


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def problem_type(slug: str) -> str:
    """The `type` of a problem document (RFC 9457) and of a job's error."""
    return f"urn:cdmt:problem:{slug}"


class TrainRequest(Spec):
    """Train a model on a dataset."""

    kind: Literal["train"] = "train"
    dataset_id: Id
    name: Title
    training: TrainingConfig = TrainingConfig()
    network: NetworkConfig = NetworkConfig()
    holdout_fraction: float = Field(0.2, gt=0, lt=1, description="share of patients kept for the report")
    seed: Seed = 0


class GenerateRequest(Spec):
    """Draw a cohort of synthetic stays from a model."""

    kind: Literal["generate"] = "generate"
    model_id: Id
    n_stays: int = Field(ge=1)
    label_ratios: LabelRatios | None = Field(None, description="absent: the training rate")
    mode: Mode = "conditional"
    sampler: SamplerConfig = SamplerConfig()
    missing: Missing = Field("as_observed", description="imputed: filled by the training pipeline's rule")
    format: Literal["parquet", "csv"] = Field("parquet", description="of the download, unless it asks for another")
    evaluate: bool = True
    seed: Seed = 0

    @model_validator(mode="after")
    def _ratios_need_labels(self) -> GenerateRequest:
        if self.mode == "unconditional" and self.label_ratios is not None:
            raise ValueError("mode 'unconditional' draws stays without regard to labels: it takes no label_ratios")
        return self


class EvaluateRequest(Spec):
    """Compare the cohort of another job with a dataset."""

    kind: Literal["evaluate"] = "evaluate"
    dataset_id: Id
    job_id: Id = Field(description="the generate job whose cohort is compared")
    metrics: tuple[MetricName, ...] | None = Field(None, description="absent: all")
    seed: Seed = 0


Request = Annotated[TrainRequest | GenerateRequest | EvaluateRequest, Field(discriminator="kind")]


class JobResult(Spec):
    """What a job that succeeded produced. A training names its model; a cohort its size and its labels."""

    model_id: str | None = None
    n_stays: int | None = None
    label_counts: dict[str, dict[str, int]] | None = None
    sha256: str | None = Field(None, description="of the cohort's Parquet, or of the model's weights")
    bytes: int | None = None
    warnings: tuple[str, ...] = ()
    figures: dict[str, float | None] = Field({}, description="the main figures of the report")
    model_load: Literal["loaded", "warm"] | None = Field(None, description="warm: kept loaded since an earlier job")
    timings: dict[str, float] = Field({}, description="part of the work -> seconds")


class JobError(Spec):
    """Why a job failed, in the words of RFC 9457. Holds no traceback and no patient's value."""

    type: str = Field(description="see problem_type")
    title: str
    detail: str


class JobRecord(Spec):
    """The truth about a job; RQ only carries its id. `attempts` counts how often a worker has started it."""

    id: str
    status: JobState = "queued"
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    request: Request
    attempts: int = 0
    result: JobResult | None = None
    error: JobError | None = None
    request_id: str | None = None
    caller: str | None = Field(None, description="who asked; None until there is authentication")
    expires_at: AwareDatetime | None = None

    @property
    def kind(self) -> JobKind:
        """What the job does, and so which queue it waits in."""
        return self.request.kind

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
