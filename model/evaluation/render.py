"""A report as one HTML page that needs no network, no script, and no statistician."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import JsonValue

from model.evaluation.definitions import QUESTIONS, VERDICTS
from model.evaluation.plots import COLOURS, correlation_plot, distribution_plot, missing_plot, sides_of
from model.spec.report import FeatureReport, Group, LabelReport, Report, Score, Verdict

TEMPLATES = Path(__file__).parent / "templates"
MAX_PLOTTED = 36  # features; beyond, only the most different ones have plots, so that the page stays small

_ORDER: tuple[Verdict, ...] = ("like_real", "close", "different")


class Answer(NamedTuple):
    """One of the four questions at the top, and the worst verdict of its figures."""

    question: str
    verdict: Verdict | None
    words: str
    scores: tuple[Score, ...]


class Card(NamedTuple):
    """A feature and its plots; no plots where the page would grow too large."""

    feature: FeatureReport
    distribution: Markup | None
    missing: Markup | None
    plotted: bool


def render_html(report: Report) -> str:
    """The page, complete in itself; equal reports give equal pages."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "percent": _percent, "count": _count, "quantity": _quantity}
    correlations = correlation_plot(report.correlations, key="correlations")
    return environment.get_template("report.html.j2").render(
        report=report,
        answers=[answer for group in QUESTIONS if (answer := _answer(report, group))],
        labels=[(label, _rows(label)) for label in report.labels],
        cards=_cards(report),
        sides_of=sides_of,
        colours=COLOURS,
        correlations=None if correlations is None else Markup(correlations),  # noqa: S704 -- our own SVG, text escaped
        verdicts=VERDICTS,
        provenance=[(name, _plain(value)) for name, value in report.provenance.items()],
    )


def _answer(report: Report, group: Group) -> Answer | None:
    scores = tuple(score for score in report.scores if score.group == group and score.name != "trtr")
    if not scores:
        return None
    verdicts = [score.verdict for score in scores if score.verdict]
    worst = max(verdicts, key=_ORDER.index, default=None)
    return Answer(QUESTIONS[group], worst, VERDICTS[worst] if worst else "not available", scores)


def _cards(report: Report) -> list[Card]:
    by_difference = sorted(report.features, key=lambda feature: -(feature.distance or 0.0))
    plotted = {feature.name for feature in by_difference[:MAX_PLOTTED]}
    return [_card(feature, k, plotted=feature.name in plotted) for k, feature in enumerate(report.features)]


def _card(feature: FeatureReport, number: int, *, plotted: bool) -> Card:
    if not plotted:
        return Card(feature, None, None, plotted=False)
    plots = distribution_plot(feature, key=f"d{number}"), missing_plot(feature, key=f"m{number}")
    distribution, missing = (None if svg is None else Markup(svg) for svg in plots)  # noqa: S704 -- our own SVG
    return Card(feature, distribution, missing, plotted=True)


class Row(NamedTuple):
    """A category of a label: stays asked for and obtained, and shares of all stays."""

    category: str
    asked: int | None
    obtained: int
    share: float
    training: float | None


def _rows(label: LabelReport) -> list[Row]:
    total = max(sum(label.obtained.values()), 1)
    asked, training = label.asked or {}, label.training_shares or {}
    return [Row(name, asked.get(name), n, n / total, training.get(name)) for name, n in label.obtained.items()]


def _figure(value: float | None, name: str = "") -> str:
    if value is None:
        return "\u2013"
    return f"{value:.3f}" if name.startswith(("c2st", "tstr", "trtr")) else f"{value:.4f}"


def _percent(share: float | None) -> str:
    return "\u2013" if share is None else f"{share:.1%}"


def _count(n: int | None) -> str:
    return "\u2013" if n is None else f"{n:,}"


def _quantity(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.4g}"


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
