"""What an attacker learns who holds the synthetic stays: who was trained on, and their label."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from model.evaluation.detection import auc_variance
from model.evaluation.privacy.intervals import GATE_TAIL, Z95, Z_GATE, difference
from model.evaluation.privacy.neighbours import nearest
from model.evaluation.privacy.view import NO_HOLDOUT, View
from model.evaluation.space import Bools, Figure, Floats, NotAvailable, Tick, part_of

MIN_MEMBERS = 50
MIN_ASIDE = 200
MIN_OF_CATEGORY = 20
FALSE_ALARMS = 0.01
NEARLY_ZERO = 1e-6


class Attacked(NamedTuple):
    """Real stays under attack: a score each, larger means "was trained on", and which were."""

    score: Floats
    member: Bools


def membership_auc(view: View, *, about: tuple[int, int] | None = None, threshold: float, tick: Tick) -> Figure:
    """AUC of an attacker who takes those for members that have a synthetic stay nearby; 0.5 is chance.

    Members are training stays, non-members the holdout. `about` (label, category) restricts both.
    """
    distance = view.real_to_synthetic(tick).distance[:, 0]
    return _auc_figure(_attacked(view, -distance, about), threshold=threshold)


def membership_density_auc(view: View, *, about: tuple[int, int] | None = None, threshold: float, tick: Tick) -> Figure:
    """AUC by the ratio of densities: DOMIAS (van Breugel et al. 2023), with nearest neighbours as density estimates.

    The score is log(distance to the reference / distance to the synthetic stays). One half of the holdout is the
    reference, the other has the non-members, and then the other way round; each half is compared with one half of the
    members.
    """
    to_synthetic = view.real_to_synthetic(part_of(tick, 0, 2)).distance[:, 0]
    attacked = _attacked(view, to_synthetic, about)
    if attacked.member.all():
        raise NotAvailable(NO_HOLDOUT)
    half = np.random.default_rng(view.seed + 5).permutation(len(view.holdout)) % 2 == 0
    queries = view.real_queries()
    own = np.concatenate([np.zeros(len(view.train_rows), dtype=bool), half[view.holdout_rows]])
    is_member = np.arange(len(queries)) < len(view.train_rows)
    first = np.where(is_member, np.arange(len(queries)) % 2 == 0, own)
    scores = np.empty(len(queries))
    for k, part in enumerate((first, ~first)):
        reference = view.holdout.take(~half if k == 0 else half).records
        found = nearest(queries.take(part).records, reference, k=1, tick=part_of(tick, 2 + k, 4))
        scores[part] = np.log(found.distance[:, 0] + NEARLY_ZERO) - np.log(to_synthetic[part] + NEARLY_ZERO)
    figures = [_auc(_restricted(view, scores, about, part)) for part in (first, ~first)]
    return _mean_auc(figures, threshold=threshold, sample=_sample(attacked))


def membership_excess(view: View, *, about: tuple[int, int] | None = None, threshold: float, tick: Tick) -> Figure:
    """Share of the training stays that an attacker names at 1 % false alarms, beyond that 1 % (Carlini et al. 2022).

    The score is the distance to the nearest other real stay over that to the nearest synthetic one: what is near by
    chance in a dense region is not evidence. The cut-off is estimated from the holdout, and its false alarms enter
    the interval as a second share. Raises NotAvailable below 200 stays in the holdout: too few to know 1 % of them.
    """
    to_synthetic = view.real_to_synthetic(part_of(tick, 0, 2)).distance[:, 0]
    to_real = view.real_to_real(part_of(tick, 1, 2)).first
    scores = np.log(to_real + NEARLY_ZERO) - np.log(to_synthetic + NEARLY_ZERO)
    attacked = _attacked(view, scores, about)
    if int((~attacked.member).sum()) < MIN_ASIDE:
        raise NotAvailable(f"fewer than {MIN_ASIDE} holdout stays to find the cut-off with")
    aside = np.sort(attacked.score[~attacked.member])[::-1]
    allowed = int(FALSE_ALARMS * len(aside))
    cut = aside[allowed]
    named, n = float((attacked.score[attacked.member] > cut).sum()), float(attacked.member.sum())
    low, high = difference(named, n, allowed, len(aside))
    return Figure(
        named / n - allowed / len(aside),
        low,
        high,
        holdout_value=0.0,
        threshold=threshold,
        sample=_sample(attacked),
        gate_low=difference(named, n, allowed, len(aside), tail=GATE_TAIL, base_tail=GATE_TAIL / 10)[0],
    )


def attribute_gain(view: View, *, label: int, n_categories: int, threshold: float, tick: Tick) -> Figure:
    """How much better a label is guessed from the nearest synthetic stays for training than for holdout stays.

    The guess is the mean over the five nearest synthetic stays, weighted by 1 / distance; figures are AUCs (of a label
    with several categories the mean of one against the rest). What a good model teaches about everybody is the
    holdout's AUC; only what exceeds it is about the patients in the training data.
    """
    found = view.real_to_synthetic(tick)
    attacked = _attacked(view, -found.distance[:, 0], None)
    truth = view.real_queries().labels[:, label]
    guesses = view.synthetic.labels[np.maximum(found.record, 0), label]
    weights = np.where(found.record < 0, 0.0, 1 / (found.distance + NEARLY_ZERO))
    gains, errors = [], []
    for category in range(1 if n_categories == 2 else 0, n_categories):
        shares = (weights * (guesses == category)).sum(axis=1) / weights.sum(axis=1)
        of_members = _category_auc(shares[attacked.member], truth[attacked.member] == category)
        of_others = _category_auc(shares[~attacked.member], truth[~attacked.member] == category)
        if of_members and of_others:
            gains.append(of_members[0] - of_others[0])
            errors.append(float(np.hypot(of_members[1], of_others[1])))
    if not gains:
        raise NotAvailable("no category has enough stays in the training and the holdout set")
    value, error = float(np.mean(gains)), float(np.mean(errors))
    return Figure(
        value,
        value - Z95 * error,
        value + Z95 * error,
        holdout_value=0.0,
        threshold=threshold,
        sample=_sample(attacked),
        gate_low=value - Z_GATE * error,
    )


def _attacked(view: View, scores: Floats, about: tuple[int, int] | None) -> Attacked:
    if not len(view.holdout):
        raise NotAvailable(NO_HOLDOUT)
    if not len(view.rows):
        raise NotAvailable("the table has no stays to compare")
    return _restricted(view, scores, about, np.ones(len(scores), dtype=bool))


def _restricted(view: View, scores: Floats, about: tuple[int, int] | None, part: Bools) -> Attacked:
    member = np.arange(len(scores)) < len(view.train_rows)
    if about is not None:
        part = part & (view.real_queries().labels[:, about[0]] == about[1])
    if min(int((part & member).sum()), int((part & ~member).sum())) < MIN_MEMBERS:
        raise NotAvailable(f"fewer than {MIN_MEMBERS} training or holdout stays")
    return Attacked(scores[part], member[part])


class _Auc(NamedTuple):
    value: float
    error: float


def _auc(attacked: Attacked) -> _Auc:
    value = float(roc_auc_score(attacked.member, attacked.score))
    n = int(attacked.member.sum())
    return _Auc(value, standard_error(value, n, len(attacked.member) - n))


def _auc_figure(attacked: Attacked, *, threshold: float) -> Figure:
    return _mean_auc([_auc(attacked)], threshold=threshold, sample=_sample(attacked))


def _mean_auc(aucs: list[_Auc], *, threshold: float, sample: str) -> Figure:
    value = float(np.mean([auc.value for auc in aucs]))
    error = float(np.sqrt(np.sum([auc.error**2 for auc in aucs]))) / len(aucs)
    return Figure(
        value,
        max(0.0, value - Z95 * error),
        min(1.0, value + Z95 * error),
        holdout_value=0.5,
        threshold=threshold,
        sample=sample,
        gate_low=max(0.0, value - Z_GATE * error),
    )


def standard_error(auc: float, n_positive: int, n_negative: int) -> float:
    """Standard error of an AUC (Hanley & McNeil 1982, eq. 1-2)."""
    return math.sqrt(auc_variance(auc, n_positive, n_negative))


def _category_auc(shares: Floats, truth: Bools) -> tuple[float, float] | None:
    n = int(truth.sum())
    if min(n, len(truth) - n) < MIN_OF_CATEGORY:
        return None
    value = float(roc_auc_score(truth, shares))
    return value, standard_error(value, n, len(truth) - n)


def _sample(attacked: Attacked) -> str:
    n = int(attacked.member.sum())
    return f"{n:,} training and {len(attacked.member) - n:,} holdout stays"
