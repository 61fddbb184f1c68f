"""Are synthetic stays of use? A BiLSTM predicts a label of real stays, trained on synthetic or on real ones."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from model.evaluation.detection import auc_interval
from model.evaluation.networks import Budget, Recurrent, fit, probabilities
from model.evaluation.space import Codes, Figure, Floats, NotAvailable, Table, Tick, no_tick, part_of, sequences

MIN_STAYS = 30
MIN_PER_CLASS = 5
N_NETWORKS = 3
BUDGET = Budget(max_epochs=20, patience=4, batch_size=256, learning_rate=2e-3, weight_decay=0.05, steps=15)


def tstr(synthetic: Table, holdout: Table, *, label: int, n_stays: int, seed: int, tick: Tick = no_tick) -> Figure:
    """Train on synthetic, test on real (Esteban et al. 2017): AUC of label number `label` on the holdout.

    `n_stays` of the training table at most; 15 % of them decide when to stop. The mean over three networks that
    differ in their seed. A label of several categories: mean AUC of each category against the others ("macro
    one-versus-rest"), over those that the holdout has. The interval is Hanley & McNeil's for the holdout's size.
    Raises NotAvailable where either table has too few stays, or fewer than two categories with 5 stays each.
    """
    _check(synthetic, label, "the table to train on")
    _check(holdout, label, "the holdout")
    part = synthetic.sample(n_stays, seed=seed)
    inputs, targets = sequences(part), part.labels[:, label]
    test, truth = sequences(holdout, max_steps=inputs.shape[1]), holdout.labels[:, label]
    n_classes = int(max(synthetic.labels[:, label].max(), truth.max())) + 1
    aucs = []
    for k in range(N_NETWORKS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + k)
            network = Recurrent(inputs.shape[2], n_classes, bidirectional=True, dropout=0.5, hidden=32)
            fit(network, inputs, targets, budget=BUDGET, seed=seed + k, tick=part_of(tick, k, N_NETWORKS))
        aucs.append(macro_auc(truth, probabilities(network, test)))
    value, smaller = float(np.mean(aucs)), _smaller_class(truth)
    return Figure(value, *auc_interval(value, smaller, len(truth) - smaller))


def trtr(train: Table, holdout: Table, *, label: int, n_stays: int, seed: int, tick: Tick = no_tick) -> Figure:
    """Train on real, test on real: what `tstr` would be if `n_stays` training stays were the synthetic ones."""
    return tstr(train, holdout, label=label, n_stays=n_stays, seed=seed, tick=tick)


def macro_auc(truth: Codes, ranked: Floats) -> float:
    """Mean one-versus-rest AUC over the categories that occur, and are not alone; ranked (n, C), truth (n,).

    With two categories this is the ordinary AUC: both say the same.
    """
    present = [c for c in range(ranked.shape[1]) if 0 < (truth == c).sum() < len(truth)]
    return float(np.mean([roc_auc_score(truth == c, ranked[:, c]) for c in present]))


def _check(table: Table, label: int, what: str) -> None:
    if len(table) < MIN_STAYS:
        raise NotAvailable(f"{what} has {len(table)} stays, at least {MIN_STAYS} are needed")
    counts = np.bincount(table.labels[:, label])
    if (counts >= MIN_PER_CLASS).sum() < 2:
        raise NotAvailable(f"{what} has fewer than two categories of the label with {MIN_PER_CLASS} stays or more")


def _smaller_class(truth: Codes) -> int:
    counts = np.bincount(truth)
    return int(min(counts[counts > 0].min(), len(truth) - 1))
