"""The figures of fidelity that follow from small numbers: what is known of a table, and of the training stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from model.evaluation.aggregates import AGGREGATE_METRICS, Aggregates, compare
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.distributions import mean_distance
from model.evaluation.features import Deviations
from model.evaluation.fidelity import mean_of_known
from model.evaluation.lengths import Lengths, stay_length
from model.evaluation.missingness import runs_distance
from model.evaluation.rules import ALL_RULES
from model.evaluation.space import Figure, Floats, NotAvailable, Tick
from model.evaluation.tails import Ends, tail_distances, told_ends
from model.spec.figures import Distribution, FeatureReport, RuleReport
from model.spec.report import MetricName

ABOUT_GAPS: frozenset[MetricName] = frozenset({"missing_rate_mae", "missing_runs", "co_missingness"})
VALUE_METRICS: tuple[MetricName, ...] = (
    "marginal_ks",
    "wasserstein",
    "conditional_distance",
    "tails",
    "rules",
    "missing_rate_mae",
    "missing_runs",
    *AGGREGATE_METRICS,
)


def value_metrics(*, variable_length: bool) -> list[MetricName]:
    """VALUE_METRICS, and the length of stay where stays may end early."""
    return [*VALUE_METRICS, "stay_length"] if variable_length else list(VALUE_METRICS)


class FidelityTask(NamedTuple):
    """A figure, and how to compute it; `compute` raises NotAvailable where it does not exist."""

    name: MetricName
    compute: Callable[[Tick], Figure]


class Known(NamedTuple):
    """A table (`side`) beside the training stays, in the small numbers that figures follow from.

    `features` and `rules` have both tables in them; `units` are the training stays' standard deviations. `ends` are
    the rarest values; None: those that `features` tell. `lengths` are those of stays that may end early.
    """

    side: Literal["synthetic", "holdout"]
    n_stays: int
    n_training: int
    features: Sequence[FeatureReport]
    rules: Sequence[RuleReport]
    units: Deviations
    subject: Aggregates | None
    training: Aggregates | None
    ends: Ends | None = None
    lengths: Lengths | None = None


def value_of(name: MetricName, known: Known) -> float:
    """The figure `name`; raises NotAvailable where it does not exist, or may not be told."""
    if name in AGGREGATE_METRICS:
        if known.subject is None or known.training is None:
            raise NotAvailable("there are no stays to compare")
        return compare(name, known.subject, known.training)
    if name == "stay_length":
        return stay_length(known.lengths)
    if name == "marginal_ks":
        return mean_distance(known.features, known.side)
    if name == "rules":
        return share_that_holds(known.rules, known.side)
    return {
        "wasserstein": _wasserstein,
        "conditional_distance": _conditional,
        "tails": _tails,
        "missing_rate_mae": _missing_rate,
        "missing_runs": _missing_runs,
    }[name](known)


def share_that_holds(rules: Sequence[RuleReport], side: Literal["synthetic", "holdout"]) -> float:
    """Share of the rows in which all rules hold, of those in which at least one can be checked."""
    if not rules:
        raise NotAvailable("the schema names no rules")
    together = next((report for report in rules if report.rule == ALL_RULES), rules[0])
    share = together.rows.get(side)
    if share is None:
        raise NotAvailable("no row, or too few stays, have the values that a rule compares")
    return share


def _wasserstein(known: Known) -> float:
    """Mean over the numerical features of the earth mover's distance, in training standard deviations."""
    numerical = [feature for feature in known.features if feature.type == "numerical"]
    found = [f.wasserstein if known.side == "synthetic" else f.holdout_wasserstein for f in numerical]
    return mean_of_known(_known(found), "there is no numerical feature with values to compare")


def _conditional(known: Known) -> float:
    """Mean over features, labels and categories of KS (numerical) or TVD (categorical) within the category."""
    parts = [part for feature in known.features for part in feature.by_label]
    found = [part.distance if known.side == "synthetic" else part.holdout_distance for part in parts]
    reason = "there is no label with enough stays in its categories" if parts else "there is no label of few categories"
    return mean_of_known(_known(found), reason)


def _tails(known: Known) -> float:
    """Mean over features and both ends of `|q - q_training| / deviation`, q being the 0.1 and 99.9 % quantiles."""
    return mean_of_known(distances_of_tails(known).ravel().tolist(), "too few real stays reach the rarest values")


def distances_of_tails(known: Known) -> Floats:
    """(J, 2) the distances of which the figure `tails` is the mean; NaN for those that are left out."""
    told = Ends(told_ends(known.features, known.side), told_ends(known.features, "training"))
    return tail_distances(known.ends or told, known.units)


def _missing_rate(known: Known) -> float:
    """Mean over features, and steps that stays of both tables last until, of the difference of missing rates."""
    _check_stays(known)
    found = []
    for feature in known.features:
        subject = _told(feature, known.side)
        if subject is not None and feature.training is not None:
            a, b = (np.array(one.missing_by_step, dtype=np.float64) for one in (subject, feature.training))
            found += np.abs(a - b).tolist()
    return mean_of_known(found, "there is no feature to compare")


def _missing_runs(known: Known) -> float:
    """Mean over features that change in time of the TVD between the distributions of gap lengths."""
    _check_stays(known)
    found = []
    for feature in known.features:
        if feature.static:  # missing in a whole stay, or not at all
            continue
        subject = _told(feature, known.side)
        if subject is not None and feature.training is not None:
            a, b = np.array(subject.missing_runs), np.array(feature.training.missing_runs)
            found.append(runs_distance(a, b))
    return mean_of_known(found, "nothing is missing in the stays, or too few real ones have gaps")


def _check_stays(known: Known) -> None:
    if known.n_training < MIN_STAYS or (known.side == "holdout" and known.n_stays < MIN_STAYS):
        raise NotAvailable(f"fewer than {MIN_STAYS} real stays are there to compare with")


def _told(feature: FeatureReport, side: Literal["synthetic", "holdout"]) -> Distribution | None:
    return feature.synthetic if side == "synthetic" else feature.holdout


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
