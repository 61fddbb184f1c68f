"""What is known about the things in the store: one JSON record in the folder of each."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, ConfigDict, Field

from model.spec.base import Spec
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.guarantee import PrivacyGuarantee
from model.spec.schema import Schema

TABLE = "table.parquet"
COHORT = "cohort.parquet"
WEIGHTS = "weights.safetensors"
REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
SYNTHETIC = "synthetic.parquet"
"""In the folder of an evaluate job: the table that was uploaded with it."""
OVERRIDES = "overrides.jsonl"
"""In the folder of a generate job: who took its cohort although the privacy gate holds it back."""


class FileEntry(Spec):
    """One file of a folder: its content's SHA-256 in hex, and its size."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Record(Spec):
    """What every stored thing has. `files` is its manifest: every file of the folder except the record itself."""

    # "schema" is the word of the API, but a method of pydantic's BaseModel: the attribute is table_schema.
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    id: str
    created_at: AwareDatetime
    files: dict[str, FileEntry] = Field({})
    caller: str | None = Field(None, description="who made it; None until there is authentication")


class DatasetRecord(Record):
    """A table of real stays: its schema and counts that describe it, and no value of it.

    Counts of 1 to 10 are told as 5, and what they are a part of is told as if that were so; rates and rows are in steps
    of 10 stays.
    """

    name: str
    n_stays: int
    n_rows: int = Field(description="less or more than whole stays have in steps of 10 stays")
    sequence_length: int
    table_schema: Schema = Field(alias="schema")
    schema_inferred: bool
    label_counts: dict[str, dict[str, int]] = Field(description="label -> category -> stays")
    missing_rate: dict[str, float] = Field(description="feature -> share of time steps without a value")
    clipped: dict[str, int] = Field(description="feature -> values that were outside of the schema's bounds")
    n_short_stays: int = Field(description="stays that end early; filled up with missing values, or variable_length")
    n_cut_stays: int = Field(description="stays cut to sequence_length")
    n_stays_before: int = Field(0, description="stays left out because all their rows lie before the origin")
    n_rows_before: int = Field(0, description="rows dropped because they lie before the origin of the schema's binning")
    n_rows_beyond: int = Field(0, description="rows cut because they lie beyond sequence_length")
    n_rows_merged: int = Field(0, description="rows that were put into a time step with another row, by the binning")
    columns: dict[str, str] = Field(description="column -> type, in the order of the source")
    sha256: str = Field(description="of the file that was uploaded")
    bytes: int = Field(description="of the file that was uploaded")


class ModelRecord(Record):
    """A trained model: how it was made, from what, and how good its report says it is."""

    name: str
    version: int = 1
    origin: Literal["trained", "bundled", "imported"] = "trained"
    table_schema: Schema = Field(alias="schema")
    training: TrainingConfig
    network: NetworkConfig
    holdout_fraction: float
    seed: int
    dataset_id: str | None = Field(description="the parent dataset, which may have been deleted since")
    dataset_sha256: str | None = None
    job_id: str | None = None
    n_train: int = Field(description="stays")
    n_holdout: int = Field(description="stays")
    n_steps: int = Field(description="optimiser steps done")
    losses: tuple[tuple[int, float], ...] = Field(
        (),
        description="(optimiser step, loss of the averaged weights on stays that are not learned from); none where "
        "differential privacy was asked for",
    )
    label_counts: dict[str, dict[str, int]] = Field({}, description="of the training stays")
    figures: dict[str, float | None] = Field({}, description="the main figures of the report")
    device: str | None = Field(None, description="on which it was trained")
    software_version: str | None = None
    attribution: str | None = None
    privacy: PrivacyGuarantee | None = Field(None, description="of a training with differential privacy")

    @property
    def sha256(self) -> str:
        """Of the weights: what a cohort names as its model."""
        return self.files[WEIGHTS].sha256


class CohortRecord(Record):
    """A synthetic cohort; its id is that of the job that made it."""

    model_id: str
    n_stays: int
    label_counts: dict[str, dict[str, int]] = Field({})


class ReportRecord(Record):
    """The report of an evaluate job, or on the cohort of a generate job; its id is that of the job.

    `dataset_id` is None where the real stays are gone, `cohort_id` where the synthetic ones were uploaded.
    """

    dataset_id: str | None
    cohort_id: str | None
