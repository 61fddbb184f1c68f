"""Copies of real stays among the synthetic ones: exact, noisy, and shifted in time.

They are sought among all real stays, training and holdout: a table of another product may have been learned from all.
What counts as too close is what real stays of different patients hardly ever show among each other.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from model.evaluation.privacy.intervals import GATE_TAIL, difference, lower
from model.evaluation.privacy.neighbours import nearest, two_nearest
from model.evaluation.privacy.view import (
    EXACT,
    K_REAL,
    TOO_FEW,
    Nearest,
    Side,
    View,
    joined,
    shifts,
)
from model.evaluation.space import Bools, Codes, Figure, Floats, NotAvailable, Tick, no_tick, part_of

RARE = 0.002
"""Share of the real stays that are as close to another patient's stay as what is called a near copy."""
CERTAIN = 2.5
MIN_CERTAIN = 5  # fewer in a small table may be one odd stay: real vitals have heavier tails than an exponential one
ENOUGH_TOLD = 40
MAX_STRIDE = 3
STRATUM = 500
MAX_STRATA = 8
MIN_REAL = 50
MIN_SURPRISING = 8  # values that a stay must tell before its double is no coincidence, at least
CONTROL = "against the training stays: these are the holdout stays themselves, put through the gate as a control"


class _Search(Protocol):
    def __call__(self, queries: Side, pool: Side, tick: Tick, *, apart: bool) -> tuple[Floats, Codes]: ...


class Rarity(NamedTuple):
    """How rare it is among real stays to be as close to one record and as far from the next.

    rarity (n,) is the share of the real stays whose nearest record tells as much and whose NNDR is no larger; close
    (n,) and real_close (N,) say which synthetic and which real stays are among the rarest; certain (n,) which synthetic
    stays are far beyond any real one.
    """

    rarity: Floats
    close: Bools
    certain: Bools
    real_close: Bools


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
    counts = (float(same.sum()), len(same), float(doubles.sum()), len(doubles))
    low, high = difference(*counts)
    share = max(counts[0] / counts[1] - counts[2] / counts[3], certain, 0.0)
    return Figure(
        share,
        min(share, max(low, certain, 0.0)),
        max(share, high),
        holdout_value=float(doubles.mean()),
        threshold=threshold,
        sample=CONTROL if control else view.sample,
        gate_low=max(difference(*counts, tail=GATE_TAIL)[0], certain, 0.0),
    )


def near_copies(
    view: View, *, about: Bools | None = None, threshold: float, scanned: bool, tick: Tick = no_tick
) -> Figure:
    """Share of the synthetic stays much nearer to one real stay than to any other, beyond real stays' share.

    With `scanned`, a sample is also compared under time shifts of up to 12 steps, and by what was measured in both
    stays only, which finds copies with gaps filled in otherwise or values left out. The worst figure counts.
    """
    control = view.is_control(part_of(tick, 0, 10))
    if len(view.train_rows) + len(view.holdout_rows) < MIN_REAL:
        raise NotAvailable(f"fewer than {MIN_REAL} real stays: how close they come by chance is not known")
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


def rarity_of(view: View, *, tick: Tick = no_tick, train_only: bool = False) -> Rarity:
    """How rare the NNDR of each synthetic stay in `view.rows` is among real stays, and that of the real ones."""
    found = view.synthetic_to_real(part_of(tick, 0, 2), train_only=train_only)
    real = view.real_to_real(part_of(tick, 1, 2), train_only=train_only)
    return _rarity(found.ratio, view.told[found.record], real.ratio, view.told[real.record])


def scans(view: View, *, tick: Tick = no_tick, train_only: bool = False) -> dict[str, tuple[Codes, Rarity]]:
    """By kind of search, the rows of a sample of synthetic stays and how rare their NNDR is.

    Under time shifts, distances are over the steps that overlap, and the smallest NNDR of all shifts is compared with
    the same minimum of real stays.
    """
    pool = view.train if train_only else joined(view.train, view.holdout)
    rows = _drawn(view.rows, view, view.n_scanned)
    furthest = max(shifts(pool.records.n_steps), default=0)
    kinds: dict[str, _Search] = {"by what was measured in both": _by_shared}
    if furthest:
        kinds[f"shifted in time by up to {furthest} steps"] = _over_shifts
    found = {}
    for k, (kind, search) in enumerate(kinds.items()):
        part = part_of(tick, k, len(kinds))
        ours = view.once(
            f"syn, {train_only}, {kind}",
            partial(search, view.synthetic.take(rows), pool, part_of(part, 0, 2), apart=False),
        )
        theirs = view.once(
            f"real, {train_only}, {kind}", partial(search, _drawn_real(view), pool, part_of(part, 1, 2), apart=True)
        )
        found[kind] = rows, _rarity(ours[0], pool.told[ours[1]], theirs[0], pool.told[theirs[1]])
    return found


def _drawn(rows: Codes, view: View, limit: int) -> Codes:
    """The sample that is searched in several ways."""
    return np.sort(np.random.default_rng(view.seed + 3).permutation(rows)[:limit])


def _drawn_real(view: View) -> Side:
    queries = view.real_queries()
    return queries.take(_drawn(np.arange(len(queries)), view, view.n_scanned // 2))


def _stride(pool: Side) -> int:
    """Every how many steps stays are compared under shifts: those that tell much are known by every third step."""
    return int(np.clip(pool.told.mean() // ENOUGH_TOLD, 1, MAX_STRIDE)) if len(pool) else 1


def _by_shared(queries: Side, pool: Side, tick: Tick, *, apart: bool) -> tuple[Floats, Codes]:
    """NNDR (n,) by the entries measured in both, and the record (n,) in `pool` that it is about."""
    groups = (queries.groups, pool.groups) if apart else (None, None)
    found = nearest(
        queries.records,
        pool.as_measured,
        k=K_REAL,
        shared=True,
        query_groups=groups[0],
        pool_groups=groups[1],
        tick=tick,
    )
    first, second, at = two_nearest(found, pool.groups)
    return Nearest(first, second, at, first, first).ratio, at


def _over_shifts(queries: Side, pool: Side, tick: Tick, *, apart: bool) -> tuple[Floats, Codes]:
    """The smallest NNDR (n,) over all shifts, and the record (n,) in `pool` that it is about."""
    length = pool.records.n_steps
    moves, stride = shifts(length), _stride(pool)
    groups = (queries.groups, pool.groups) if apart else (None, None)
    ratio, index = np.ones(len(queries)), np.zeros(len(queries), dtype=np.int64)
    for i, s in enumerate(moves):
        ahead = slice(max(s, 0), length + min(s, 0), stride)
        behind = slice(max(-s, 0), length + min(-s, 0), stride)
        found = nearest(
            queries.records.window(ahead),
            pool.records.window(behind),
            k=K_REAL,
            query_groups=groups[0],
            pool_groups=groups[1],
            tick=part_of(tick, i, len(moves)),
        )
        first, second, at = two_nearest(found, pool.groups)
        here = Nearest(first, second, at, first, first).ratio
        index = np.where(here < ratio, at, index)
        ratio = np.minimum(here, ratio)
    return ratio, index


def _rarity(ratio: Floats, told: Codes, real_ratio: Floats, real_told: Codes) -> Rarity:
    """By strata of what the nearest record tells; in each, the RARE closest of the real stays (at least one) are close.

    A synthetic stay is close when fewer real ones are at least as close as itself: a real one in its place would be so
    as often (the rank of one more draw of the same distribution). It is certain where -log NNDR is CERTAIN times the
    largest of a real stay: -log NNDR has an exponential tail (its rate is the data's dimension: Facco et al. 2017), so
    that chance is about n^-CERTAIN among n real stays.
    """
    n_strata = int(np.clip(len(real_told) // STRATUM, 1, MAX_STRATA))
    edges = np.unique(np.quantile(real_told, np.arange(1, n_strata) / n_strata))
    stratum, real_stratum = np.searchsorted(edges, told), np.searchsorted(edges, real_told)
    rarity, close, certain = np.ones(len(ratio)), np.zeros(len(ratio), dtype=bool), np.zeros(len(ratio), dtype=bool)
    real_close = np.zeros(len(real_ratio), dtype=bool)
    for s in range(len(edges) + 1):
        here, there = stratum == s, real_stratum == s
        ordered = np.sort(real_ratio[there])
        if len(ordered):
            allowed = max(1, int(RARE * len(ordered)))
            rank = np.searchsorted(ordered, ratio[here], side="right")
            rarity[here], close[here] = rank / len(ordered), rank < allowed
            certain[here] = ratio[here] < ordered[0] ** CERTAIN
            real_close[there] = np.searchsorted(ordered, real_ratio[there], side="right") <= allowed
    return Rarity(rarity, close, certain, real_close)


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
