"""The figures of fidelity of a report: each beside what the holdout scores, with the error of the sampled stays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np

from model.data.codec import Codec
from model.evaluation.aggregates import AGGREGATE_METRICS, aggregate
from model.evaluation.comparison import Comparison
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.features import Gaps, compared_features, exact_gaps, with_gaps
from model.evaluation.fidelity_tables import TABLE_METRICS, dtw_figure, mmd_figure
from model.evaluation.fidelity_values import (
    ABOUT_GAPS,
    FidelityTask,
    Known,
    distances_of_tails,
    value_metrics,
    value_of,
)
from model.evaluation.lengths import Lengths, length_shares, told_lengths
from model.evaluation.rules import rule_reports
from model.evaluation.space import Codes, Figure, Floats, NotAvailable, Tick
from model.evaluation.tails import Ends, common_tails, exact_ends, tails_told, told_ends
from model.evaluation.view import View
from model.spec.figures import Side
from model.spec.report import MetricName

NO_DATASET = "the model's dataset is not stored here"
NOTHING_MISSING = "missing values were filled in"
TOO_FEW = f"there are fewer than {MIN_STAYS} synthetic stays: of so few, it would tell of single ones"
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
    names = value_metrics(variable_length=codec.schema.variable_length)
    tasks = [FidelityTask(name, partial(_value, name, shared)) for name in names]
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
            side="holdout",
            n_stays=n,
            features=with_gaps(sides.features, self._gaps),
            rules=rules,
            subject=sides.holdout,
            lengths=self._lengths("holdout", sides.holdout_view),
            ends=None if self._ends["holdout"] is None else self._compared(self._ends["holdout"]),
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
            features=with_gaps(features, self._gaps),
            rules=rule_reports({"synthetic": view.stays}, self.codec.schema),
            units=sides.units,
            subject=sides.synthetic if part is None else aggregate(view.table),
            training=sides.training,
            ends=self._compared(exact_ends(view.stays)),
            lengths=self._lengths("synthetic", view),
        )

    def _lengths(self, side: Literal["synthetic", "holdout"], view: View | None) -> Lengths | None:
        """Exact where both tables are at hand, else in the bins that are told."""
        train = self.sides.train_view
        if train is None or view is None:
            return told_lengths(self.sides.length, side)
        return Lengths(length_shares(view.stays), length_shares(train.stays))

    @cached_property
    def _gaps(self) -> dict[Side, Gaps]:
        """Exact missing rates and gap lengths of the real stays at hand: for figures, not to be shown."""
        views: dict[Side, View | None] = {"training": self.sides.train_view, "holdout": self.sides.holdout_view}
        return {side: exact_gaps(one.stays, self.sides.features) for side, one in views.items() if one is not None}

    def _compared(self, subject: Floats) -> Ends:
        ends = self._ends
        assert ends["training"] is not None
        assert ends["synthetic"] is not None
        return Ends(subject, ends["training"], common_tails(ends["synthetic"], ends["training"], ends["holdout"]))

    @cached_property
    def _ends(self) -> dict[Side, Floats | None]:
        """The rarest values of each table: exact where the real stays are at hand, else as they are told."""
        sides, told = self.sides, partial(told_ends, self.sides.features)
        synthetic, train, aside = exact_ends(sides.synthetic_view.stays), sides.train_view, sides.holdout_view
        if train is None or (aside is None and sides.reference is not None):
            return {"synthetic": synthetic, "training": told("training"), "holdout": told("holdout")}
        holdout = None if aside is None else exact_ends(aside.stays)
        return {"synthetic": synthetic, "training": exact_ends(train.stays), "holdout": holdout}


def _value(name: MetricName, shared: _Shared, tick: Tick) -> Figure:
    tick(0.0)
    _check(name, shared.sides)
    value = value_of(name, shared.synthetic)
    low, high = _interval(name, value, shared.groups)
    return Figure(value, low, high, holdout_value=_or_none(name, shared.holdout), sample=_sample(name, shared))


def _sample(name: MetricName, shared: _Shared) -> str | None:
    """What a figure rests on, where that is not everything."""
    if name == "tails":
        return tails_told(distances_of_tails(shared.synthetic))
    from_bins = name == "wasserstein" and shared.sides.train_view is None
    return "from the shares in each feature's bins: the real values are not stored here" if from_bins else None


def _check(name: MetricName, sides: Comparison) -> None:
    """Raise NotAvailable where the real stays, or what is known of them, cannot be compared with the synthetic."""
    if sides.imputed and name in ABOUT_GAPS:
        raise NotAvailable(NOTHING_MISSING)
    if sides.imputed and sides.train_view is None and name not in (*AGGREGATE_METRICS, "stay_length"):
        raise NotAvailable(NOT_ALIKE)
    if sides.training is None and name != "rules":
        raise NotAvailable(NO_DATASET)
    if len(sides.synthetic_view) < MIN_STAYS:
        raise NotAvailable(TOO_FEW)


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
