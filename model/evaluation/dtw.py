"""How close does a stay's course come to a real one, small shifts in time allowed? Dynamic time warping."""

from __future__ import annotations

import numpy as np

from model.evaluation.space import Floats, Inputs, NotAvailable, Table

MAX_STEPS = 50
BAND = 4  # a step may be matched with one that is a quarter of the stay away
AT_ONCE = 100


def dtw(a: Inputs, b: Inputs) -> Floats:
    """(n, m) dynamic time warping distances between stays (n, L, M) and (m, L, M), per step and feature.

    `sqrt(min over paths of sum |a_i - b_j|^2 / (L M))`: all features are warped together ("dependent", Shokoohi-Yekta
    et al. 2017), within a band of L / 4 steps (Sakoe & Chiba 1978). 0 = equal up to such shifts; never more than the
    root mean square difference. Raises NotAvailable without features, and where dtaidistance is not installed.
    """
    if not a.shape[2]:
        raise NotAvailable("there is no numerical feature to compare")
    try:
        from dtaidistance import dtw_ndim
    except ImportError as error:
        raise NotAvailable("the package dtaidistance, which computes it, is not installed") from error
    length, width = a.shape[1:]
    found = np.empty((len(a), len(b)))
    others = list(np.ascontiguousarray(b, dtype=np.float64))
    for start in range(0, len(a), AT_ONCE):
        part = list(np.ascontiguousarray(a[start : start + AT_ONCE], dtype=np.float64))
        k, both = len(part), [*part, *others]
        block = ((0, k), (k, len(both)))
        all_pairs = dtw_ndim.distance_matrix_fast(both, block=block, window=band(length), parallel=False)
        found[start : start + k] = all_pairs[:k, k:]
    distances: Floats = found / np.sqrt(length * width)
    return distances


def band(length: int) -> int:
    """Width of the band in dtaidistance's words: the largest shift, and 1."""
    return -(-length // BAND) + 1


def nearest(subject: Table, real: Table, *, n_subject: int, n_real: int, seed: int) -> Floats:
    """(n,) distance from stays of `subject` to the nearest of those of `real`, samples of either.

    Long stays are thinned to every k-th step, at most 50 of them. Raises NotAvailable where a side has no stays.
    """
    if not len(subject) or not len(real):
        raise NotAvailable("one of the two tables holds no stays")
    stride = -(-real.n_steps // MAX_STEPS)
    # The same seed on either side: of two equal tables, the sampled stays are then their own nearest.
    a, b = subject.sample(n_subject, seed=seed), real.sample(n_real, seed=seed)
    closest: Floats = dtw(a.numerical[:, ::stride], b.numerical[:, ::stride]).min(axis=1)
    return closest
