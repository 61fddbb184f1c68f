"""How rare it is among real stays to be as close to one record as a synthetic stay is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from model.evaluation.privacy.view import View
from model.evaluation.space import Bools, Codes, Floats, Tick, no_tick, part_of

RARE = 0.002
"""Share of the real stays that are as close to another patient's stay as what is called a near copy."""
CERTAIN = 2.5
STRATUM = 500
MAX_STRATA = 8
MIN_SURPRISING = 8
"""Values that a stay must tell before its double is no coincidence, at least."""


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


def rarity_of(view: View, *, tick: Tick = no_tick, train_only: bool = False) -> Rarity:
    """How rare the NNDR of each synthetic stay in `view.rows` is among real stays, and that of the real ones."""
    found = view.synthetic_to_real(part_of(tick, 0, 2), train_only=train_only)
    real = view.real_to_real(part_of(tick, 1, 2), train_only=train_only)
    return rank_among_real(found.ratio, view.told[found.record], real.ratio, view.told[real.record])


def rank_among_real(ratio: Floats, told: Codes, real_ratio: Floats, real_told: Codes) -> Rarity:
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
