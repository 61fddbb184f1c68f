"""Missing values filled by one rule, in training and on output alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.data.stays import MISSING_CATEGORY


def impute(
    numerical: npt.NDArray[np.float32], means: npt.NDArray[np.float64] | npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Fill NaN: last observation carried forward, before the first one the stay's mean, else the training mean.

    numerical (n, L, M), means (M,) -> (n, L, M) without NaN. The stay's mean is that of its observed values.
    """
    observed = ~np.isnan(numerical)
    counts = observed.sum(axis=1)
    sums = np.where(observed, numerical, 0).sum(axis=1, dtype=np.float64)
    fallback = np.where(counts > 0, sums / np.maximum(counts, 1), means).astype(np.float32)
    last = _last_observed(observed)
    carried = np.take_along_axis(numerical, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, carried, fallback[:, None, :])


def impute_codes(codes: npt.NDArray[np.int64], modes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Fill missing codes: last observation carried forward, else the next one backward, else the training mode.

    codes (n, L, M) with -1 = missing, modes (M,) -> (n, L, M) without -1.
    """
    forward = _carry(codes)
    backward = _carry(forward[:, ::-1])[:, ::-1]
    return np.where(backward == MISSING_CATEGORY, modes, backward)


def _carry(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    last = _last_observed(codes != MISSING_CATEGORY)
    carried = np.take_along_axis(codes, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, carried, MISSING_CATEGORY)


def _last_observed(observed: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """(n, L, M) step of the last observation up to each step; -1 before the first."""
    steps = np.arange(observed.shape[1], dtype=np.intp)[None, :, None]
    return np.maximum.accumulate(np.where(observed, steps, -1), axis=1)
