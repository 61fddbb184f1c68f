"""How long stays last, overall and by label: a plot and a table."""

from __future__ import annotations

from typing import NamedTuple

from model.evaluation.page.feature_plots import distribution_plot
from model.evaluation.page.matrix_plots import Panel
from model.spec.figures import Distribution, FeatureReport


class LengthRow(NamedTuple):
    """Some of the stays: their median lengths in steps, and the KS distances from the training stays."""

    stays: str
    synthetic: float | None
    training: float | None
    distance: float | None
    holdout_distance: float | None


def length_panel(length: FeatureReport | None) -> Panel | None:
    """The distribution of lengths; None where it is not known."""
    plot = None if length is None else distribution_plot(length)
    return None if plot is None else Panel("how long stays last", plot)


def length_rows(length: FeatureReport | None) -> list[LengthRow]:
    """All stays, then those of each category of each label."""
    if length is None:
        return []
    rows = [_row("all", length.synthetic, length.training, length.distance, length.holdout_distance)]
    return rows + [
        _row(f"{one.label} {one.category}", one.synthetic, one.training, one.distance, one.holdout_distance)
        for one in length.by_label
    ]


def _row(
    stays: str,
    synthetic: Distribution | None,
    training: Distribution | None,
    distance: float | None,
    holdout_distance: float | None,
) -> LengthRow:
    medians = [None if side is None else side.quantiles.get("50") for side in (synthetic, training)]
    return LengthRow(stays, medians[0], medians[1], distance, holdout_distance)
