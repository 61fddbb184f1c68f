"""The most that an uploaded file may unfold to, and what its columns may be called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from model.spec.errors import DataError

BYTES_PER_CELL = 8
PANDAS_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+")
"""A nameless index that pandas wrote as a column."""


class Limits(NamedTuple):
    """The most that a file may unfold to."""

    columns: int
    rows: int
    bytes: int


def check_names(names: Sequence[str], limits: Limits) -> None:
    """DataError for too many columns, and for two of one name."""
    if len(names) > limits.columns:
        raise DataError(f"the table has {len(names)} columns; at most {limits.columns} are allowed")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"column '{repeated[0]}' is there more than once", column=repeated[0])


def check_rows(n_rows: int, n_columns: int, limits: Limits) -> None:
    """DataError for a table that has too many rows, or takes too much memory even if each cell is a number."""
    if n_rows > limits.rows:
        raise DataError(f"the table has {n_rows} rows; at most {limits.rows} are allowed")
    if n_rows * n_columns * BYTES_PER_CELL > limits.bytes:
        raise DataError(f"{n_rows} rows of {n_columns} columns are more than the allowed {limits.bytes} bytes")
