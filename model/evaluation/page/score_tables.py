"""The scores as tables: one row each; classifiers, label categories and single features as compact tables."""

from __future__ import annotations

from typing import NamedTuple

from model.evaluation.definitions import CLASSIFIERS, DEFINITIONS, QUESTIONS
from model.evaluation.page.text import about, listed, sentence, told
from model.spec.report import Group, Report, Score


class Line(NamedTuple):
    """A row of a compact table: what it is about, and a score (or none) per column."""

    about: str
    cells: tuple[Score | None, ...]
    meaning: str = ""


class Compact(NamedTuple):
    """Rows by what the scores are about, columns by what is measured; `reasons` say why cells are empty."""

    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[Line, ...]
    reasons: tuple[str, ...]
    samples: tuple[str, ...] = ()


class Section(NamedTuple):
    """Everything that the scores of a group say."""

    group: Group
    question: str
    classifiers: Compact | None
    rows: tuple[Score, ...]
    compact: tuple[Compact, ...]
    has_thresholds: bool


def sections(report: Report) -> dict[Group, Section]:
    """The tables of every group, in the order of the questions."""
    return {group: _section(group, [score for score in report.scores if score.group == group]) for group in QUESTIONS}


def _section(group: Group, scores: list[Score]) -> Section:
    by_category = [score for score in scores if score.category is not None]
    by_feature = [score for score in scores if score.feature is not None and score.category is None]
    whole = [score for score in scores if score.feature is None and score.category is None]
    by_classifier = [score for score in whole if score.classifier is not None]
    rows = tuple(score for score in whole if score.classifier is None)
    tables = [
        _by_about("The same among the stays of one label category", "stays", by_category),
        _by_about("The same for the courses of single features", "feature", by_feature),
    ]
    compact = tuple(table for table in tables if table.rows)
    classifiers = _by_classifier(by_classifier) if by_classifier else None
    has_thresholds = any(score.threshold is not None for score in rows)
    return Section(group, QUESTIONS[group], classifiers, rows, compact, has_thresholds)


def _by_classifier(scores: list[Score]) -> Compact:
    """Rows: what was learned from, and the label; columns: the kinds of networks."""
    kinds = [kind for kind in CLASSIFIERS if any(score.classifier == kind for score in scores)]
    found = {(score.name, score.label, score.classifier): score for score in scores}
    rows = []
    for name, label in dict.fromkeys((score.name, score.label) for score in scores):
        title = DEFINITIONS[name].title
        cells = tuple(found.get((name, label, kind)) for kind in kinds)
        rows.append(Line(f"{title}, {told(label)}" if label else title, cells, DEFINITIONS[name].meaning))
    caption = "AUC on real stays (TRTS: on synthetic ones), by what a network learned from and its kind"
    return Compact(
        caption, "network", tuple(CLASSIFIERS[kind] for kind in kinds), tuple(rows), _reasons(scores), _samples(rows)
    )


def _by_about(caption: str, corner: str, scores: list[Score]) -> Compact:
    """Rows: a category's stays or a feature; columns: the metrics."""
    names = [name for name in DEFINITIONS if any(score.name == name for score in scores)]
    found = {(about(score), score.name): score for score in scores}
    rows = [
        Line(what, tuple(found.get((what, name)) for name in names))
        for what in dict.fromkeys(about(score) for score in scores)
    ]
    columns = tuple(DEFINITIONS[name].title for name in names)
    return Compact(caption, corner, columns, tuple(rows), _reasons(scores), _samples(rows))


def _reasons(scores: list[Score]) -> tuple[str, ...]:
    """Why cells are empty: each reason once, with what it concerns."""
    concerned: dict[str, list[str]] = {}
    for score in scores:
        if score.reason:
            concerned.setdefault(score.reason, []).append(about(score) or score.title)
    return tuple(
        sentence(f"No figure for {listed(list(dict.fromkeys(whom))[:6])}{_more(whom)}: {reason}")
        for reason, whom in concerned.items()
    )


def _samples(rows: list[Line]) -> tuple[str, ...]:
    """On how many stays the figures of a row rest, where not on all."""
    found = [
        (row.about, list(dict.fromkeys(score.sample for score in row.cells if score and score.sample))) for row in rows
    ]
    return tuple(f"{what}: {'; '.join(samples)}" for what, samples in found if samples)


def _more(whom: list[str]) -> str:
    n = len(set(whom)) - 6
    return f" ({n} more)" if n > 0 else ""
