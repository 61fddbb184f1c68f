"""The figures of fidelity that need whole stays: how close courses come to real ones, and the distance of the sets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.dtw import nearest
from model.evaluation.fidelity import MMD_STAYS, mmd_between
from model.evaluation.space import Figure, NotAvailable, Table, Tick
from model.spec.report import Detail, EvaluationOptions, MetricName

TABLE_METRICS: tuple[MetricName, ...] = ("dtw", "mmd")
FEWEST_FOR_DTW = 50
TELLING = "it would tell the distances of single stays"
DTW_SAMPLES: Mapping[Detail, tuple[int, int]] = {"quick": (400, 1_000), "full": (1_000, 2_500)}


def dtw_figure(
    subject: Table, train: Table, holdout: Table | None, *, options: EvaluationOptions, tick: Tick
) -> Figure:
    """Mean distance of sampled stays to the nearest of sampled training stays, in standard deviations.

    The interval is that of the sampled stays; the training stays are the same for the holdout's figure. Raises
    NotAvailable for fewer than 50 stays: of few, the mean would tell the distances of single ones.
    """
    if len(subject) < FEWEST_FOR_DTW:
        raise NotAvailable(f"there are {len(subject)} stays, at least {FEWEST_FOR_DTW} are needed: of fewer, {TELLING}")
    n_subject, n_real = DTW_SAMPLES[options.detail]
    tick(0.0)
    found = nearest(subject, train, n_subject=n_subject, n_real=n_real, seed=options.seed)
    value, error = float(found.mean()), 1.96 * float(found.std()) / np.sqrt(len(found))
    tick(0.5)
    floor = None
    if holdout is not None and len(holdout) >= FEWEST_FOR_DTW:
        floor = float(nearest(holdout, train, n_subject=n_subject, n_real=n_real, seed=options.seed).mean())
    sample = f"{len(found):,} stays, each beside {min(n_real, len(train)):,} training stays"
    return Figure(value, max(0.0, value - error), value + error, holdout_value=floor, sample=sample)


def mmd_figure(
    subject: Table, train: Table, holdout: Table | None, *, options: EvaluationOptions, tick: Tick
) -> Figure:
    """MMD from the training stays, always for one number of stays, so that the two figures can be compared.

    Raises NotAvailable for fewer than 11 stays.
    """
    if len(subject) < MIN_STAYS:
        raise NotAvailable(f"there are {len(subject)} stays, at least {MIN_STAYS} are needed")
    n = min(MMD_STAYS, *(len(table) for table in (subject, train, holdout) if table is not None))
    tick(0.0)
    value = mmd_between(subject, train, n=n, seed=options.seed)
    tick(0.5)
    floor = None if holdout is None else mmd_between(holdout, train, n=n, seed=options.seed)
    return Figure(value, holdout_value=floor, sample=f"{n:,} stays of each table")
