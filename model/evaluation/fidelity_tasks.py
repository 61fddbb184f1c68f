"""The figures of fidelity of a report: each beside what the holdout scores, with the error of the sampled stays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from model.data.codec import Codec
from model.evaluation.aggregates import AGGREGATE_METRICS, aggregate
from model.evaluation.comparison import Comparison
from model.evaluation.features import compared_features, exact_gaps
from model.evaluation.fidelity_tables import TABLE_METRICS, dtw_figure, mmd_figure
from model.evaluation.fidelity_values import ABOUT_GAPS, VALUE_METRICS, FidelityTask, Known, value_of
from model.evaluation.rules import rule_reports
from model.evaluation.space import Codes, Figure, NotAvailable, Tick
from model.evaluation.view import View
from model.spec.figures import FeatureReport
from model.spec.report import MetricName

NO_DATASET = "the model's dataset is not stored here"
NOTHING_MISSING = "missing values were filled in"
NOT_ALIKE = "missing values were filled in, and the real stays, to fill alike, are not stored here"

N_GROUPS = 10
FEWEST_PER_GROUP = 20


def fidelity_tasks(sides: Comparison, codec: Codec) -> list[FidelityTask]:
    """Do single values, relations, gaps and courses look like the training stays'?

    Each figure has the holdout's in its `holdout_value`, where the holdout is at hand or what was kept of it says it.
    The interval is that of the sampled synthetic stays: the figure +- 1.96 standard errors, as the figures of ten
    disjoint groups of the stays scatter (batch means); none below 200 stays.
    """
    shared = _Shared(sides, codec)
    tasks = [FidelityTask(name, partial(_value, name, shared)) for name in VALUE_METRICS]
    return [*tasks, *(FidelityTask(name, partial(_of_tables, name, sides)) for name in TABLE_METRICS)]


@dataclass(frozen=True)
class _Shared:
    """What several figures need."""

    sides: Comparison
    codec: Codec

    @cached_property
    def synthetic(self) -> Known:
        return self._known(self.sides.synthetic_view)

    @cached_property
    def groups(self) -> list[Known]:
        """Disjoint random groups of the synthetic stays; none where there are few."""
        n = len(self.sides.synthetic_view)
        if n < N_GROUPS * FEWEST_PER_GROUP:
            return []
        order = np.random.default_rng(self.sides.options.seed).permutation(n)
        return [self._known(self.sides.synthetic_view, np.sort(part)) for part in np.array_split(order, N_GROUPS)]

    @cached_property
    def holdout(self) -> Known:
        sides, reference = self.sides, self.sides.reference
        n = len(sides.holdout_view) if sides.holdout_view else reference.n_holdout if reference else 0
        rules = sides.portrait.rules if sides.portrait else ()
        return self.synthetic._replace(
            side="holdout", n_stays=n, features=sides.features, rules=rules, subject=sides.holdout
        )

    def _known(self, whole: View, part: Codes | None = None) -> Known:
        sides, reference = self.sides, self.sides.reference
        view = whole if part is None else whole.take(part)
        features = sides.features
        if part is not None:
            values = sides.training_values
            features = compared_features(view.stays, sides.known, self.codec, units=sides.units, training_values=values)
        return Known(
            side="synthetic",
            n_stays=len(view),
            n_training=len(sides.train_view) if sides.train_view else reference.n_training if reference else 0,
            features=tuple(self._exact(one) for one in features),
            rules=rule_reports({"synthetic": view.stays}, self.codec.schema),
            units=sides.units,
            subject=sides.synthetic if part is None else aggregate(view.table),
            training=sides.training,
        )

    def _exact(self, feature: FeatureReport) -> FeatureReport:
        """With exact missing rates and gap lengths of the training stays: for figures, not to be shown."""
        exact = self._exact_gaps.get(feature.name)
        if exact is None or feature.training is None:
            return feature
        return feature.model_copy(update={"training": feature.training.model_copy(update=exact)})

    @cached_property
    def _exact_gaps(self) -> dict[str, dict[str, tuple[float, ...]]]:
        train = self.sides.train_view
        return {} if train is None else exact_gaps(train.stays, self.codec)


def _value(name: MetricName, shared: _Shared, tick: Tick) -> Figure:
    tick(0.0)
    _check(name, shared.sides)
    value = value_of(name, shared.synthetic)
    low, high = _interval(name, value, shared.groups)
    from_bins = name == "wasserstein" and shared.sides.train_view is None
    sample = "from the shares in each feature's bins: the real values are not stored here" if from_bins else None
    return Figure(value, low, high, holdout_value=_or_none(name, shared.holdout), sample=sample)


def _check(name: MetricName, sides: Comparison) -> None:
    """Raise NotAvailable where the real stays, or what is known of them, cannot be compared with the synthetic."""
    if sides.imputed and name in ABOUT_GAPS:
        raise NotAvailable(NOTHING_MISSING)
    if sides.imputed and sides.train_view is None and name not in AGGREGATE_METRICS:
        raise NotAvailable(NOT_ALIKE)
    if sides.training is None and name != "rules":
        raise NotAvailable(NO_DATASET)


def _interval(name: MetricName, value: float, groups: list[Known]) -> tuple[float, float] | tuple[None, None]:
    """`value +- 1.96 s / sqrt(10)`, s being the standard deviation of the groups' figures; within its range."""
    found = [one for one in (_or_none(name, group) for group in groups) if one is not None]
    if len(found) < N_GROUPS:
        return None, None
    error = 1.96 * float(np.std(found, ddof=1)) / np.sqrt(N_GROUPS)
    high = value + error
    return max(0.0, value - error), min(1.0, high) if name == "rules" else high


def _or_none(name: MetricName, known: Known) -> float | None:
    try:
        return value_of(name, known)
    except NotAvailable:
        return None


def _of_tables(name: MetricName, sides: Comparison, tick: Tick) -> Figure:
    if sides.train_table is None:
        raise NotAvailable(NO_DATASET)
    compute = dtw_figure if name == "dtw" else mmd_figure
    return compute(sides.synthetic_table, sides.train_table, sides.holdout_table, options=sides.options, tick=tick)
