"""The scores of a report: each figure computed, or the reason why not, beside what real stays score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from model.data.codec import Codec
from model.evaluation.comparison import Comparison
from model.evaluation.definitions import CLASSIFIERS, DEFINITIONS, verdict
from model.evaluation.learned_measures import Bench, learned_measures
from model.evaluation.measure import CancelCheck, Measure, Outcome, Progress, Run, is_wanted
from model.evaluation.space import NO_STAYS, Figure, NotAvailable, Tick
from model.evaluation.utility import training_stays
from model.spec.figures import Augmentation, RocCurve
from model.spec.report import Score


class Found(NamedTuple):
    """The scores of a report, the curves and tables that were found with them, and the seconds that it took."""

    scores: tuple[Score, ...]
    roc: tuple[RocCurve, ...]
    augmentation: tuple[Augmentation, ...]
    seconds: float


def all_scores(
    sides: Comparison,
    codec: Codec,
    *,
    others: Sequence[Measure] = (),
    progress: Progress,
    cancelled: CancelCheck,
) -> Found:
    """Every score that is asked for, in the order of DEFINITIONS: `others`, and how detectable and useful stays are.

    Raises Cancelled.
    """
    bench = Bench(sides)
    measures = [*others, *learned_measures(bench, codec)]
    known = {one.name for one in measures}
    measures += [Measure(name, _does_not_apply) for name in DEFINITIONS if name not in known]
    wanted = [one for one in measures if is_wanted(one.name, sides.options)]
    run = Run("evaluating", [one.name for one in wanted], progress=progress, cancelled=cancelled)
    scores = [_measured(one, run, bench) for one in wanted]
    run.tell()
    order = list(DEFINITIONS)
    scores.sort(key=lambda score: order.index(score.name))
    return Found(tuple(scores), tuple(bench.roc), tuple(bench.augmentation), run.seconds)


def _measured(one: Measure, run: Run, bench: Bench) -> Score:
    outcome = run.measure(one.name, one.compute if len(bench.sides.synthetic_table) else _no_stays)
    if one.name == "trtr":
        return _trtr_score(one, outcome, bench)
    return _score(one, outcome, _holdout_value(one, outcome.figure, bench))


def _holdout_value(one: Measure, figure: Figure | None, bench: Bench) -> float | None:
    """What real stays score: measured with the figure, or else what the reference remembers."""
    if figure is not None and figure.holdout_value is not None:
        return figure.holdout_value
    if one.name in ("tstr", "trts"):
        return bench.trtr.get((one.label, one.classifier))
    reference = bench.sides.reference
    floor = None if reference is None else reference.floor(one.name, label=one.label)
    return floor.value if floor else None


def _score(one: Measure, outcome: Outcome, holdout_value: float | None) -> Score:
    definition, figure = DEFINITIONS[one.name], outcome.figure
    title = definition.title
    if one.classifier not in (None, "bilstm"):
        title = f"{title}, {CLASSIFIERS[one.classifier]}"
    judged = None
    if figure:
        bound = figure.low if figure.gate_low is None else figure.gate_low
        judged = verdict(one.name, figure.value, holdout_value, gate_low=bound, threshold=figure.threshold)
    return Score(
        name=one.name,
        title=title,
        group=definition.group,
        label=one.label,
        category=one.category,
        feature=one.feature,
        classifier=one.classifier,
        status=outcome.status,
        value=figure.value if figure else None,
        low=figure.low if figure else None,
        high=figure.high if figure else None,
        holdout_value=holdout_value,
        spread=figure.spread if figure else None,
        threshold=figure.threshold if figure else None,
        gate_low=figure.gate_low if figure else None,
        ideal=definition.ideal,
        better=definition.better,
        verdict=judged,
        meaning=definition.meaning,
        reason=outcome.reason,
        sample=figure.sample if figure else None,
        seconds=outcome.seconds,
    )


def _trtr_score(one: Measure, outcome: Outcome, bench: Bench) -> Score:
    """TRTR describes the real stays: it has no verdict, and where they are gone, the reference remembers it."""
    n_stays = training_stays(bench.sides.options, len(bench.sides.synthetic_table))
    reference, floor = bench.sides.reference, None
    if outcome.figure is None and reference is not None:
        floor = reference.floor("trtr", label=one.label, classifier=one.classifier, n_stays=n_stays)
    if floor is not None and floor.value is not None:
        sample = f"learned from {floor.n_stays:,} stays" if floor.n_stays else None
        figure = Figure(floor.value, floor.low, floor.high, sample=sample)
        outcome = Outcome("ok", figure, None, outcome.seconds)
    if outcome.figure is not None:
        bench.trtr[one.label, one.classifier] = outcome.figure.value
    return _score(one, outcome, None)


def _does_not_apply(_: Tick) -> Figure:
    raise NotAvailable("it does not apply to a table of this schema")


def _no_stays(_: Tick) -> Figure:
    raise NotAvailable(NO_STAYS)
