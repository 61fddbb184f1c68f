"""Can a program tell synthetic stays from real ones? The classifier two-sample test (Lopez-Paz & Oquab 2017)."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

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

Discriminator = Literal["logistic", "mlp", "lstm"]

MIN_STAYS = 30
MAX_PER_SIDE = 2_500
N_FOLDS = 3

# Patience decides what an LSTM sees: stays with 15 % of noise added score .52 with a patience of 4, .95 with 10.
MLP_BUDGET = Budget(max_epochs=40, patience=10, batch_size=128, learning_rate=1e-3, weight_decay=0.05)
LSTM_BUDGET = Budget(max_epochs=40, patience=10, batch_size=128, learning_rate=3e-3, weight_decay=0.01)


def c2st_auc(synthetic: Table, real: Table, *, discriminator: Discriminator, seed: int, tick: Tick = no_tick) -> Figure:
    """Area under the ROC curve of a classifier that tells `synthetic` from `real` stays: .5 cannot, 1 always can.

    Equally many stays of both (at most 2,500 each), mean AUC over 3 stratified folds; labels are no input. The
    logistic regression and the MLP see whole stays flattened, the LSTM sees them as sequences. The interval is that
    of Hanley & McNeil (1982) for one test on all stays. Raises NotAvailable below 30 stays a side.
    """
    n = min(len(synthetic), len(real), MAX_PER_SIDE)
    if n < MIN_STAYS:
        raise NotAvailable(f"at least {MIN_STAYS} synthetic and {MIN_STAYS} real stays are needed, there are {n}")
    view = sequences if discriminator == "lstm" else flat
    inputs = np.concatenate([view(real.sample(n, seed=seed)), view(synthetic.sample(n, seed=seed + 1))])
    targets = np.repeat(np.array([0, 1], dtype=np.int64), n)
    judge = {"logistic": _logistic, "mlp": _mlp, "lstm": _lstm}[discriminator]
    aucs = []
    for k, test in enumerate(_folds(n, seed=seed)):
        ranked = judge(inputs[~test], targets[~test], inputs[test], seed + k, part_of(tick, k, N_FOLDS))
        aucs.append(float(roc_auc_score(targets[test], ranked)))
    value = float(np.mean(aucs))
    return Figure(value, *auc_interval(value, n, n))


def auc_interval(auc: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    """95 % interval of an AUC by its standard error (Hanley & McNeil 1982, eq. 1-2), within [0, 1]."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    error = float(np.sqrt(max(variance, 0.0) / (n_positive * n_negative)))
    return max(0.0, auc - 1.96 * error), min(1.0, auc + 1.96 * error)


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
        network = Recurrent(x.shape[2], 2, bidirectional=False, dropout=0.2, hidden=64)
        fit(network, x, y, budget=LSTM_BUDGET, seed=seed, tick=tick)
    return probabilities(network, test)[:, 1]
