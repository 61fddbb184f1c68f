"""What a report says about a table of synthetic stays: scores, distributions, labels, and how it was made.

A report can be handed to people who may not see the patients' data. Nothing in it rests on fewer than 11 real stays.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from model.spec.base import Spec

REPORT_VERSION = 1

MetricName = Literal[
    "marginal_ks",
    "total_variation",
    "transition_distance",
    "mmd",
    "correlation_mae",
    "acf_mse",
    "c2st_logistic",
    "c2st_mlp",
    "c2st_lstm",
    "tstr",
    "trtr",
]
Status = Literal["ok", "failed", "not_available"]
Better = Literal["lower", "higher", "closer to 0.5"]
Group = Literal["values", "course", "likeness", "usefulness"]
Verdict = Literal["like_real", "close", "different"]


class EvaluationOptions(Spec):
    """What to compute, and how much effort to spend on it."""

    seed: int = Field(0, ge=0, lt=2**63)
    metrics: tuple[MetricName, ...] | None = Field(None, description="absent: all")
    max_stays: int = Field(10_000, ge=50, le=1_000_000, description="stays of a table from which classifiers learn")


class Score(Spec):
    """One figure about the synthetic stays, and `holdout_value`: what real stays put aside score in its place.

    `low` and `high` bound a 95 % interval, where there is one. A score that is not "ok" says why in `reason`.
    """

    name: MetricName
    title: str
    group: Group
    label: str | None = Field(None, description="the label that is predicted, for tstr and trtr")
    status: Status
    value: float | None = None
    low: float | None = None
    high: float | None = None
    holdout_value: float | None = None
    ideal: float
    better: Better
    verdict: Verdict | None = None
    meaning: str
    reason: str | None = None
    seconds: float = 0.0

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        if (self.status == "ok") != (self.value is not None):
            raise ValueError(f"score '{self.name}': a value belongs to status 'ok', and only to it")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"score '{self.name}': status '{self.status}' needs a reason")
        return self


class Distribution(Spec):
    """One feature in one table. `shares` follows the feature's bins or categories and sums to 1 (0 without values).

    `quantiles` (numerical features) maps "5", "25", "50", "75", "95" to values in the feature's unit; null where one
    rests on too few stays. Missing rates of real stays are told as 0 or 1 where fewer than 11 stays are between;
    `missing_rate` and `n_values` follow from `missing_by_step` as it is told.
    """

    n_values: int = Field(ge=0)
    shares: tuple[float, ...]
    quantiles: dict[str, float | None] = Field(default_factory=dict)
    missing_rate: float
    missing_by_step: tuple[float, ...]


class FeatureReport(Spec):
    """One feature in the synthetic, training and holdout stays.

    Bin `i` of a numerical feature holds the values in [edges[i], edges[i + 1]); the first and the last bin also hold
    all values beyond. `distance` is between synthetic and training: the largest difference of cumulative shares
    (Kolmogorov-Smirnov on the bins), for a categorical feature half the sum of differences of shares (TVD).
    """

    name: str
    type: Literal["numerical", "categorical"]
    unit: str | None = None
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    synthetic: Distribution | None = None
    training: Distribution | None = None
    holdout: Distribution | None = None
    distance: float | None = None
    holdout_distance: float | None = None


class LabelReport(Spec):
    """Stays per category of a label: asked for, obtained, and the shares in the training stays."""

    name: str
    asked: dict[str, int] | None = None
    obtained: dict[str, int]
    training_shares: dict[str, float] | None = None


Matrix = tuple[tuple[float | None, ...], ...]


class Correlations(Spec):
    """Pearson correlations between numerical features over all stays and steps, 0 for a constant feature.

    `training` has null where fewer than 11 stays have both features measured.
    """

    names: tuple[str, ...]
    synthetic: Matrix
    training: Matrix | None = None


class Subject(Spec):
    """What the caller knows of the stays under evaluation, and the stays themselves do not say.

    `n_stays` and `obtained` describe the whole cohort where only a sample of it is evaluated. `imputed` says whether
    missing values were filled in; None where the caller does not know: the stays are then looked at.
    """

    kind: Literal["model", "cohort", "table"] = "cohort"
    title: str = "Synthetic ICU stays"
    n_stays: int | None = Field(None, ge=0)
    asked: dict[str, dict[str, int]] | None = None
    obtained: dict[str, dict[str, int]] | None = None
    imputed: bool | None = None
    provenance: dict[str, JsonValue] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Report(Spec):
    """The whole report; `headline()` has its main figures."""

    version: int = REPORT_VERSION
    created_at: datetime
    kind: Literal["model", "cohort", "table"]
    title: str
    n_stays: int
    n_evaluated: int
    n_training: int | None
    n_holdout: int | None
    sequence_length: int
    labels: tuple[LabelReport, ...]
    scores: tuple[Score, ...]
    features: tuple[FeatureReport, ...]
    correlations: Correlations
    provenance: dict[str, JsonValue]
    notes: tuple[str, ...]
    seconds: dict[str, float]

    def headline(self) -> dict[str, float]:
        """The figures that could be computed, by name; with several labels `tstr[<label>]`."""
        several = len(self.labels) > 1
        return {
            f"{score.name}[{score.label}]" if several and score.label else score.name: score.value
            for score in self.scores
            if score.value is not None
        }
