"""When is something missing? Lengths of the gaps, and which features are missing together."""

from __future__ import annotations

import numpy as np

from model.evaluation.disclosure import MIN_STAYS, is_small, safe_shares, stays_per_cell
from model.evaluation.fidelity import correlation, mean_of_known, total_variation
from model.evaluation.space import Bools, Codes, Floats, NotAvailable, Table
from model.spec.figures import RUN_LENGTHS

LONGER_THAN = np.array([1, 2, 4, 8, 16])  # the upper ends of all classes of RUN_LENGTHS but the last
COARSEST = 0.2  # a correlation that could be told only in larger steps is not told


def gaps(missing: Bools) -> Codes:
    """(n, L) class in RUN_LENGTHS of the gap that ends at a step; -1 elsewhere. `missing` (n, L), steps in a row."""
    n, length = missing.shape
    steps = np.arange(1, length + 1)
    before = np.maximum.accumulate(np.where(missing, 0, steps), axis=1)  # the last step with a value
    ends = missing & ~np.concatenate([missing[:, 1:], np.zeros((n, 1), dtype=bool)], axis=1)
    return np.where(ends, np.searchsorted(LONGER_THAN, steps - before), -1)


def run_shares(missing: Bools, *, real: bool) -> Floats:
    """(6,) shares of the gaps by length; (0,) where there is no gap. Of `real` stays no small numbers are told."""
    cells, n_classes = gaps(missing), len(RUN_LENGTHS)
    counts = np.bincount(cells[cells >= 0], minlength=n_classes).astype(np.float64)
    if not counts.any():
        return np.zeros(0)
    shares: Floats = counts / counts.sum()
    return safe_shares(counts, stays_per_cell(cells, n_classes), total=len(missing)) if real else shares


def runs_distance(p: Floats, q: Floats) -> float:
    """TVD between two distributions of gap lengths: 1 where only one side has gaps, NaN where neither has.

    NaN also where the gaps of a side are too few to be told (all shares are 0).
    """
    untold = any(len(side) and not side.any() for side in (p, q))
    if untold or not (len(p) or len(q)):
        return float("nan")
    return total_variation([p], [q]) if len(p) and len(q) else 1.0


def marks(table: Table) -> tuple[tuple[str, ...], Bools]:
    """Names of the features that can be missing, and (n, L, F) True where they are."""
    names, columns = [], []
    for j, channel in enumerate(table.channels):
        if channel.kind == "mark":
            names.append(channel.name.removesuffix(" measured"))
            columns.append(table.categorical[:, :, j] == 0)
        elif channel.missing_code is not None:
            names.append(channel.name)
            columns.append(table.categorical[:, :, j] == channel.missing_code)
    shape = (len(table), table.n_steps, 0)
    return tuple(names), np.stack(columns, axis=2) if columns else np.zeros(shape, dtype=bool)


def co_missing(missing: Bools, inside: Bools | None = None, *, real: bool) -> Floats:
    """(F, F) phi coefficients, `(p_ij - p_i p_j) / sqrt(p_i (1 - p_i) p_j (1 - p_j))`, of marks (n, L, F).

    0 for a feature that is always or never missing. Stays count up to their end, `inside` (n, L). Of `real` stays:
    where 1 to 10 stays have one of the four combinations of two marks, rounded to steps of what 10 stays can change;
    NaN where these are larger than 0.2.
    """
    exact = correlation(missing.astype(np.float32), inside)
    if not real:
        return exact
    if len(missing) < MIN_STAYS:
        return np.full_like(exact, np.nan)
    there = np.ones(missing.shape[:2], dtype=np.bool_) if inside is None else inside
    rates = missing[there].mean(axis=0)
    deviation = np.sqrt(rates * (1 - rates))
    step = (MIN_STAYS - 1) / len(missing) / np.maximum(np.outer(deviation, deviation), 1e-9)
    with np.errstate(over="ignore"):
        told = np.where(step <= COARSEST, np.clip(np.round(exact / step) * step, -1, 1), np.nan)
    return np.where(_with_small_cells(missing, there), told, exact)


def co_missing_mae(a: Floats, b: Floats) -> float:
    """Mean of `|a_ij - b_ij|` over pairs i < j of two matrices of phi coefficients (F, F).

    Pairs with NaN (too few stays to be told) in either are left out. Raises NotAvailable where no pair is left.
    """
    reason = "there are fewer than two features that can be missing"
    if a.shape != b.shape:  # what is kept of the real stays is older than this figure
        raise NotAvailable("it was not measured in the real stays")
    return mean_of_known(np.abs((a - b)[np.triu_indices(len(a), 1)]).tolist(), reason)


def _with_small_cells(missing: Bools, inside: Bools) -> Bools:
    """(F, F) True where 1 to 10 stays show a combination of two marks, at whatever step."""
    width = missing.shape[2]
    small, measured = np.zeros((width, width), dtype=bool), ~missing & inside[:, :, None]
    for i in range(width):
        for a in (missing[:, :, i, None], measured[:, :, i, None]):
            for b in (missing[:, :, i:], measured[:, :, i:]):
                small[i, i:] |= is_small((a & b).any(axis=1).sum(axis=0))
    return small | small.T
