"""Does the course over time look like the training stays'? Pure functions of two tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.evaluation.fidelity import mean_of_known
from model.evaluation.space import Bools, Codes, Floats, Inputs, NotAvailable

MAX_LAG = 24
FLAT = 1e-4  # the standard deviation, on the codec's scale, up to which a course is none
ONE_STEP = "stays of one time step, or of constants alone, have no course over time"
NOT_NUMERICAL = "there is no numerical feature to compare"


def transition_pairs(codes: Codes, n_categories: int) -> Codes:
    """(n, L - 1) `row * C + column`: the category at one step, and at the next; -1 where one is none (-1)."""
    before, after = codes[:, :-1], codes[:, 1:]
    return np.where((before < 0) | (after < 0), -1, before * n_categories + after)


def transition_counts(codes: Codes, n_categories: int) -> Floats:
    """(C, C) how often category `row` at one step is followed by category `column` at the next; codes (n, L)."""
    pairs = transition_pairs(codes, n_categories)
    counts = np.bincount(pairs[pairs >= 0], minlength=n_categories**2).astype(np.float64)
    return counts.reshape(n_categories, n_categories)


def transition_matrix(codes: Codes, n_categories: int) -> Floats:
    """(C, C) `P(next = column | current = row)` of one channel (n, L); a row of zeros for a category never left."""
    counts = transition_counts(codes, n_categories)
    matrix: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return matrix


def transition_distance(p: Sequence[Floats], q: Sequence[Floats]) -> float:
    """Mean over channels of the Frobenius norm `sqrt(sum_ij (p_ij - q_ij)^2)` between transition matrices.

    0 = equal; 2 = "always stays" against "always changes", for two categories. Rows with NaN (too few stays to be
    told) count as equal, a matrix of NaN is left out. Raises NotAvailable where there is no channel, or no row that
    could be compared.
    """
    if p and not any(matrix[~np.isnan(matrix)].any() for matrix in (*p, *q)):
        raise NotAvailable(ONE_STEP)
    distances = []
    for a, b in zip(p, q, strict=True):
        difference = a - b
        unknown = np.isnan(difference)
        distances.append(float("nan") if unknown.all() else float(np.sqrt((difference[~unknown] ** 2).sum())))
    return mean_of_known(distances, "there is no categorical feature or missingness mark to compare")


def acf(numerical: Inputs, inside: Bools | None = None) -> Floats:
    """(M, K) autocorrelation of each feature at lags 1..K = min(L - 1, 24), averaged over stays (n, L, M).

    Per stay `r_k = sum_t (x_t - m)(x_(t+k) - m) / sum_t (x_t - m)^2`, m being the stay's mean. Stays in which a
    feature is flat have no autocorrelation and are left out; a feature that is flat in all of them never changes, and
    has 1. A stay counts up to its end (`inside`, (n, L); None: all last for L steps), at lags shorter than itself. NaN
    for a table without stays, and at lags that no stay is longer than.
    """
    n, length, width = numerical.shape
    lags = max(0, min(length - 1, MAX_LAG))
    out = np.full((width, lags), 1.0 if n else np.nan)
    steps = np.full(n, length) if inside is None else inside.sum(axis=1)
    out[:, np.arange(1, lags + 1) >= steps.max(initial=0)] = np.nan
    for j in range(width):
        centred = centred_courses(numerical[:, :, j], inside)
        power = (centred**2).sum(axis=1)
        varies = power > FLAT**2 * steps
        if not varies.any():
            continue
        for lag in range(1, lags + 1):
            some = varies & (steps > lag)
            shared = (centred[some, :-lag] * centred[some, lag:]).sum(axis=1) / power[some]
            out[j, lag - 1] = float(shared.mean()) if len(shared) else np.nan
    return out


def centred_courses(values: Inputs, inside: Bools | None) -> Floats:
    """(n, L) values less the mean of their stay; 0 after its end."""
    wide = values.astype(np.float64)
    there = np.ones(wide.shape, dtype=np.bool_) if inside is None else inside
    mean = wide.mean(axis=1, where=there, keepdims=True)
    centred: Floats = np.where(there, wide - mean, 0.0)
    return centred


def acf_mse(a: Floats, b: Floats) -> float:
    """Mean over features and lags of `(a - b)^2`, two autocorrelation functions (M, K).

    Features with NaN (too few stays to be told) in either are left out. Raises NotAvailable for stays of one step,
    or where no feature is left.
    """
    if not len(a):  # then a matrix that was written and read has lost its lags: (0, 0)
        raise NotAvailable(NOT_NUMERICAL)
    if a.shape[1] == 0:
        raise NotAvailable(ONE_STEP)
    return mean_of_known(((a - b) ** 2).ravel().tolist(), NOT_NUMERICAL)
