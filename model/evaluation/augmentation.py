"""Do synthetic stays help beside real ones? T(S+R)TR: trained on synthetic and real, tested on real stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from model.evaluation.space import Figure, Floats, NotAvailable, Table, Tick, no_tick, part_of
from model.evaluation.utility import Task, auc_figure, aucs_on, train
from model.spec.figures import Augmentation

REAL_SHARES = (0.10, 0.25, 0.50)
ADDED = (1, 2)  # synthetic stays per real one, beside all the real ones


class Mixture(NamedTuple):
    """`n_real` training stays, which are `real_share` of them, and `n_synthetic` beside them."""

    real_share: float
    n_real: int
    n_synthetic: int


class Gains(NamedTuple):
    """The rows of the report, and (rows, seeds) how much the synthetic stays raise each network's AUC."""

    rows: tuple[Augmentation, ...]
    gains: Floats


def mixtures(n_training: int, n_synthetic: int) -> tuple[Mixture, ...]:
    """10, 25 and 50 % of the training stays filled up to 100 %, and 100 % with as many, and twice as many, synthetic.

    As far as there are synthetic stays: fewer are added where they do not suffice, and no mixture is told twice.
    """
    filled = [(share, round(share * n_training)) for share in REAL_SHARES]
    found = [Mixture(share, n, min(n_training - n, n_synthetic)) for share, n in filled]
    found += [Mixture(1.0, n_training, min(times * n_training, n_synthetic)) for times in ADDED]
    return tuple(dict.fromkeys(mixture for mixture in found if mixture.n_synthetic))


def augmentation(
    training: Table, synthetic: Table, holdout: Table, task: Task, *, label: str, tick: Tick = no_tick
) -> Gains:
    """Each mixture's AUC on the holdout beside that of the same real stays alone, mean over the task's seeds.

    `task.n_stays` is the number of training stays that are 100 %. Both kinds of stays are drawn at random, each seed
    anew: the mixture has the labels that the cohort has (with a balanced cohort, CFG-bal, more of the rare category).
    Raises NotAvailable as `train` and `aucs_on`.
    """
    n = min(task.n_stays, len(training))
    wanted = mixtures(n, len(synthetic))
    if not wanted:
        raise NotAvailable("there are no stays to mix")
    alone: dict[int, Floats] = {}
    rows, gains = [], []
    for k, mixture in enumerate(wanted):
        part = part_of(tick, k, len(wanted))
        if mixture.n_real not in alone:
            plain = mixture._replace(n_synthetic=0)
            alone[mixture.n_real] = _learn(training, synthetic, holdout, task, plain, tick=part_of(part, 0, 2))
        aucs = _learn(training, synthetic, holdout, task, mixture, tick=part_of(part, 1, 2))
        real_only = alone[mixture.n_real]
        figure = auc_figure(aucs, holdout.labels[:, task.label])
        rows.append(_row(mixture, figure, label=label, real_only=float(real_only.mean())))
        gains.append(aucs - real_only)
    return Gains(tuple(rows), np.array(gains))


def mean_gain(found: Sequence[Gains]) -> Figure:
    """Mean rise of the AUC over mixtures (and labels), with an interval over seeds: mean +- t s / sqrt(seeds).

    All networks are asked about one holdout, so that its size hardly matters for a difference, and is not covered.
    """
    by_seed = np.concatenate([one.gains for one in found]).mean(axis=0)
    value, n = float(by_seed.mean()), len(by_seed)
    if n < 2:
        return Figure(value, sample="1 seed")
    spread = float(by_seed.std(ddof=1))
    error = float(student.ppf(0.975, n - 1)) * spread / n**0.5
    return Figure(value, value - error, value + error, spread=spread, sample=f"{n} seeds")


def _learn(training: Table, synthetic: Table, holdout: Table, task: Task, mixture: Mixture, *, tick: Tick) -> Floats:
    """(seeds,) AUC on the holdout; every seed draws its own stays."""
    aucs = []
    for k in range(task.n_seeds):
        seed = task.seed + k
        mixed = training.sample(mixture.n_real, seed=seed)
        if mixture.n_synthetic:
            mixed = _joined(mixed, synthetic.sample(mixture.n_synthetic, seed=seed))
        one = task._replace(n_stays=len(mixed), seed=seed, n_seeds=1)
        aucs.append(aucs_on(train(mixed, one, tick=part_of(tick, k, task.n_seeds)), holdout))
    return np.concatenate(aucs)


def _joined(a: Table, b: Table) -> Table:
    return replace(
        a,
        numerical=np.concatenate([a.numerical, b.numerical]),
        categorical=np.concatenate([a.categorical, b.categorical]),
        labels=np.concatenate([a.labels, b.labels]),
        measured=np.concatenate([a.measured, b.measured]),
        inside=None if a.inside is None or b.inside is None else np.concatenate([a.inside, b.inside]),
    )


def _row(mixture: Mixture, figure: Figure, *, label: str, real_only: float) -> Augmentation:
    assert figure.low is not None
    assert figure.high is not None
    return Augmentation(
        label=label,
        n_real=mixture.n_real,
        n_synthetic=mixture.n_synthetic,
        real_share=mixture.real_share,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        real_only=real_only,
    )
