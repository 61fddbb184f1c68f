"""What real stays score in the place of synthetic ones: the figures of the holdout, kept for when it is gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from model.data.codec import Codec
from model.evaluation.detection import DISCRIMINATORS, N_SEEDS, Discriminator, c2st
from model.evaluation.fidelity_floors import holdout_tasks
from model.evaluation.measure import Outcome, Run, is_wanted
from model.evaluation.portrait import Portrait
from model.evaluation.space import Figure, Table, Tick
from model.evaluation.utility import Task, auc_on, train, utility_tasks
from model.evaluation.view import View
from model.spec.base import Spec
from model.spec.figures import FeatureReport
from model.spec.report import Classifier, EvaluationOptions, MetricName


class Floor(Spec):
    """What real stays score for a figure; `n_stays` is the number of stays that a TRTR network learned from."""

    name: MetricName
    label: str | None = None
    classifier: Classifier | None = None
    n_stays: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class FloorTask(NamedTuple):
    """A floor that is still to be measured."""

    name: MetricName
    compute: Callable[[Tick], Figure]
    label: str | None = None
    classifier: Classifier | None = None
    n_stays: int | None = None


def floor_tasks(
    codec: Codec,
    real: View,
    aside: View,
    *,
    features: Sequence[FeatureReport],
    portrait: Portrait,
    options: EvaluationOptions,
    sizes: Sequence[int],
) -> list[FloorTask]:
    """The figures of the holdout `aside` in the place of synthetic stays; TRTR for each number of stays in `sizes`.

    `features` and `portrait` are what may be told of both.
    """
    fidelity = holdout_tasks(real, aside, features=features, portrait=portrait, options=options)
    tasks = [FloorTask(task.name, task.compute) for task in fidelity]
    tasks += [FloorTask(name, _c2st(aside.table, real.table, kind, options)) for name, kind in DISCRIMINATORS.items()]
    tasks += [
        FloorTask("trtr", _trtr(real.table, aside.table, task), label, task.kind, task.n_stays)
        for task, label in utility_tasks(codec, options, sizes=sizes)
    ]
    return [task for task in tasks if is_wanted(task.name, options)]


def floors(run: Run, tasks: Sequence[FloorTask]) -> list[Floor]:
    """What the tasks give; a floor that does not exist says why. Raises Cancelled."""
    return [_floor(task, run.measure(task.name, task.compute)) for task in tasks]


def _c2st(aside: Table, real: Table, kind: Discriminator, options: EvaluationOptions) -> Callable[[Tick], Figure]:
    n_seeds = N_SEEDS[options.detail]
    return lambda tick: c2st(real, aside, discriminator=kind, seed=options.seed, n_seeds=n_seeds, tick=tick).figure


def _trtr(real: Table, aside: Table, task: Task) -> Callable[[Tick], Figure]:
    return lambda tick: auc_on(train(real, task, tick=tick), aside)


def _floor(task: FloorTask, outcome: Outcome) -> Floor:
    figure = outcome.figure
    value, low, high = (figure.value, figure.low, figure.high) if figure else (None, None, None)
    return Floor(
        name=task.name,
        label=task.label,
        classifier=task.classifier,
        n_stays=task.n_stays,
        value=value,
        low=low,
        high=high,
        reason=outcome.reason,
    )
