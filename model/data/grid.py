"""Where the rows of a table belong: the stay and the step of each; or an error says why they have no place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.data.binning import bin_rows, in_time_order
from model.data.columns import ADVICE, clock, keys, rows
from model.spec.binning import Binning
from model.spec.errors import DataError
from model.spec.schema import Schema

MAX_CELLS = 2**30  # 4 to 8 GiB of arrays: beyond it a table is refused instead of exhausting the memory
SPARSE = 0.2  # share of cells that hold a row, under which a grid does not fit its table

Codes = npt.NDArray[np.int64]


class Grid(NamedTuple):
    """Where each row belongs: (stay, step) per row, and `cell`, the flat index of the rows inside the grid.

    With a binning, several rows may be in a cell, then in the order of time; `n_before` rows and `n_stays_before` stays
    are not in the table any more.
    """

    stay: Codes
    step: Codes
    n_stays: int
    length: int
    inside: npt.NDArray[np.bool_] | Codes
    cell: Codes
    time_start: int
    time_step: float
    n_before: int = 0
    n_stays_before: int = 0

    @property
    def last(self) -> Codes:
        """(n,) the last step of each stay, also beyond the grid."""
        last = np.zeros(self.n_stays, dtype=np.int64)
        np.maximum.at(last, self.stay, self.step)
        return last


def place_rows(frame: pd.DataFrame, schema: Schema) -> tuple[pd.DataFrame, Grid]:
    """The rows that have a place, and the grid: of whole steps, or as the schema's binning has it. DataError."""
    return (frame, _grid(frame, schema)) if schema.binning is None else _binned(frame, schema, schema.binning)


def _grid(frame: pd.DataFrame, schema: Schema) -> Grid:
    stay = keys(frame[schema.stay_id], "stay id column")
    steps, time_start, time_step = clock(frame[schema.time])
    n_stays, length = int(stay.max()) + 1, schema.sequence_length
    _check_unique(stay, steps, schema)
    _check_size(n_stays, schema)
    inside = steps < length
    _check_fit(int(inside.sum()), len(np.unique(stay[~inside])), n_stays, schema)
    cell = (stay * length + steps)[inside]
    return Grid(stay, steps, n_stays, length, inside, cell, time_start, time_step)


def _binned(frame: pd.DataFrame, schema: Schema, binning: Binning) -> tuple[pd.DataFrame, Grid]:
    binned = bin_rows(frame, schema, binning)
    stay, step = binned.stay, binned.step
    n_stays, length = int(stay.max()) + 1, schema.sequence_length
    _check_size(n_stays, schema)
    inside = np.flatnonzero(step < length)
    if len(inside) == 0:
        message = f"time column '{schema.time}': no row lies within the first {length} steps of {binning.step}"
        raise DataError(f"{message}; look at binning.time_unit and binning.origin", column=schema.time)
    inside = in_time_order(binned, inside)
    cell = stay[inside] * length + step[inside]
    origin = (binned.time_start, binned.time_step)
    return binned.frame, Grid(
        stay, step, n_stays, length, inside, cell, *origin, binned.n_before, binned.n_stays_before
    )


def _check_unique(stay: Codes, step: Codes, schema: Schema) -> None:
    order = np.lexsort((step, stay))
    repeated = (np.diff(stay[order]) == 0) & (np.diff(step[order]) == 0)
    if repeated.any():
        message = f"{rows(int(repeated.sum()))} repeat a stay ('{schema.stay_id}') and time ('{schema.time}')"
        raise DataError(
            f"{message}; there must be one row per stay and step, or a schema with `binning`", column=schema.time
        )


def _check_fit(n_inside: int, n_cut: int, n_stays: int, schema: Schema) -> None:
    """One stray time is enough to shift or split the grid of all stays: then most of them lie outside of it."""
    if n_cut > n_stays / 2 and n_inside < SPARSE * n_stays * schema.sequence_length:
        raise DataError(
            f"time column '{schema.time}': {n_cut} of {n_stays} stays go beyond the first {schema.sequence_length} "
            f"steps, which are almost empty; look for times that are far off or between whole steps, or {ADVICE}",
            column=schema.time,
        )


def _check_size(n_stays: int, schema: Schema) -> None:
    if n_stays * schema.sequence_length * len(schema.columns) > MAX_CELLS:
        raise DataError(f"{n_stays} stays of {schema.sequence_length} steps are too many; lower sequence_length")
