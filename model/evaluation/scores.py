"""The scores of a report: each figure computed, or the reason why not, beside what real stays score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from model.data.codec import Codec
from model.evaluation.augmentation import ADDED, Gains, augmentation, mean_gain
from model.evaluation.comparison import Comparison
from model.evaluation.definitions import CLASSIFIERS, DEFINITIONS, verdict
from model.evaluation.detection import DISCRIMINATORS, N_SEEDS, Detection, c2st
from model.evaluation.measure import CancelCheck, Outcome, Progress, Run, is_wanted
from model.evaluation.space import Figure, NotAvailable, Table, Tick, part_of
from model.evaluation.utility import Task, Trained, auc_on, train, training_stays, utility_tasks
from model.spec.figures import Augmentation, RocCurve
from model.spec.report import Classifier, MetricName, Score

NO_DATASET = "the model's dataset is not stored here"
NO_HOLDOUT = "there are no real stays put aside"
NO_STAYS = "the table holds no stays"
ONLY_IN_FULL = "only in a full report"


class Measure(NamedTuple):
    """One score to be computed, and what it is about."""

    name: MetricName
    compute: Callable[[Tick], Figure | float]
    label: str | None = None
    category: str | None = None
    feature: str | None = None
    classifier: Classifier | None = None


class Found(NamedTuple):
    """The scores of a report, the curves and tables that were found with them, and the seconds that it took."""

    scores: tuple[Score, ...]
    roc: tuple[RocCurve, ...]
    augmentation: tuple[Augmentation, ...]
    seconds: float


@dataclass
class Bench:
    """What the scores share: networks that learned from real stays, and what was found beside the figures."""

    sides: Comparison
    trained: dict[Task, Trained] = field(default_factory=dict)
    trtr: dict[tuple[str | None, Classifier | None], float] = field(default_factory=dict)
    roc: list[RocCurve] = field(default_factory=list)
    augmentation: list[Augmentation] = field(default_factory=list)

    def learned_from_real(self, task: Task, tick: Tick) -> Trained:
        """Networks that learned `task` from the training stays; TRTR and TRTS ask the same ones."""
        if task not in self.trained:
            self.trained[task] = train(_training(self.sides), task, tick=tick)
        return self.trained[task]


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
    measures = [*others, *_detection(bench), *_utility(bench, codec), *_augmentation(bench, codec)]
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


def _detection(bench: Bench) -> list[Measure]:
    return [Measure(name, _c2st(name, bench)) for name in DISCRIMINATORS]


def _c2st(name: MetricName, bench: Bench) -> Callable[[Tick], Figure]:
    """Against the holdout; beside it, how well the training stays are told from the holdout."""
    sides = bench.sides

    def judge(subject: Table, tick: Tick) -> Detection:
        options, kind = sides.options, DISCRIMINATORS[name]
        real, n_seeds = _holdout(sides), N_SEEDS[options.detail]
        return c2st(subject, real, discriminator=kind, seed=options.seed, n_seeds=n_seeds, tick=tick)

    def compute(tick: Tick) -> Figure:
        figure, curve = judge(sides.synthetic_table, part_of(tick, 0, 2))
        bench.roc.append(RocCurve(name=name, true_positive_rates=tuple(curve.tolist()), auc=figure.value))
        if sides.reference is not None and sides.reference.floor(name) is not None:
            return figure
        try:
            floor = judge(_training(sides), part_of(tick, 1, 2)).figure.value
        except NotAvailable:
            return figure
        return figure._replace(holdout_value=floor)

    return compute


def _utility(bench: Bench, codec: Codec) -> list[Measure]:
    """TRTR before the others: its networks serve TRTS too, and its figure is what the others are compared with."""
    if not codec.schema.labels:
        return [Measure(name, _no_labels) for name in ("tstr", "trtr", "trts")]
    sides, measures = bench.sides, []
    known = [table for table in (sides.synthetic_table, sides.train_table) if table is not None]
    size = training_stays(sides.options, *(len(table) for table in known))
    for task, label in utility_tasks(codec, sides.options, sizes=(size,)):
        measures += [
            Measure("trtr", _trtr(bench, task), label, classifier=task.kind),
            Measure("tstr", _tstr(bench, task), label, classifier=task.kind),
            Measure("trts", _trts(bench, task), label, classifier=task.kind),
        ]
    return measures


def _trtr(bench: Bench, task: Task) -> Callable[[Tick], Figure]:
    def compute(tick: Tick) -> Figure:
        holdout = _holdout(bench.sides)
        return auc_on(bench.learned_from_real(task, tick), holdout)

    return compute


def _tstr(bench: Bench, task: Task) -> Callable[[Tick], Figure]:
    def compute(tick: Tick) -> Figure:
        holdout = _holdout(bench.sides)
        return auc_on(train(bench.sides.synthetic_table, task, tick=tick), holdout)

    return compute


def _trts(bench: Bench, task: Task) -> Callable[[Tick], Figure]:
    def compute(tick: Tick) -> Figure:
        asked = bench.sides.synthetic_table.sample(bench.sides.options.max_stays, seed=task.seed)
        return auc_on(bench.learned_from_real(task, tick), asked, what="the table")

    return compute


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


def _augmentation(bench: Bench, codec: Codec) -> list[Measure]:
    def compute(tick: Tick) -> Figure:
        if bench.sides.options.detail == "quick":
            raise NotAvailable(ONLY_IN_FULL)
        if not codec.schema.labels:
            raise NotAvailable("the table has no labels")
        found = _gains(bench, codec, tick)
        rows = [row for one in found for row in one.rows]
        bench.augmentation += rows
        figure, at_hand = mean_gain(found), len(bench.sides.synthetic_table)
        if at_hand < max(ADDED) * max(row.n_real for row in rows):
            figure = figure._replace(sample=f"{figure.sample}; as far as {at_hand:,} synthetic stays suffice")
        return figure

    return [Measure("augmentation", compute)]


def _gains(bench: Bench, codec: Codec, tick: Tick) -> list[Gains]:
    """The mixtures of each label that can be learned; raises NotAvailable where there is none."""
    sides, found, reason = bench.sides, [], NO_STAYS
    training, holdout = _training(sides), _holdout(sides)
    tasks = utility_tasks(codec, sides.options, sizes=(training_stays(sides.options, len(training)),))
    tasks = [(task, label) for task, label in tasks if task.kind == "bilstm"]
    for k, (task, label) in enumerate(tasks):
        part = part_of(tick, k, len(tasks))
        try:
            found.append(augmentation(training, sides.synthetic_table, holdout, task, label=label, tick=part))
        except NotAvailable as error:
            reason = str(error)
    if not found:
        raise NotAvailable(reason)
    return found


def _training(sides: Comparison) -> Table:
    if sides.train_table is None:
        raise NotAvailable(NO_DATASET)
    return sides.train_table


def _holdout(sides: Comparison) -> Table:
    if sides.holdout_table is None:
        raise NotAvailable(NO_DATASET if sides.train_table is None else NO_HOLDOUT)
    return sides.holdout_table


def _no_labels(_: Tick) -> Figure:
    raise NotAvailable("the table has no labels")


def _does_not_apply(_: Tick) -> Figure:
    raise NotAvailable("it does not apply to a table of this schema")


def _no_stays(_: Tick) -> Figure:
    raise NotAvailable(NO_STAYS)
