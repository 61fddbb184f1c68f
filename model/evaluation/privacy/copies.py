"""Copies of real stays among the synthetic ones: exact, noisy, shifted in time, and of half a stay.

They are sought among all real stays, training and holdout: a table of another product may have been learned from all.
What counts as too close is what real stays of different patients hardly ever show among each other.
"""

from __future__ import annotations

import numpy as np

from model.data.small_cells import told_number
from model.evaluation.privacy.intervals import GATE_TAIL, difference, lower
from model.evaluation.privacy.rarity import MIN_SURPRISING, Rarity, rarity_of
from model.evaluation.privacy.scans import scans
from model.evaluation.privacy.view import EXACT, TOO_FEW, View
from model.evaluation.space import Bools, Figure, NotAvailable, Tick, no_tick, part_of

MIN_CERTAIN = 5  # fewer in a small table may be one odd stay: real vitals have heavier tails than an exponential one
MIN_REAL = 50
CONTROL = "against the training stays: these are the holdout stays themselves, put through the gate as a control"


def exact_copies(view: View, *, about: Bools | None = None, threshold: float, tick: Tick = no_tick) -> Figure:
    """Share of the synthetic stays that are equal to a real one, beyond what chance explains.

    Chance is seen among real stays of different patients. A copy of a stay that tells more than twice as much as any
    that has a double among them is none of it: a single one counts. `about` (n,) restricts the synthetic stays.
    """
    control = view.is_control(tick)
    found, real = (view.synthetic_to_real(tick, train_only=control), view.real_to_real(tick, train_only=control))
    chosen = found.take(view.rows_of(about))
    if not len(real.first) or not len(chosen.first):
        raise NotAvailable(TOO_FEW)
    same, doubles = chosen.first < EXACT, real.first < EXACT
    told = view.told
    usual = told[real.record[doubles]].max(initial=0)
    certain = float((same & (told[chosen.record] >= 2 * usual + MIN_SURPRISING)).mean())
    n_doubles = float(told_number(int(doubles.sum())))  # exact, the figures would tell of fewer than 11 real stays
    counts = (float(same.sum()), len(same), n_doubles, len(doubles))
    low, high = difference(*counts)
    share = max(counts[0] / counts[1] - counts[2] / counts[3], certain, 0.0)
    return Figure(
        share,
        min(share, max(low, certain, 0.0)),
        max(share, high),
        holdout_value=n_doubles / len(doubles),
        threshold=threshold,
        sample=CONTROL if control else view.sample,
        gate_low=max(difference(*counts, tail=GATE_TAIL)[0], certain, 0.0),
    )


def near_copies(
    view: View, *, about: Bools | None = None, threshold: float, scanned: bool, tick: Tick = no_tick
) -> Figure:
    """Share of the synthetic stays much nearer to one real stay than to any other, beyond real stays' share.

    With `scanned`, a sample is also compared under time shifts of up to 12 steps, by what was measured in both stays
    only, which finds copies with gaps filled in otherwise or values left out, and by the first, the middle and the last
    half, which finds stays put together from parts. The worst figure counts.
    """
    control = view.is_control(part_of(tick, 0, 10))
    if len(view.train_rows) + len(view.holdout_rows) < MIN_REAL:
        raise NotAvailable(f"there are fewer than {MIN_REAL} real stays: how close they come by chance is not known")
    rarity = rarity_of(view, tick=part_of(tick, 0, 2), train_only=control)
    wanted = view.rows_of(about)
    if not wanted.any():
        raise NotAvailable(TOO_FEW)
    figures = [
        _share(
            rarity, wanted, threshold=threshold, sample=CONTROL if control else view.sample, whole=view.sample is None
        )
    ]
    if scanned:
        for kind, (rows, others) in scans(view, tick=part_of(tick, 1, 2), train_only=control).items():
            among = np.ones(len(rows), dtype=bool) if about is None else about[rows]
            if among.any():
                sample = f"{len(rows):,} synthetic stays, {kind}"
                whole = len(rows) == len(view.synthetic)
                figures.append(_share(others, among, threshold=threshold, sample=sample, whole=whole))
    return max(figures, key=lambda figure: figure.gate_low or 0.0)


def _share(found: Rarity, wanted: Bools, *, threshold: float, sample: str | None, whole: bool) -> Figure:
    """Share of the wanted synthetic stays that are close, beyond that of the real ones; `whole`: not a sample."""
    close, n = float(found.close[wanted].sum()), int(wanted.sum())
    usual, n_real = float(found.real_close.sum()), len(found.real_close)
    low, high = difference(close, n, usual, n_real)
    strict = difference(close, n, usual, n_real, tail=GATE_TAIL, base_tail=GATE_TAIL / 10)[0]  # the base is skewed
    certain = float(found.certain[wanted].sum())
    share = max(close / n - usual / n_real, certain / n, 0.0)
    surely = (
        [certain / n] * 2
        if whole and certain >= MIN_CERTAIN
        else [lower(certain, n), lower(certain, n, tail=GATE_TAIL)]
    )
    return Figure(
        share,
        min(share, max(low, surely[0], 0.0)),
        max(high, share),
        holdout_value=usual / n_real,
        threshold=threshold,
        sample=sample,
        gate_low=max(strict, surely[1], 0.0),
    )
