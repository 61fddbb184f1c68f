"""Are synthetic stays of use? Networks predict a label of real stays, having learned from synthetic or from real ones.

TSTR, TRTR and TRTS (Esteban et al. 2017): trained on synthetic or real, tested on real or synthetic stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from model.data.codec import Codec
from model.evaluation import disclosure
from model.evaluation.definitions import CLASSIFIERS
from model.evaluation.detection import auc_interval
from model.evaluation.networks import Budget, classifier, fit, probabilities
from model.evaluation.space import Codes, Figure, Floats, NotAvailable, Table, Tick, no_tick, part_of, sequences
from model.spec.report import Classifier, Detail, EvaluationOptions

MIN_STAYS = 30
MIN_PER_CLASS = 5
MIN_ASKED = disclosure.MIN_STAYS
"""An AUC and its interval tell how many stays they rest on: so many at least have a category, and have it not."""
N_SEEDS: dict[Detail, int] = {"quick": 1, "full": 5}
QUICK_STAYS = 4_000
BUDGET = Budget(max_epochs=16, patience=4, batch_size=256, learning_rate=3e-3, weight_decay=0.05, steps=10)


class Task(NamedTuple):
    """What a network learns: which label (its number, and how many categories it has), of what kind it is, how often.

    `n_seeds` networks learn, each from `n_stays` stays that its seed draws.
    """

    label: int
    n_classes: int
    kind: Classifier
    n_stays: int
    seed: int
    n_seeds: int = 1


@dataclass(frozen=True)
class Trained:
    """Networks that learned a task from `n_stays` stays of `n_steps` steps, one per seed."""

    task: Task
    networks: tuple[nn.Module, ...]
    n_stays: int
    n_steps: int


def training_stays(options: EvaluationOptions, *sizes: int) -> int:
    """From how many stays networks learn: as many as every table of `sizes` has, and no more than the detail allows."""
    most = options.max_stays if options.detail == "full" else min(QUICK_STAYS, options.max_stays)
    return min(most, *sizes)


def utility_tasks(codec: Codec, options: EvaluationOptions, *, sizes: Sequence[int]) -> list[tuple[Task, str]]:
    """Every label, kind of network and number of stays to learn from, and the label's name."""
    return [
        (Task(k, len(label.categories), kind, n, options.seed, N_SEEDS[options.detail]), label.name)
        for k, label in enumerate(codec.schema.labels)
        for kind in CLASSIFIERS
        for n in sizes
    ]


def train(table: Table, task: Task, *, tick: Tick = no_tick) -> Trained:
    """Networks that learned from `table`, from 30 stays or more; 15 % of the stays decide when to stop.

    Raises NotAvailable where it, or what is drawn from it, has too few stays, or fewer than two categories with 5 stays
    each.
    """
    _check(table, task.label, "the table to train on")
    n_stays = min(max(task.n_stays, MIN_STAYS), len(table))
    networks, n_steps = [], 0
    for k in range(task.n_seeds):
        part = table.sample(n_stays, seed=task.seed + k)
        _check(part, task.label, f"the sample of {n_stays:,} stays to train on")
        inputs = sequences(part)
        n_steps = inputs.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(task.seed + k)
            network = classifier(task.kind, n_inputs=inputs.shape[2], n_classes=task.n_classes)
            targets = part.labels[:, task.label]
            fit(network, inputs, targets, budget=BUDGET, seed=task.seed + k, tick=part_of(tick, k, task.n_seeds))
        networks.append(network)
    return Trained(task, tuple(networks), n_stays, n_steps)


def auc_on(trained: Trained, table: Table, *, what: str = "the holdout") -> Figure:
    """Mean AUC of the networks on `table`, as `auc_figure` says.

    A label of several categories: mean AUC of each category against the others ("macro one-versus-rest"), over those
    that 11 stays of the table or more have, and as many have not. Raises NotAvailable where there is none, or the table
    has too few stays.
    """
    sample = f"learned from {trained.n_stays:,} stays, asked about {len(table):,}"
    figure = auc_figure(aucs_on(trained, table, what=what), table.labels[:, trained.task.label])
    return figure._replace(sample=sample)


def auc_figure(aucs: Floats, truth: Codes) -> Figure:
    """Mean of the `aucs` (seeds,) of networks that were asked about one table, and their standard deviation ("spread").

    The interval is mean +- 1.96 error, `error^2 = HM + s^2 / seeds`: the variance by the number of stays that they
    were asked about (Hanley & McNeil 1982), and that of the seeds, where there are several.
    """
    smaller, value = min(_classes(truth).values()), float(aucs.mean())
    spread = float(aucs.std(ddof=1)) if len(aucs) > 1 else None
    low, high = auc_interval(value, smaller, len(truth) - smaller, excess=(spread or 0.0) ** 2 / len(aucs))
    return Figure(value, low, high, spread=spread)


def aucs_on(trained: Trained, table: Table, *, what: str = "the holdout") -> Floats:
    """(seeds,) AUC of each network on `table`; raises as `auc_on`."""
    _check_size(table, what)
    inputs, truth = sequences(table, max_steps=trained.n_steps), table.labels[:, trained.task.label]
    if not _classes(truth):
        raise NotAvailable(
            f"{what} has no category of the label with {MIN_ASKED} stays or more, and as many without it"
        )
    return np.array([macro_auc(truth, probabilities(network, inputs)) for network in trained.networks])


def macro_auc(truth: Codes, ranked: Floats) -> float:
    """Mean one-versus-rest AUC over the categories that 11 stays have, and 11 have not; ranked (n, C), truth (n,).

    With two categories this is the ordinary AUC: both say the same.
    """
    return float(np.mean([roc_auc_score(truth == c, ranked[:, c]) for c in _classes(truth)]))


def _check(table: Table, label: int, what: str) -> None:
    _check_size(table, what)
    counts = np.bincount(table.labels[:, label])
    if (counts >= MIN_PER_CLASS).sum() < 2:
        raise NotAvailable(f"{what} has fewer than two categories of the label with {MIN_PER_CLASS} stays or more")


def _check_size(table: Table, what: str) -> None:
    if len(table) < MIN_STAYS:
        raise NotAvailable(f"{what} has {len(table)} stays, at least {MIN_STAYS} are needed")


def _classes(truth: Codes) -> dict[int, int]:
    """The categories that can be asked about, each with how many stays have it or have it not: the smaller number."""
    sizes = enumerate(np.bincount(truth).tolist())
    return {category: n for category, size in sizes if (n := min(size, len(truth) - size)) >= MIN_ASKED}
