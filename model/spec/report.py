"""What a report says about a table of synthetic stays: scores, distributions, labels, and how it was made.

A report can be handed to people who may not see the patients' data. Nothing in it rests on fewer than 11 real stays.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self, get_args

from pydantic import Field, JsonValue, model_validator

from model.spec.base import Spec
from model.spec.figures import (
    Augmentation,
    Correlations,
    DistanceHistogram,
    FeatureReport,
    LabelReport,
    Projection,
    RocCurve,
    RuleReport,
    Transitions,
)
from model.spec.guarantee import PrivacyGuarantee
from model.spec.privacy import PrivacyThresholds, PrivacyVerdict

REPORT_VERSION = 2

PrivacyMetric = Literal[
    "exact_copies",
    "near_copies",
    "dcr_share",
    "dcr_tail_share",
    "nndr",
    "nnaa_loss",
    "membership_auc",
    "membership_density_auc",
    "membership_excess",
    "attribute_gain",
]
MetricName = Literal[
    "marginal_ks",
    "wasserstein",
    "total_variation",
    "conditional_distance",
    "tails",
    "correlation_mae",
    "rules",
    "transition_distance",
    "acf_mse",
    "dtw",
    "stay_length",
    "missing_rate_mae",
    "missing_runs",
    "co_missingness",
    "mmd",
    "c2st_logistic",
    "c2st_mlp",
    "c2st_lstm",
    "tstr",
    "trtr",
    "trts",
    "augmentation",
    PrivacyMetric,
]
Classifier = Literal["bilstm", "transformer", "cnn_lstm"]
Detail = Literal["quick", "full"]
Status = Literal["ok", "failed", "not_available"]
Better = Literal["lower", "higher", "closer to 0.5"]
Group = Literal["privacy", "values", "missingness", "course", "likeness", "usefulness"]
Verdict = Literal["like_real", "close", "different"]

N_METRICS = len(get_args(MetricName))
PRIVACY_METRICS: frozenset[MetricName] = frozenset(get_args(PrivacyMetric))


class EvaluationOptions(Spec):
    """What to compute, and how much effort to spend on it."""

    seed: int = Field(0, ge=0, lt=2**63)
    detail: Detail = Field("quick", description="full: five seeds, larger samples, augmentation; minutes, not seconds")
    metrics: tuple[MetricName, ...] | None = Field(None, description="absent: all")
    thresholds: PrivacyThresholds = PrivacyThresholds()
    max_stays: int = Field(10_000, ge=50, le=1_000_000, description="stays of a table from which classifiers learn")


class Score(Spec):
    """One figure about the synthetic stays, and `holdout_value`: what real stays put aside score in its place.

    `low` and `high` bound a 95 % interval, where there is one. A score that is not "ok" says why in `reason`.
    `label`, `category`, `feature` and `classifier` say what it is about, where there are several of a name: the label
    that is predicted; the stays of one category of a label; the trajectories of one feature; the kind of network.
    """

    name: MetricName
    title: str
    group: Group
    label: str | None = None
    category: str | None = None
    feature: str | None = None
    classifier: Classifier | None = None
    status: Status
    value: float | None = None
    low: float | None = None
    high: float | None = None
    holdout_value: float | None = None
    spread: float | None = Field(None, description="standard deviation over seeds, where there are several")
    threshold: float | None = Field(None, description="of the privacy gate, for its tests")
    gate_low: float | None = Field(None, description="lower bound (99.9 %) that the gate compares with the threshold")
    ideal: float
    better: Better
    verdict: Verdict | None = None
    meaning: str
    reason: str | None = None
    sample: str | None = Field(None, description="on how many stays it rests, where not on all")
    seconds: float = 0.0

    @property
    def key(self) -> str:
        """Name, and what it is about: unique in a report."""
        name = self.name if self.classifier in (None, "bilstm") else f"{self.name}_{self.classifier}"
        about = [part for part in (self.label, self.category, self.feature) if part]
        return f"{name}[{','.join(about)}]" if about else name

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        if (self.status == "ok") != (self.value is not None):
            raise ValueError(f"score '{self.name}': a value belongs to status 'ok', and only to it")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"score '{self.name}': status '{self.status}' needs a reason")
        return self


class Subject(Spec):
    """What the caller knows of the stays under evaluation, and the stays themselves do not say.

    `n_stays` and `obtained` describe the whole cohort where only a sample of it is evaluated. `imputed` says whether
    missing values were filled in; None where the caller does not know: the stays are then looked at. `guarantee` is
    that of the model that made them, if it has one.
    """

    kind: Literal["model", "cohort", "table"] = "cohort"
    title: str = "Synthetic ICU stays"
    n_stays: int | None = Field(None, ge=0)
    asked: dict[str, dict[str, int]] | None = None
    obtained: dict[str, dict[str, int]] | None = None
    imputed: bool | None = None
    provenance: dict[str, JsonValue] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    guarantee: PrivacyGuarantee | None = None


class Report(Spec):
    """The whole report; `headline()` has its main figures."""

    version: int = REPORT_VERSION
    created_at: datetime
    kind: Literal["model", "cohort", "table"]
    title: str
    detail: Detail = "quick"
    n_stays: int
    n_evaluated: int
    n_training: int | None
    n_holdout: int | None
    sequence_length: int
    labels: tuple[LabelReport, ...]
    privacy: PrivacyVerdict
    guarantee: PrivacyGuarantee | None = Field(None, description="where the model has differential privacy")
    scores: tuple[Score, ...]
    features: tuple[FeatureReport, ...]
    length: FeatureReport | None = Field(None, description="of stays, in steps; where they may end early")
    correlations: Correlations
    co_missingness: Correlations | None = None
    transitions: tuple[Transitions, ...] = ()
    rules: tuple[RuleReport, ...] = ()
    roc: tuple[RocCurve, ...] = ()
    projection: Projection | None = None
    distances: tuple[DistanceHistogram, ...] = ()
    augmentation: tuple[Augmentation, ...] = ()
    provenance: dict[str, JsonValue]
    notes: tuple[str, ...]
    seconds: dict[str, float]

    def headline(self) -> dict[str, float]:
        """The figures that could be computed, by name; with several labels `tstr[<label>]`.

        Figures of single vitals' trajectories and of single categories are left to the report.
        """
        several = len(self.labels) > 1
        return {
            score.key if several else score.model_copy(update={"label": None}).key: score.value
            for score in self.scores
            if score.value is not None and score.feature is None and score.category is None
        }
