"""Other ways to look for copies: by what was measured in both stays, under time shifts, and by part of a stay."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from model.evaluation.privacy.neighbours import nearest, two_nearest
from model.evaluation.privacy.rarity import MIN_SURPRISING, Rarity, rank_among_real
from model.evaluation.privacy.records import Records
from model.evaluation.privacy.view import K_REAL, Nearest, Side, View, joined, shifts
from model.evaluation.space import Codes, Floats, Tick, no_tick, part_of

ENOUGH_TOLD = 40
MAX_STRIDE = 3
MIN_STEPS = 4  # shorter stays have no parts to compare


class Scanned(NamedTuple):
    """By query, the smallest NNDR (n,), and how much the record tells that it is about (n,)."""

    ratio: Floats
    told: Codes


class _Search(Protocol):
    def __call__(self, queries: Side, pool: Side, tick: Tick, *, apart: bool) -> Scanned: ...


def scans(view: View, *, tick: Tick = no_tick, train_only: bool = False) -> dict[str, tuple[Codes, Rarity]]:
    """By kind of search, the rows of a sample of synthetic stays and how rare their NNDR is.

    Under time shifts, distances are over the steps that overlap, and the smallest NNDR of all shifts is compared with
    the same minimum of real stays; so is the smallest NNDR of the first, the middle and the last half of the stay.
    """
    pool = view.train if train_only else joined(view.train, view.holdout)
    rows = _drawn(view.rows, view, view.n_scanned)
    furthest = max(shifts(pool.records.n_steps), default=0)
    kinds: dict[str, _Search] = {"by what was measured in both": _by_shared}
    if furthest:
        kinds[f"shifted in time by up to {furthest} steps"] = _over_shifts
    if pool.records.n_steps >= MIN_STEPS:
        kinds["by one half of the stay"] = _over_halves
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
        found[kind] = rows, rank_among_real(ours.ratio, ours.told, theirs.ratio, theirs.told)
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


def _by_shared(queries: Side, pool: Side, tick: Tick, *, apart: bool) -> Scanned:
    """By the entries measured in both."""
    ratio, at = _ratio(queries, pool, queries.records, pool.as_measured, tick, apart=apart, shared=True)
    return Scanned(ratio, pool.told[at])


def _over_shifts(queries: Side, pool: Side, tick: Tick, *, apart: bool) -> Scanned:
    """Over all shifts."""
    length = pool.records.n_steps
    moves, stride = shifts(length), _stride(pool)
    best = Scanned(np.ones(len(queries)), np.zeros(len(queries), dtype=np.int64))
    for i, s in enumerate(moves):
        ahead = queries.records.window(slice(max(s, 0), length + min(s, 0), stride))
        behind = pool.records.window(slice(max(-s, 0), length + min(-s, 0), stride))
        ratio, at = _ratio(queries, pool, ahead, behind, part_of(tick, i, len(moves)), apart=apart)
        best = _smaller(best, Scanned(ratio, pool.told[at]))
    return best


def _over_halves(queries: Side, pool: Side, tick: Tick, *, apart: bool) -> Scanned:
    """Over the first, the middle and the last half; a half that tells too little is like many and does not count."""
    half, best = halves(pool.records.n_steps), Scanned(np.ones(len(queries)), np.zeros(len(queries), dtype=np.int64))
    for i, steps in enumerate(half):
        there = pool.records.window(steps)
        part = part_of(tick, i, len(half))
        ratio, at = _ratio(queries, pool, queries.records.window(steps), there, part, apart=apart)
        told = there.told()[at]
        best = _smaller(best, Scanned(np.where(told < MIN_SURPRISING, 1.0, ratio), told))
    return best


def halves(n_steps: int) -> tuple[slice, ...]:
    """The first, the middle and the last half of a stay, each of the steps rounded up."""
    width = (n_steps + 1) // 2
    return tuple(slice(start, start + width) for start in (0, (n_steps - width) // 2, n_steps - width))


def _smaller(a: Scanned, b: Scanned) -> Scanned:
    return Scanned(np.minimum(a.ratio, b.ratio), np.where(b.ratio < a.ratio, b.told, a.told))


def _ratio(
    queries: Side, pool: Side, here: Records, there: Records, tick: Tick, *, apart: bool, shared: bool = False
) -> tuple[Floats, Codes]:
    """NNDR (n,) of `here` among `there`, which are the records of both or a part of them, and whose (n,) it is."""
    own, others = (queries.groups, pool.groups) if apart else (None, None)
    found = nearest(here, there, k=K_REAL, shared=shared, query_groups=own, pool_groups=others, tick=tick)
    first, second, at = two_nearest(found, pool.groups)
    return Nearest(first, second, at, first, first).ratio, at
