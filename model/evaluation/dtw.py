"""How close does a stay's course come to a real one, small shifts in time allowed? Dynamic time warping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.evaluation.space import Floats, Inputs, NotAvailable, Table

MAX_STEPS = 50
BAND = 4  # a step may be matched with one that is a quarter of the stay away
AT_ONCE = 100


def dtw(a: Sequence[Inputs] | Inputs, b: Sequence[Inputs] | Inputs, *, n_steps: int) -> Floats:
    """(n, m) dynamic time warping distances between n and m stays (L_i, M), per step and feature.

    `sqrt(min over paths of sum |a_i - b_j|^2 / (L M))`, L being the steps of the longer of the two: all features are
    warped together ("dependent", Shokoohi-Yekta et al. 2017), within a band of `n_steps` / 4 steps (Sakoe & Chiba
    1978), wider by the difference of two lengths. 0 = equal up to such shifts; of stays of one length never more than
    the root mean square difference. Raises NotAvailable without features, and where dtaidistance is not installed.
    """
    width = a[0].shape[1]
    if not width:
        raise NotAvailable("there is no numerical feature to compare")
    try:
        from dtaidistance import dtw_ndim
    except ImportError as error:
        raise NotAvailable("the package dtaidistance, which computes it, is not installed") from error
    found = np.empty((len(a), len(b)))
    others = [np.ascontiguousarray(stay, dtype=np.float64) for stay in b]
    for start in range(0, len(a), AT_ONCE):
        part = [np.ascontiguousarray(stay, dtype=np.float64) for stay in a[start : start + AT_ONCE]]
        k, both = len(part), [*part, *others]
        block = ((0, k), (k, len(both)))
        all_pairs = dtw_ndim.distance_matrix_fast(both, block=block, window=band(n_steps), parallel=False)
        found[start : start + k] = all_pairs[:k, k:]
    lengths = [np.array([len(stay) for stay in side]) for side in (a, b)]
    distances: Floats = found / np.sqrt(np.maximum.outer(*lengths) * width)
    return distances


def band(length: int) -> int:
    """Width of the band in dtaidistance's words: the largest shift, and 1."""
    return -(-length // BAND) + 1


def nearest(subject: Table, real: Table, *, n_subject: int, n_real: int, seed: int) -> Floats:
    """(n,) distance from stays of `subject` to the nearest of those of `real`, samples of either, up to their ends.

    Long stays are thinned to every k-th step, at most 50 of them. Raises NotAvailable where a side has no stays.
    """
    if not len(subject) or not len(real):
        raise NotAvailable("one of the two tables holds no stays")
    stride = -(-real.n_steps // MAX_STEPS)
    # The same seed on either side: of two equal tables, the sampled stays are then their own nearest.
    a, b = subject.sample(n_subject, seed=seed), real.sample(n_real, seed=seed)
    found = dtw(_courses(a, stride), _courses(b, stride), n_steps=-(-real.n_steps // stride))
    closest: Floats = found.min(axis=1)
    return closest


def _courses(table: Table, stride: int) -> Sequence[Inputs] | Inputs:
    """Every `stride`-th step of each stay, none after its end."""
    thinned = table.numerical[:, ::stride]
    if table.inside is None:
        return thinned
    return [stay[: int(steps)] for stay, steps in zip(thinned, table.inside[:, ::stride].sum(axis=1), strict=True)]
