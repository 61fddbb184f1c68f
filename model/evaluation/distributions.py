"""One feature in one table: its distribution, quantiles and missingness, in the units that clinicians know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from model.data.codec import Codec
from model.data.stays import MISSING_CATEGORY, Stays
from model.evaluation.bins import bins_of, shared_edges
from model.evaluation.disclosure import MIN_STAYS, is_small, safe_rates, safe_shares, stays_per_cell
from model.evaluation.fidelity import marginal_ks, mean_of_known, total_variation
from model.evaluation.missingness import run_shares
from model.evaluation.space import Bools, Codes, Floats, Inputs
from model.spec.figures import Curve, Distribution, FeatureReport

QUANTILES = (0.1, 5, 25, 50, 75, 95, 99.9)


def feature_reports(train: Stays, holdout: Stays | None, codec: Codec) -> tuple[FeatureReport, ...]:
    """Every feature of the schema in training and holdout, told so that no figure rests on fewer than 11 stays.

    The distance between the two is exact: it says nothing about single stays.
    """
    sides = [side for side in (train, holdout) if side is not None]
    return tuple(of_real(feature, column, sides) for feature, column in columns_of(codec))


def of_real(feature: FeatureReport, column: int, sides: list[Stays]) -> FeatureReport:
    """A feature as it may be told of training stays and, if they are there, of the holdout."""
    binned = with_bins(feature, column, sides)
    told = [describe(side, binned, column=column, real=True) for side in sides]
    if len(sides) == 1:
        return binned.model_copy(update={"training": told[0]})
    train, holdout = (describe(side, binned, column=column, real=False) for side in sides)
    between = distance(binned, holdout, train)
    return binned.model_copy(update={"training": told[0], "holdout": told[1], "holdout_distance": between})


def with_bins(feature: FeatureReport, column: int, sides: list[Stays]) -> FeatureReport:
    """A numerical feature with bins that suit the tables `sides`."""
    if feature.type == "categorical":
        return feature
    return feature.model_copy(update={"edges": shared_edges([side.numerical[:, :, column] for side in sides])})


def with_synthetic(synthetic: Stays, known: Sequence[FeatureReport] | None, codec: Codec) -> tuple[FeatureReport, ...]:
    """The features as they are `known` of the real stays, and in the synthetic ones.

    Where nothing is known of real stays, the synthetic ones have bins of their own. Fewer than 11 of them are not told,
    and have no distance: a cohort of one could be a patient's stay.
    """
    described, few = [], len(synthetic) < MIN_STAYS
    for k, (unknown, column) in enumerate(columns_of(codec)):
        feature = with_bins(unknown, column, [synthetic]) if known is None else known[k]
        told = None if few else describe(synthetic, feature, column=column, real=False)
        found = {"synthetic": told, "distance": distance(feature, told, feature.training)}
        described.append(feature.model_copy(update=found))
    return tuple(described)


def columns_of(codec: Codec) -> list[tuple[FeatureReport, int]]:
    """The schema's features in order, and where each of them is among the columns of its kind."""
    columns = {feature.name: j for j, feature in enumerate(codec.schema.numerical)}
    columns |= {feature.name: j for j, feature in enumerate(codec.schema.categorical)}
    reports = []
    for feature in codec.schema.features:
        if feature.type == "numerical":
            report = FeatureReport(name=feature.name, type="numerical", unit=feature.unit, static=feature.static)
        else:
            options = feature.categories
            report = FeatureReport(name=feature.name, type="categorical", categories=options, static=feature.static)
        reports.append((report, columns[feature.name]))
    return reports


def distance(feature: FeatureReport, subject: Distribution | None, training: Distribution | None) -> float | None:
    """KS on the bins of a numerical feature, TVD of a categorical one; None where a side has no values."""
    if subject is None or training is None or not subject.n_values or not training.n_values:
        return None
    p, q = np.array(subject.shares), np.array(training.shares)
    return marginal_ks(p, q) if feature.type == "numerical" else total_variation([p], [q])


def mean_distance(features: Sequence[FeatureReport], side: Literal["synthetic", "holdout"]) -> float:
    """Mean KS distance from the training stays over the numerical features that have values on both sides."""
    numerical = [feature for feature in features if feature.type == "numerical"]
    found = [feature.distance if side == "synthetic" else feature.holdout_distance for feature in numerical]
    known = [value for value in found if value is not None]
    return mean_of_known(known, "there is no numerical feature with values to compare")


def describe(stays: Stays, feature: FeatureReport, *, column: int, real: bool) -> Distribution:
    """`feature`, column number `column` of its kind, in `stays`. Of `real` stays no small numbers are told."""
    if feature.type == "numerical":
        values = stays.numerical[:, :, column]
        return numerical(values, np.array(feature.edges), stays.inside, real=real)
    return categorical(stays.categorical[:, :, column], len(feature.categories), stays.inside, real=real)


def numerical(values: Inputs, edges: Floats, inside: Bools, *, real: bool) -> Distribution:
    """The distribution of values (n, L), of the steps `inside` the stays, in the bins of `edges`."""
    observed = ~np.isnan(values)
    n_bins = max(len(edges) - 1, 0)
    cells = bins_of(values, edges) if n_bins else np.full(values.shape, -1)
    few = is_small(stays_per_cell(cells, n_bins)).any()
    hidden = n_bins == 0 or (real and bool(few))
    shares = np.zeros(n_bins) if hidden else shares_of(cells, n_bins, real=real)
    missing = missing_by_step(observed, inside, real=real)
    return Distribution(
        n_values=0 if hidden else n_values(observed, missing, inside),
        shares=tuple(shares.tolist()),
        quantiles={} if hidden else _quantiles(values, real=real),
        missing_rate=mean_rate(missing, inside),
        missing_by_step=told_rates(missing),
        missing_runs=tuple(run_shares(~observed & inside, real=real).tolist()),
    )


def categorical(codes: Codes, n_categories: int, inside: Bools, *, real: bool) -> Distribution:
    """The distribution of the codes (n, L) of a feature, of the steps `inside` the stays."""
    observed = codes != MISSING_CATEGORY
    shares = shares_of(codes, n_categories, real=real)
    missing = missing_by_step(observed, inside, real=real)
    return Distribution(
        n_values=n_values(observed, missing, inside) if shares.any() else 0,
        shares=tuple(shares.tolist()),
        missing_rate=mean_rate(missing, inside),
        missing_by_step=told_rates(missing),
        missing_runs=tuple(run_shares(~observed & inside, real=real).tolist()),
    )


def shares_of(cells: Codes, n_cells: int, *, real: bool) -> Floats:
    """(C,) shares of the cells (n, L), -1 being none."""
    counts = np.bincount(cells[cells >= 0], minlength=n_cells).astype(np.float64)
    if real:
        return safe_shares(counts, stays_per_cell(cells, n_cells), total=len(cells))
    shares: Floats = counts / max(counts.sum(), 1)
    return shares


def _quantiles(values: Inputs, *, real: bool) -> dict[str, float | None]:
    observed = values[~np.isnan(values)].astype(np.float64)
    if not len(observed):
        return {}
    cuts = np.quantile(observed, np.array(QUANTILES) / 100)
    told: dict[str, float | None] = {}
    for percent, cut in zip(QUANTILES, cuts.tolist(), strict=True):
        told[f"{percent:g}"] = None if real and _stays_beyond(values, cut) < MIN_STAYS else cut
    return told


def _stays_beyond(values: Inputs, cut: float) -> int:
    """How many stays reach `cut` from below, or from above: the fewer of the two."""
    return min(int((values <= cut).any(axis=1).sum()), int((values >= cut).any(axis=1).sum()))


def missing_by_step(observed: Bools, inside: Bools, *, real: bool) -> Floats:
    """(L,) rates among the stays that last until then, NaN where there are none; arguments (n, L).

    Of `real` stays that last until then, fewer than 11 are none.
    """
    hits, total = (~observed & inside).sum(axis=0), inside.sum(axis=0)
    rates = safe_rates(hits, total=total) if real else hits / np.maximum(total, 1)
    return np.where(total < (MIN_STAYS if real else 1), np.nan, rates)


def told_rates(rates: Floats) -> Curve:
    """Rates (L,) as a report has them."""
    return tuple(None if np.isnan(rate) else rate for rate in rates.tolist())


def mean_rate(missing: Floats, inside: Bools) -> float:
    """The rate of all steps follows from theirs, (L,): an exact one would give away a step that is not told."""
    total = inside.sum(axis=0)
    return float(np.nansum(missing * total) / max(total.sum(), 1))


def n_values(observed: Bools, missing: Floats, inside: Bools) -> int:
    """How many entries have a value, as far as the rates that are told of the steps say it."""
    return max(1, round((1 - mean_rate(missing, inside)) * int(inside.sum()))) if observed.any() else 0
