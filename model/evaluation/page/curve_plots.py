"""Plots of whole cohorts: distances to real patients, discriminators, and what added synthetic stays bring."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from model.evaluation.definitions import DEFINITIONS
from model.evaluation.page.svg import Frame, nice_ticks, percent_ticks, range_of
from model.evaluation.page.text import count, percent, told
from model.spec.figures import Augmentation, DistanceHistogram, RocCurve

CURVES = ("c1", "c2", "c3", "c4")
"""Colours and line styles of curves that are no table's: in the style sheet."""


def distance_plot(histogram: DistanceHistogram) -> Markup | None:
    """How far the closest real stay is: from synthetic to training and to holdout, and from holdout to training."""
    edges = histogram.edges
    curves = [
        ("training", histogram.holdout_to_training),
        ("holdout", histogram.synthetic_to_holdout),
        ("synthetic", histogram.synthetic_to_training),
    ]
    known = [(kind, shares) for kind, shares in curves if any(shares) and len(shares) == len(edges) - 1]
    if not known:
        return None
    top = max(max(shares) for _, shares in known)
    frame = Frame(x=(edges[0], edges[-1]), y=(0, top))
    frame.y_axis("share of stays", ticks=percent_ticks(top))
    frame.x_axis("distance to the closest real stay")
    for kind, shares in known:
        frame.outline(edges, shares, kind, filled=kind == "synthetic")
    return frame.svg(_distances_in_words(histogram))


def roc_plot(curves: Sequence[RocCurve]) -> Markup | None:
    """True against false positive rates of the discriminators; on the diagonal one cannot tell."""
    if not curves:
        return None
    frame = Frame(x=(0, 1), y=(0, 1), height=240, right=20)
    ticks = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]
    frame.y_axis("synthetic stays found out", ticks=ticks)
    frame.x_axis("real stays mistaken for synthetic", ticks=ticks)
    frame.path(f"M{frame.at(0, 0)}L{frame.at(1, 1)}", "diagonal")
    for kind, curve in zip(CURVES, curves, strict=False):
        rates = curve.true_positive_rates
        frame.line([k / (len(rates) - 1) for k in range(len(rates))], rates, kind)
    words = "; ".join(f"{told(discriminator(curve))} {curve.auc:.3f}" for curve in curves)
    return frame.svg(f"ROC curves of the discriminators. Area under the curve (0.5 cannot tell): {words}.")


def discriminator(curve: RocCurve) -> str:
    """What kind of program it is, in a reader's words."""
    return next((known.title for name, known in DEFINITIONS.items() if name == curve.name), curve.name)


def augmentation_plot(rows: Sequence[Augmentation]) -> Markup | None:
    """AUC on real stays with and without added synthetic ones, a line of dots per mixture. None without any."""
    bounds = range_of([value for row in rows for value in (row.low, row.high, row.value, row.real_only)], margin=0.08)
    if bounds is None:
        return None
    step, left = 24, 100
    frame = Frame(x=bounds, y=(0, 1), left=left, height=26 + step * len(rows) + 34, right=16)
    frame.text(2, 10, "real + synthetic stays")
    bottom = frame.height - frame.bottom
    for value, _ in nice_ticks(*bounds, about=4):
        frame.path(f"M{frame.at_x(value):.1f} 18V{bottom:.1f}", "grid")
    frame.x_axis("AUC on real stays", ticks=nice_ticks(*bounds, about=4))
    for k, row in enumerate(rows):
        y = 20 + step * (k + 0.5)
        frame.text(left - 6, y + 4, f"{count(row.n_real)} + {count(row.n_synthetic)}", kind="e")
        frame.path(f"M{frame.at_x(row.low):.1f} {y:.1f}H{frame.at_x(row.high):.1f}", "l synthetic")
        frame.parts.append(f'<circle class="d synthetic" cx="{frame.at_x(row.value):.1f}" cy="{y:.1f}" r="4"/>')
        frame.parts.append(f'<circle class="o training" cx="{frame.at_x(row.real_only):.1f}" cy="{y:.1f}" r="4"/>')
    gains = "; ".join(
        f"{count(row.n_real)} real and {count(row.n_synthetic)} synthetic stays {row.value:.3f}, "
        f"the real ones alone {row.real_only:.3f}"
        for row in rows
    )
    return frame.svg(f"AUC for {told(rows[0].label)} with synthetic stays added: {gains}.")


def _distances_in_words(histogram: DistanceHistogram) -> str:
    sides = (
        ("from synthetic to training", histogram.synthetic_to_training),
        ("from synthetic to kept aside", histogram.synthetic_to_holdout),
        ("from kept aside to training", histogram.holdout_to_training),
    )
    medians = [
        f"{words} {middle:.3g}" for words, shares in sides if (middle := _median(histogram.edges, shares)) is not None
    ]
    near = f" {percent(histogram.synthetic_to_training[0])} of the synthetic stays are in the closest bin."
    return f"{told(histogram.title)}: distances to the closest real stay. Medians: {'; '.join(medians)}.{near}"


def _median(edges: Sequence[float], shares: Sequence[float]) -> float | None:
    """The middle of the bin in which the half lies."""
    total, below = sum(shares), 0.0
    for k, share in enumerate(shares[: len(edges) - 1]):
        below += share
        if total and below >= total / 2:
            return (edges[k] + edges[k + 1]) / 2
    return None
