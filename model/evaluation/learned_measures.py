"""The measures for which networks learn: how well stays can be told from real ones, and what they teach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from model.data.codec import Codec
from model.evaluation.augmentation import ADDED, Gains, augmentation, mean_gain
from model.evaluation.comparison import Comparison
from model.evaluation.detection import DISCRIMINATORS, N_SEEDS, Detection, c2st
from model.evaluation.measure import Measure
from model.evaluation.space import NO_STAYS, Figure, NotAvailable, Table, Tick, part_of
from model.evaluation.utility import Task, Trained, auc_on, train, training_stays, utility_tasks
from model.spec.figures import Augmentation, RocCurve
from model.spec.report import Classifier, MetricName

NO_DATASET = "the model's dataset is not stored here"
NO_HOLDOUT = "there are no real stays put aside"
ONLY_IN_FULL = "only in a full report"


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


def learned_measures(bench: Bench, codec: Codec) -> list[Measure]:
    """C2ST, then utility, TRTR before what is compared with it, then the gain by augmentation."""
    return [*_detection(bench), *_utility(bench, codec), *_augmentation(bench, codec)]


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
