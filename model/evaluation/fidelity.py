"""Do single values, and values of one moment, look like the training stays'? Pure functions of two tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import pdist

from model.evaluation.space import Codes, Floats, Inputs, NotAvailable

MMD_STAYS = 2_000


def frequencies(codes: Codes, n_categories: int) -> Floats:
    """(C,) share of each category among the codes of one channel (n, L)."""
    counts = np.bincount(codes.ravel(), minlength=n_categories).astype(np.float64)
    shares: Floats = counts / max(counts.sum(), 1)
    return shares


def total_variation(p: Sequence[Floats], q: Sequence[Floats]) -> float:
    """Mean over channels of `0.5 sum_c |p_c - q_c|`, p and q being the categories' frequencies (sums of 1).

    0 = equal, 1 = disjoint. Channels with NaN (too few stays to be told) are left out. Raises NotAvailable where
    no channel is left.
    """
    distances = [0.5 * float(np.abs(a - b).sum()) for a, b in zip(p, q, strict=True)]
    return mean_of_known(distances, "there is no categorical feature or missingness mark to compare")


def marginal_ks(p: Floats, q: Floats) -> float:
    """`max_i |P_i - Q_i|` of the cumulative shares of two histograms on the same bins (Kolmogorov-Smirnov)."""
    return float(np.abs(np.cumsum(p) - np.cumsum(q)).max(initial=0.0))


def correlation(numerical: Inputs) -> Floats:
    """(M, M) Pearson correlations of numerical features (n, L, M) over all stays and steps.

    A constant feature is correlated with nothing, and has 0. NaN for a table without stays.
    """
    n, length, width = numerical.shape
    flat = numerical.reshape(n * length, width).astype(np.float64)
    if not len(flat):
        return np.full((width, width), np.nan)
    centred = flat - flat.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    constant = deviation < 1e-6
    deviation[constant] = 1.0
    matrix: Floats = (centred.T @ centred) / len(flat) / np.outer(deviation, deviation)
    matrix[constant] = matrix[:, constant] = 0.0
    return matrix


def correlation_mae(a: Floats, b: Floats) -> float:
    """Mean of `|a_ij - b_ij|` over pairs i < j of two correlation matrices.

    Pairs with NaN (too few stays to be told) in either are left out. Raises NotAvailable where no pair is left.
    """
    pairs = np.abs((a - b)[np.triu_indices(len(a), 1)])
    return mean_of_known(pairs.tolist(), "there are fewer than two numerical features to compare")


def mmd(a: Inputs, b: Inputs) -> float:
    """Maximum mean discrepancy between two sets of stays, flattened to (n, D) and (m, D).

    `sqrt(mean k(a, a') + mean k(b, b') - 2 mean k(a, b))`, all pairs (V-statistic; Gretton et al. 2012, eq. 5), with
    the kernel `k(x, y) = exp(-|x - y|^2 / median)` and the median of the squared distances of both sets together.
    Sampling alone gives about `sqrt(1/n + 1/m)` times .8: compare only figures of equal n and m.
    """
    if not len(a) or not len(b):
        raise NotAvailable("one of the two tables holds no stays")
    stacked = np.concatenate([a, b]).astype(np.float64)
    distances = pdist(stacked, "sqeuclidean")
    scale = float(np.median(distances)) or float(distances.mean()) or 1.0
    n, m = len(a), len(b)
    within_a, within_b, all_pairs = _pair_sums(np.exp(-distances / scale), n, m)
    between = all_pairs - within_a - within_b
    squared = (n + 2 * within_a) / n**2 + (m + 2 * within_b) / m**2 - 2 * between / (n * m)
    return float(np.sqrt(max(squared, 0.0)))


def _pair_sums(kernel: Floats, n: int, m: int) -> tuple[float, float, float]:
    """Sums of the condensed kernel over pairs within the first n, within the last m, and over all pairs."""
    total = n + m
    ends = np.cumsum(np.arange(total - 1, 0, -1))  # row i of the upper triangle ends here
    in_a = 0.0
    for i in range(n - 1):
        start = int(ends[i]) - (total - 1 - i)
        in_a += float(kernel[start : start + n - 1 - i].sum())
    first_of_b = int(ends[n - 1])
    return in_a, float(kernel[first_of_b:].sum()), float(kernel.sum())


def mean_of_known(values: Sequence[float], otherwise: str) -> float:
    """Mean of the values that are not NaN; NotAvailable(otherwise) where there is none."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        raise NotAvailable(otherwise)
    return float(np.mean(known))
