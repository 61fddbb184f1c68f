"""A report as one HTML page that needs no network, no script, and no statistician."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from model.evaluation.page import text
from model.evaluation.page.cards import MAX_CATEGORIES, MAX_PLOTTED, OPEN, QUANTILES, cards
from model.evaluation.page.curve_plots import CURVES, augmentation_plot, discriminator, distance_plot, roc_plot
from model.evaluation.page.lengths import length_panel, length_rows
from model.evaluation.page.matrix_plots import (
    Panel,
    Panels,
    correlation_plots,
    projection_plots,
    transition_plots,
)
from model.evaluation.page.score_tables import sections
from model.evaluation.page.summary import GATE, GATE_LOOKS, answers, gate_of, label_rows
from model.spec.figures import Augmentation
from model.spec.report import Report

TEMPLATES = Path(__file__).parent / "templates"
MAX_CHANNELS = 24
"""Categorical channels with transition matrices; of more, those that differ most."""


class Channel(NamedTuple):
    """The transition matrices of a categorical channel."""

    name: str
    plots: Panels


class Mixture(NamedTuple):
    """Augmentation for one label: its plot and its rows."""

    label: str
    svg: Markup | None
    rows: tuple[Augmentation, ...]


def render_html(report: Report) -> str:
    """The page, complete in itself; equal reports give equal pages."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("figure", "percent", "count", "quantity", "sentence", "told", "plain")
    environment.filters |= {name: getattr(text, name) for name in names}
    return environment.get_template("report.html.j2").render(report=report, **_words(), **_parts(report))


def _words() -> dict[str, Any]:  # what a template is given has any type
    return {
        "gate": GATE,
        "gate_looks": GATE_LOOKS,
        "short_verdict": text.short_verdict,
        "about": text.about,
        "side_names": text.SIDE_NAMES,
        "sides_of": text.sides_of,
        "quantiles": QUANTILES,
        "max_plotted": MAX_PLOTTED,
        "max_categories": MAX_CATEGORIES,
        "curves": CURVES,
        "discriminator": discriminator,
        "signs": {"like_real": "\u2713", "close": "\u2248", "different": "\u2717"},
    }


def _parts(report: Report) -> dict[str, Any]:
    distances = [(one, distance_plot(one)) for one in report.distances]
    return {
        "gated": gate_of(report),
        "answers": answers(report),
        "labels": [(label, label_rows(label)) for label in report.labels],
        "sections": sections(report),
        "distances": [Panel(one.title, svg) for one, svg in distances if svg is not None],
        "correlations": correlation_plots(report.correlations, what="Correlations of values"),
        "co_missingness": correlation_plots(report.co_missingness, what="Missing at the same moments"),
        "channels": _channels(report),
        "n_channels": len(report.transitions),
        "roc": roc_plot(report.roc),
        "projection": projection_plots(report.projection),
        "mixtures": _mixtures(report),
        "length": length_panel(report.length),
        "length_rows": length_rows(report.length),
        "cards": cards(report),
        "cards_open": len(report.features) <= OPEN,
    }


def _channels(report: Report) -> list[Channel]:
    def difference(k: int) -> float:
        one = report.transitions[k]
        pairs = zip(one.synthetic, one.training or (), strict=False)
        gaps = [abs((x or 0.0) - (y or 0.0)) for a, b in pairs for x, y in zip(a, b, strict=False)]
        return sum(gaps) / max(len(gaps), 1)

    kept = sorted(sorted(range(len(report.transitions)), key=lambda k: -difference(k))[:MAX_CHANNELS])
    drawn = [(report.transitions[k].name, transition_plots(report.transitions[k])) for k in kept]
    return [Channel(name, plots) for name, plots in drawn if plots is not None]


def _mixtures(report: Report) -> list[Mixture]:
    labels = dict.fromkeys(row.label for row in report.augmentation)
    rows = {label: tuple(row for row in report.augmentation if row.label == label) for label in labels}
    return [Mixture(label, augmentation_plot(rows[label]), rows[label]) for label in labels]
