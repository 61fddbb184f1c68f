"""Can a program tell synthetic stays from real ones? The classifier two-sample test (Lopez-Paz & Oquab 2017)."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve

from model.evaluation.networks import Budget, Mlp, Recurrent, fit, probabilities
from model.evaluation.space import (
    Bools,
    Codes,
    Figure,
    Floats,
    Inputs,
    NotAvailable,
    Table,
    Tick,
    flat,
    no_tick,
    part_of,
    sequences,
)
from model.spec.report import Detail, MetricName

Discriminator = Literal["logistic", "mlp", "lstm"]

DISCRIMINATORS: dict[MetricName, Discriminator] = {
    "c2st_logistic": "logistic",
    "c2st_mlp": "mlp",
    "c2st_lstm": "lstm",
}
MIN_STAYS = 30
MAX_PER_SIDE = 2_500
N_FOLDS = 3
N_SEEDS: dict[Detail, int] = {"quick": 1, "full": 5}
GRID = np.linspace(0, 1, 101)

# Patience, the number of stays and the differences between steps decide what an LSTM sees. Challenge 2012 with 15 % of
# noise added to its vitals, against its holdout: .95 with a patience of 8; .50 with 1,500 stays a side; .81, the folds
# between .5 and .97, without the differences. The holdout itself scores .50 throughout.
MLP_BUDGET = Budget(max_epochs=30, patience=6, batch_size=256, learning_rate=2e-3, weight_decay=0.05)
LSTM_BUDGET = Budget(max_epochs=30, patience=8, batch_size=256, learning_rate=5e-3, weight_decay=0.01, steps=10)


class Detection(NamedTuple):
    """What a discriminator found: its AUC, and (101,) true positive rates at false positive rates 0, 0.01, ..., 1."""

    figure: Figure
    curve: Floats


def c2st(
    synthetic: Table,
    real: Table,
    *,
    discriminator: Discriminator,
    seed: int,
    n_seeds: int = 1,
    tick: Tick = no_tick,
) -> Detection:
    """Tell `synthetic` from `real` stays; area under the ROC curve: .5 cannot, 1 always can.

    Equally many stays of both (at most 2,500 each), mean AUC over 3 stratified folds and `n_seeds` seeds; labels are
    no input. The logistic regression and the MLP see whole stays flattened; the LSTM sees each step, and how it differs
    from the one before. Each seed draws stays, folds and weights anew. `auc_interval_of` says what the interval covers.
    Raises NotAvailable below 30 stays a side.
    """
    n = min(len(synthetic), len(real), MAX_PER_SIDE)
    if n < MIN_STAYS:
        raise NotAvailable(f"at least {MIN_STAYS} synthetic and {MIN_STAYS} real stays are needed, there are {n}")
    runs = [
        _cross_validated(synthetic, real, n, discriminator, seed=seed + 1_000 * k, tick=part_of(tick, k, n_seeds))
        for k in range(n_seeds)
    ]
    aucs = np.array([[auc for auc, _ in run] for run in runs])  # (seeds, folds)
    curve: Floats = np.mean([curve for run in runs for _, curve in run], axis=0)
    low, high = auc_interval_of(aucs, n)
    spread = float(aucs.mean(axis=1).std(ddof=1)) if n_seeds > 1 else None
    sample = f"{n:,} synthetic and {n:,} real stays; {N_FOLDS} folds, {_seeds(n_seeds)}"
    return Detection(Figure(float(aucs.mean()), low, high, spread=spread, sample=sample), curve)


def auc_interval(auc: float, n_positive: int, n_negative: int, *, excess: float = 0.0) -> tuple[float, float]:
    """95 % interval of an AUC by its standard error (Hanley & McNeil 1982, eq. 1-2), within [0, 1].

    `excess` is a variance from other sources than the size of the test set, and is added to that of the size.
    """
    error = float(np.sqrt(auc_variance(auc, n_positive, n_negative) + excess))
    return max(0.0, auc - 1.96 * error), min(1.0, auc + 1.96 * error)


def auc_variance(auc: float, n_positive: int, n_negative: int) -> float:
    """Variance of an AUC by the size of its test set (Hanley & McNeil 1982, eq. 1-2)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    return max(variance, 0.0) / (n_positive * n_negative)


def auc_interval_of(aucs: Floats, n: int) -> tuple[float, float]:
    """95 % interval of the mean of `aucs` (seeds, folds), measured on `n` stays a side: mean +- 1.96 error.

    `error^2 = HM(n) + max(0, var - HM(n / folds)) / (seeds * folds)`: the Hanley-McNeil variance of all stays being
    tested once, which no number of seeds makes smaller, and what the AUCs of the folds vary (`var`) beyond that of
    their own size, which is the networks' luck.
    """
    value, n_fold = float(aucs.mean()), max(n // aucs.shape[1], 1)
    excess = max(0.0, float(aucs.var(ddof=1)) - auc_variance(value, n_fold, n_fold))
    return auc_interval(value, n, n, excess=excess / aucs.size)


def _seeds(n: int) -> str:
    return f"{n} seed" if n == 1 else f"{n} seeds"


def _cross_validated(
    synthetic: Table, real: Table, n: int, discriminator: Discriminator, *, seed: int, tick: Tick
) -> list[tuple[float, Floats]]:
    """AUC and ROC curve of each fold."""
    view = _with_changes if discriminator == "lstm" else flat
    inputs = np.concatenate([view(real.sample(n, seed=seed)), view(synthetic.sample(n, seed=seed + 1))])
    targets = np.repeat(np.array([0, 1], dtype=np.int64), n)
    judge = {"logistic": _logistic, "mlp": _mlp, "lstm": _lstm}[discriminator]
    found = []
    for k, test in enumerate(_folds(n, seed=seed)):
        ranked = judge(inputs[~test], targets[~test], inputs[test], seed + k, part_of(tick, k, N_FOLDS))
        found.append((float(roc_auc_score(targets[test], ranked)), _curve(targets[test], ranked)))
    return found


def _with_changes(table: Table) -> Inputs:
    """(n, L, 2 W): each step of the stays, and its difference from the one before (0 at the first)."""
    steps = sequences(table)
    return np.concatenate([steps, np.diff(steps, axis=1, prepend=steps[:, :1])], axis=2)


def _curve(truth: Codes, ranked: Floats) -> Floats:
    false, true, _ = roc_curve(truth, ranked)
    curve: Floats = np.interp(GRID, false, true)
    curve[0] = 0.0  # of several true positive rates at no false positive, the one where every curve begins
    return curve


def _folds(n: int, *, seed: int) -> list[Bools]:
    """Test masks over n real and then n synthetic stays, as many of either in each fold."""
    rng = np.random.default_rng(seed)
    fold = np.concatenate([rng.permutation(np.arange(n) % N_FOLDS) for _ in range(2)])
    return [fold == k for k in range(N_FOLDS)]


def _logistic(x: Inputs, y: Codes, test: Inputs, seed: int, tick: Tick) -> Floats:
    tick(0.0)
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale < 1e-6] = 1.0
    model = LogisticRegression(C=0.01, max_iter=200, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a nearly converged discriminator ranks as well
        model.fit((x - center) / scale, y)
    scores: Floats = model.decision_function((test - center) / scale)
    return scores


def _mlp(x: Inputs, y: Codes, test: Inputs, seed: int, tick: Tick) -> Floats:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Mlp(x.shape[1], 2)
        fit(network, x, y, budget=MLP_BUDGET, seed=seed, tick=tick)
    return probabilities(network, test)[:, 1]


def _lstm(x: Inputs, y: Codes, test: Inputs, seed: int, tick: Tick) -> Floats:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Recurrent(x.shape[2], 2, bidirectional=False, dropout=0.2, hidden=32)
        fit(network, x, y, budget=LSTM_BUDGET, seed=seed, tick=tick)
    return probabilities(network, test)[:, 1]
