"""Rows at any time put into whole steps: where each row belongs, and one value from the several in a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.data.columns import keys, rows
from model.data.times import MICRO, SYNTHETIC_START, TimeColumn, read_times
from model.spec.binning import SECONDS, Aggregate, Binning
from model.spec.errors import DataError
from model.spec.schema import Schema

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Binned(NamedTuple):
    """The rows from the origin on, and per row its stay (0..n-1, sorted by id), time in microseconds and step.

    `n_before` rows were dropped, and `n_stays_before` stays that had no others. Step `k` is written as
    `time_start + k * time_step` in the column's unit, or in seconds since 1970.
    """

    frame: pd.DataFrame
    stay: Codes
    time: Codes
    step: Codes
    n_before: int
    n_stays_before: int
    time_start: int
    time_step: float


def bin_rows(frame: pd.DataFrame, schema: Schema, binning: Binning) -> Binned:
    """Find the step of each row; DataError where times are missing, unreadable or all before the origin."""
    column = read_times(frame[schema.time], binning.time_unit)
    time, is_kept, n_stays_before = column.times, None, 0
    if _from_zero(column, binning, schema):
        is_kept = _nearest_second(time) >= 0
        if not is_kept.any():
            message = f"time column '{schema.time}': all {rows(len(is_kept))} lie before time 0; look at binning.origin"
            raise DataError(message, column=schema.time)
        if not is_kept.all():
            n_stays_before = frame[schema.stay_id].nunique()
            frame, time = _kept(frame, schema, is_kept), time[is_kept]
            n_stays_before -= frame[schema.stay_id].nunique()
    stay = keys(frame[schema.stay_id], "stay id column")
    step = steps_since(TimeColumn(time, column.are_instants), None if is_kept is not None else stay, binning)
    n_before = 0 if is_kept is None else len(is_kept) - len(time)
    unit = 1 if binning.time_unit is None else SECONDS[binning.time_unit]
    start = SYNTHETIC_START if column.are_instants else 0
    return Binned(frame, stay, time, step, n_before, n_stays_before, start, binning.step_seconds / unit)


def steps_since(column: TimeColumn, stay: Codes | None, binning: Binning) -> Codes:
    """The step of each time, counted from the first of its stay, or from 0 where `stay` is None.

    Numbers are taken to the nearest second: 0.0833 hours are five minutes.
    """
    elapsed = column.times if stay is None else column.times - _first(column.times, stay)[stay]
    if not column.are_instants:
        elapsed = _nearest_second(elapsed)
    return elapsed // (binning.step_seconds * MICRO)


def in_time_order(binned: Binned, index: Codes) -> Codes:
    """The rows at `index` so that those of a stay come in the order of time; equal times in the order of the table."""
    stay, time = binned.stay[index], binned.time[index]
    same = stay[1:] == stay[:-1]
    if (stay[1:] >= stay[:-1]).all() and (time[1:] >= time[:-1])[same].all():
        return index
    return index[np.argsort(time, kind="stable")]


def aggregate(values: Floats, cell: Codes, n_cells: int, how: Aggregate) -> Floats:
    """(n_cells,) one value for each cell from those at the same place of `cell`, in time order; NaN = none.

    Missing values (NaN) count for nothing. One value alone comes back unchanged.
    """
    observed = ~np.isnan(values)
    values, cell = values[observed], cell[observed]
    out = np.full(n_cells, np.nan, dtype=np.float32)
    if how == "last":
        out[cell] = values  # of several values for a cell, the last one stays
    elif how == "mean":
        counts = np.bincount(cell, minlength=n_cells)
        sums = np.bincount(cell, weights=values, minlength=n_cells)
        np.divide(sums, counts, out=out, where=counts > 0, casting="same_kind")
    else:
        lesser_or_greater = np.fmin if how == "min" else np.fmax
        lesser_or_greater.at(out, cell, values)
    return out


def _kept(frame: pd.DataFrame, schema: Schema, is_kept: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """The rows that are kept; what is static they have from those before, where they lack it: of the admission, say."""
    kept, stay = frame[is_kept], frame[schema.stay_id]
    for feature in schema.features:
        lacking = kept[feature.name].isna()
        if feature.static and lacking.any():
            known = frame[feature.name].groupby(stay, sort=False).transform("first")[is_kept]
            kept = kept.assign(**{feature.name: kept[feature.name].mask(lacking, known)})
    return kept


def _from_zero(column: TimeColumn, binning: Binning, schema: Schema) -> bool:
    if column.are_instants and binning.origin == "zero":
        message = f"time column '{schema.time}' holds time stamps, which have no time 0; leave binning.origin out"
        raise DataError(message, column=schema.time)
    return not column.are_instants and binning.origin != "first"


def _first(time: Codes, stay: Codes) -> Codes:
    first = np.full(int(stay.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, stay, time)
    return first


def _nearest_second(time: Codes) -> Codes:
    return (time + MICRO // 2) // MICRO * MICRO
