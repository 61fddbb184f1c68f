"""Arrays as they are written: nested tuples, null for NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from model.evaluation.space import Floats
from model.spec.figures import Matrix


def to_row(values: Floats) -> tuple[float | None, ...]:
    """A tuple, None for NaN."""
    return tuple(None if math.isnan(value) else value for value in values.tolist())


def to_array(values: Sequence[float | None]) -> Floats:
    """The array that `to_row` was given."""
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def to_matrix(values: Floats) -> Matrix:
    """Nested tuples, None for NaN."""
    return tuple(to_row(row) for row in values)


def from_matrix(rows: Matrix) -> Floats:
    """The array that `to_matrix` was given; (0, 0) where that had no rows."""
    return np.array([to_array(row) for row in rows]).reshape(len(rows), len(rows[0]) if rows else 0)
