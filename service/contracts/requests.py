"""What can be asked for: the bodies of POST /jobs/..., as they are kept in the records of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.spec import presets
from model.spec.base import Spec
from model.spec.config import Missing, Mode, NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.presets import Preset
from model.spec.ratios import LabelRatios
from model.spec.report import N_METRICS, Detail, MetricName
from model.spec.schema import SHOWN_AS_IT_IS
from service.contracts.ids import ID_PATTERN

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Title = Annotated[str, Field(min_length=1, max_length=128, pattern=SHOWN_AS_IT_IS)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Webhook(Spec):
    """An address that is told of the end of the job. What the job makes does not depend on it."""

    url: str = Field(min_length=1, max_length=2048, description="of a host that this installation allows; https")


Told = Annotated[Webhook | None, Field(description="who shall be told of the job's end")]


def _with_preset(given: object, known: Mapping[Preset, Mapping[str, object]]) -> object:
    """A request's fields before they are parsed, and under them those of its preset; what is wrong is left as it is."""
    if not isinstance(given, Mapping) or given.get("preset") not in list(known):  # a list: it may have no hash
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
    metrics: tuple[MetricName, ...] | None = Field(None, min_length=1, max_length=N_METRICS, description="absent: all")
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
