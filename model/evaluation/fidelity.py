"""Do single values, and values of one moment, look like the training stays'? Pure functions of two tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import wasserstein_distance

from model.evaluation.space import Bools, Codes, Floats, Inputs, NotAvailable, Table, flat

MMD_STAYS = 2_000
ROWS_AT_ONCE = 2**18


def frequencies(codes: Codes, n_categories: int) -> Floats:
    """(C,) share of each category among the codes of one channel (n, L); -1 is none."""
    counts = np.bincount(codes[codes >= 0], minlength=n_categories).astype(np.float64)
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


def correlation(numerical: Inputs, inside: Bools | None = None) -> Floats:
    """(M, M) Pearson correlations of numerical features (n, L, M) over all stays and steps, or those that are `inside`.

    A constant feature is correlated with nothing, and has 0. NaN for a table without stays.
    """
    n, length, width = numerical.shape
    flat = numerical.reshape(n * length, width) if inside is None else numerical[inside]
    if not len(flat):
        return np.full((width, width), np.nan)
    mean = flat.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((width, width))
    for start in range(0, len(flat), ROWS_AT_ONCE):
        centred = flat[start : start + ROWS_AT_ONCE] - mean
        covariance += centred.T @ centred / len(flat)
    deviation = np.sqrt(np.diag(covariance))
    constant = deviation < 1e-6
    deviation[constant] = 1.0
    matrix: Floats = np.clip(covariance / np.outer(deviation, deviation), -1.0, 1.0)
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
    stacked -= stacked.mean(axis=0)  # smaller numbers, smaller rounding errors in the next step
    squares, total, n = (stacked**2).sum(axis=1), len(stacked), len(a)
    kernel = np.maximum(squares[:, None] + squares - 2 * stacked @ stacked.T, 0.0)
    np.fill_diagonal(kernel, 0.0)
    pairs = kernel.ravel()[1:].reshape(total - 1, total + 1)[:, :-1]  # all but the diagonal, each pair twice
    scale = float(np.median(pairs)) or float(pairs.mean()) or 1.0
    np.exp(np.divide(kernel, -scale, out=kernel), out=kernel)
    squared = kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
    return float(np.sqrt(max(squared, 0.0)))


def mmd_between(a: Table, b: Table, *, n: int, seed: int) -> float:
    """`mmd` of `n` stays of each table, flattened."""
    if n < 2:
        raise NotAvailable("at least 2 stays of each table are needed")
    return mmd(flat(a.sample(n, seed=seed)), flat(b.sample(n, seed=seed + 1)))


def wasserstein(a: Floats, b: Floats) -> float:
    """`integral |F_a(x) - F_b(x)| dx`: the earth mover's distance between two samples (n,) and (m,), in their unit.

    NaN where one of them is empty.
    """
    return float(wasserstein_distance(a, b)) if len(a) and len(b) else float("nan")


def binned_wasserstein(p: Floats, q: Floats, edges: Floats) -> float:
    """The same of two histograms (B,) on `edges` (B + 1,), the values spread evenly within each bin.

    Values beyond the outer edges count as within them.
    """
    gap = np.concatenate([[0.0], np.cumsum(p - q)])
    left, right = np.abs(gap[:-1]), np.abs(gap[1:])
    crossing = gap[:-1] * gap[1:] < 0  # the difference changes its sign within the bin: two triangles
    triangles = (left**2 + right**2) / np.where(crossing, 2 * (left + right), 1.0)
    return float((np.diff(edges) * np.where(crossing, triangles, (left + right) / 2)).sum())


def mean_of_known(values: Sequence[float], otherwise: str) -> float:
    """Mean of the values that are not NaN; NotAvailable(otherwise) where there is none."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        raise NotAvailable(otherwise)
    return float(np.mean(known))
