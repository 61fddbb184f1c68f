"""One card per feature: its plots, its quantiles, and how it differs by label category."""

from __future__ import annotations

from typing import NamedTuple

from model.evaluation.page.feature_plots import acf_plot, distribution_plot, missing_plot, runs_plot, trajectory_plot
from model.evaluation.page.matrix_plots import Panel
from model.evaluation.page.text import told
from model.spec.figures import FeatureReport
from model.spec.report import Report

MAX_PLOTTED = 36
"""Features with plots; beyond, only the most different ones have them, so that the page stays small."""
OPEN = 12
"""Cards stand open where there are no more than so many."""
MAX_COURSES = 6
MAX_CATEGORIES = 20
QUANTILES = {
    "0.1": "p0.1", "5": "p5", "25": "p25", "50": "median", "75": "p75", "95": "p95", "99.9": "p99.9",
}  # fmt: skip


class Card(NamedTuple):
    """A feature, its plots, and sentences on what is not there."""

    feature: FeatureReport
    plots: tuple[Panel, ...]
    courses: tuple[Panel, ...]
    absent: tuple[str, ...]


def cards(report: Report) -> list[Card]:
    """A card per feature, in the schema's order."""
    by_difference = sorted(report.features, key=lambda feature: -(feature.distance or 0.0))
    plotted = {feature.name for feature in by_difference[:MAX_PLOTTED]}
    return [_card(feature) if feature.name in plotted else Card(feature, (), (), ()) for feature in report.features]


def _card(feature: FeatureReport) -> Card:
    made = {
        "where the values lie": (distribution_plot(feature), "No values, or too few to show."),
        "how often it is missing": (missing_plot(feature), "Never missing."),
        "how long gaps last": (runs_plot(feature), ""),
        "how values resemble earlier ones": (acf_plot(feature), ""),
    }
    plots = tuple(Panel(caption, svg) for caption, (svg, _) in made.items() if svg is not None)
    absent = tuple(words for svg, words in made.values() if svg is None and words)
    courses, left_out = _courses(feature)
    if feature.static:
        absent += ("Constant within a stay.",)
    elif feature.type == "numerical" and not courses:
        absent += ("No course over time: too few stays have values at a time step.",)
    return Card(feature, plots, courses, absent + left_out)


def _courses(feature: FeatureReport) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
    """Small multiples: all stays, then those of each label category."""
    groups = list(dict.fromkeys((one.label, one.category) for one in feature.trajectories))
    groups.sort(key=lambda group: group[0] is not None)
    panels = []
    for label, category in groups[:MAX_COURSES]:
        svg = trajectory_plot(feature, label=label, category=category)
        caption = f"stays with {told(label)} = {told(category or '')}" if label else "all stays"
        if svg is not None:
            panels.append(Panel(f"course in {caption}", svg))
    n_more = len(groups) - MAX_COURSES
    return tuple(panels), ((f"Courses in {n_more} more label categories are not drawn.",) if n_more > 0 else ())
