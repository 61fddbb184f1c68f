"""Plots of one feature: where its values lie, when they are missing, and how they go on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from model.evaluation.page.bars import Bar, bar_plot
from model.evaluation.page.svg import HEIGHT, Frame, range_of, step_ticks
from model.evaluation.page.text import SIDE_NAMES, likeness, percent, quantity, short, sides_of, told
from model.spec.figures import RUN_LENGTHS, Distribution, FeatureReport, Side, Trajectory

MAX_BARS = 12
UNIT = 24  # letters of a unit
STRIP = 11  # pixels per line of quantiles under a histogram


def distribution_plot(feature: FeatureReport) -> Markup | None:
    """Where the values lie: an outline and a line of quantiles per table, or bars. None where there are no values."""
    known = [(side, one) for side, one in sides_of(feature) if one.n_values and any(one.shares)]
    if not known:
        return None
    if feature.type == "categorical":
        return _categories(feature, known)
    return _histogram(feature, known) if len(feature.edges) > 1 else None


def missing_plot(feature: FeatureReport) -> Markup | None:
    """Share of missing values at each time step, a line per table. None where nothing is ever missing."""
    known = sides_of(feature)
    length = max((len(one.missing_by_step) for _, one in known), default=0)
    if not length or not any(one.missing_rate for _, one in known):
        return None
    frame = Frame(x=(0, max(length - 1, 1)), y=(0, 1))
    frame.y_axis("missing", ticks=[(0, "0 %"), (0.5, "50 %"), (1, "100 %")])
    frame.x_axis("time step", ticks=step_ticks(length))
    for side, one in reversed(known):
        frame.line(range(len(one.missing_by_step)), one.missing_by_step, side)
    means = "; ".join(f"{SIDE_NAMES[side]} {percent(one.missing_rate)}" for side, one in known)
    return frame.svg(f"Missing values of {told(feature.name)} over time. On average: {means}.{_worst_step(known)}")


def runs_plot(feature: FeatureReport) -> Markup | None:
    """How long gaps last, in classes of time steps. None where no table has gaps."""
    known = [(side, one) for side, one in sides_of(feature) if any(one.missing_runs)]
    if not known:
        return None
    bars = [
        Bar(name, {side: one.missing_runs[k] for side, one in known if k < len(one.missing_runs)})
        for k, name in enumerate(RUN_LENGTHS)
    ]
    longest = {side: sum(one.missing_runs[3:]) for side, one in known}
    words = "; ".join(f"{SIDE_NAMES[side]} {percent(share)}" for side, share in longest.items())
    description = f"Lengths of the gaps in {told(feature.name)}. Share of gaps of five steps or more: {words}."
    return bar_plot(bars, label="steps without a value", description=description)


def acf_plot(feature: FeatureReport) -> Markup | None:
    """How strongly values resemble those some steps earlier, a curve per table. None where nothing can tell."""
    known = {side: curve for side, curve in feature.acf.items() if any(value is not None for value in curve)}
    if not known:
        return None
    lags = max(len(curve) for curve in known.values())
    bounds = range_of([value for curve in known.values() for value in curve]) or (0.0, 1.0)
    frame = Frame(x=(0 if lags == 1 else 1, max(lags, 2)), y=(min(0.0, bounds[0]), 1))
    frame.y_axis("autocorrelation")
    frame.x_axis("steps apart", ticks=[(k, words) for k, words in step_ticks(lags + 1) if k >= 1])
    for side in ("holdout", "training", "synthetic"):
        if side in known:
            frame.line(range(1, len(known[side]) + 1), known[side], side)
    words = [f"{SIDE_NAMES[side]} {_at_lag(curve)}" for side, curve in known.items()]
    return frame.svg(f"Autocorrelation of {told(feature.name)}, one step apart and farthest: {'; '.join(words)}.")


def trajectory_plot(feature: FeatureReport, *, label: str | None, category: str | None) -> Markup | None:
    """Median and quartiles at each time step in the stays of a category. None where no table can tell."""
    known = [one for one in feature.trajectories if (one.label, one.category) == (label, category) and _is_known(one)]
    bounds = range_of([value for one in feature.trajectories for value in (*one.low, *one.median, *one.high)])
    if not known or bounds is None:
        return None
    length = max(len(one.median) for one in known)
    frame = Frame(x=(0, max(length - 1, 1)), y=bounds, height=150)
    frame.y_axis(short(feature.unit or "value", UNIT))
    frame.x_axis("time step", ticks=step_ticks(length))
    ordered = sorted(known, key=lambda one: ("holdout", "training", "synthetic").index(one.side))
    for one in ordered:
        if one.side != "holdout":
            frame.band(range(len(one.median)), one.low, one.high, one.side)
    for one in ordered:
        frame.line(range(len(one.median)), one.median, one.side)
    stays = f"stays with {told(label)} = {told(category or '')}" if label else "all stays"
    words = "; ".join(f"{SIDE_NAMES[one.side]} {_course(one)}" for one in reversed(ordered))
    return frame.svg(f"Course of {told(feature.name)} in {stays}. Median from first to last step: {words}.")


def _histogram(feature: FeatureReport, known: Sequence[tuple[Side, Distribution]]) -> Markup:
    edges = feature.edges
    widths = [high - low for low, high in pairwise(edges)]
    heights = {
        side: [share / width if width else 0.0 for share, width in zip(one.shares, widths, strict=False)]
        for side, one in known
    }
    top = max((max(values, default=0.0) for values in heights.values()), default=0.0) or 1.0
    strips = 6 + STRIP * len(known)
    frame = Frame(x=_reach(edges, known), y=(0, top), left=10, height=HEIGHT + strips, bottom=34 + strips)
    frame.y_axis("how frequent", ticks=[])
    frame.x_axis("")
    frame.text(frame.width - frame.right, 10, short(feature.unit or "value", UNIT), kind="e")
    for side, _ in reversed(known):
        frame.outline(edges[: len(heights[side]) + 1], heights[side], side, filled=side == "synthetic")
    for k, (side, one) in enumerate(known):
        _quantile_line(frame, one, side, y=frame.height - strips + STRIP * (k + 0.5))
    return frame.svg(_in_words(feature, known))


def _quantile_line(frame: Frame, one: Distribution, side: Side, *, y: float) -> None:
    """Thin from p0.1 to p99.9, thicker from p5 to p95, thickest between the quartiles, a white dot at the median."""
    for low, high, kind in (("0.1", "99.9", "q1"), ("5", "95", "q2"), ("25", "75", "q3")):
        start, end = one.quantiles.get(low), one.quantiles.get(high)
        if start is not None and end is not None:
            frame.path(f"M{frame.at_x(start):.1f} {y:.1f}H{frame.at_x(end):.1f}", f"{kind} {side}")
    median = one.quantiles.get("50")
    if median is not None:
        frame.parts.append(f'<circle class="q" cx="{frame.at_x(median):.1f}" cy="{y:.1f}" r="2"/>')


def _reach(edges: Sequence[float], known: Sequence[tuple[Side, Distribution]]) -> tuple[float, float]:
    """From the rarest low to the rarest high value, at most half as far again as the bins."""
    span = edges[-1] - edges[0]
    tails = [one.quantiles.get(key) for _, one in known for key in ("0.1", "99.9")]
    ends = [value for value in tails if value is not None] + [edges[0], edges[-1]]
    return max(min(ends), edges[0] - span / 4), min(max(ends), edges[-1] + span / 4)


def _categories(feature: FeatureReport, known: Sequence[tuple[Side, Distribution]]) -> Markup:
    bars = [
        Bar(category, {side: one.shares[k] for side, one in known if k < len(one.shares)})
        for k, category in enumerate(feature.categories)
    ]
    most = sorted(bars, key=lambda bar: -max(bar.shares.values(), default=0.0))[:MAX_BARS]
    shown = [bar for bar in bars if bar in most]
    left_out = len(bars) - len(shown)
    words = [
        f"{told(bar.name)}: {', '.join(f'{SIDE_NAMES[side]} {percent(share)}' for side, share in bar.shares.items())}"
        for bar in shown[:4]
    ]
    description = f"Categories of {told(feature.name)}. {likeness(feature.distance)}. {'; '.join(words)}."
    label = f"{left_out} rarer categories are not drawn" if left_out else "category"
    return bar_plot(shown, label=label, description=description)


def _in_words(feature: FeatureReport, known: Sequence[tuple[Side, Distribution]]) -> str:
    unit = f" {told(feature.unit)}" if feature.unit else ""
    medians = "; ".join(f"{SIDE_NAMES[side]} {quantity(one.quantiles.get('50'))}" for side, one in known)
    tails = "; ".join(
        f"{SIDE_NAMES[side]} {quantity(one.quantiles.get('0.1'))} to {quantity(one.quantiles.get('99.9'))}"
        for side, one in known
    )
    start = f"Distribution of {told(feature.name)}. {likeness(feature.distance)}."
    return f"{start} Medians: {medians}{unit}. All but the rarest 0.2 %: {tails}{unit}."


def _worst_step(known: Sequence[tuple[Side, Distribution]]) -> str:
    sides = dict(known)
    if "synthetic" not in sides or "training" not in sides:
        return ""
    pairs = zip(sides["synthetic"].missing_by_step, sides["training"].missing_by_step, strict=False)
    gaps = {step: abs(a - b) for step, (a, b) in enumerate(pairs) if a is not None and b is not None}
    if not gaps:
        return ""
    step = max(gaps, key=gaps.__getitem__)
    return f" Synthetic and training differ most at step {step}, by {percent(gaps[step])}."


def _at_lag(curve: Sequence[float | None]) -> str:
    known = [value for value in curve if value is not None]
    return f"{known[0]:.2f} and {known[-1]:.2f}" if len(known) > 1 else f"{known[0]:.2f}"


def _is_known(one: Trajectory) -> bool:
    return any(value is not None for value in one.median)


def _course(one: Trajectory) -> str:
    known = [value for value in one.median if value is not None]
    return f"{quantity(known[0])} to {quantity(known[-1])}"
