"""A table in long form becomes aligned arrays, a place for each stay and step; or an error says why it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from model.data.arrow import column_type, is_plain
from model.data.binning import aggregate, bin_rows, in_time_order
from model.data.columns import ADVICE, category_codes, clock, keys, numbers, rows
from model.data.frame import category_value
from model.data.layout import Column, TableLayout, TableSummary
from model.data.stays import MISSING_CATEGORY, Stays
from model.data.times import time_type
from model.spec.binning import Aggregate, Binning
from model.spec.errors import DataError
from model.spec.schema import Feature, Label, NumericalFeature, Schema

MAX_CELLS = 2**30  # 4 to 8 GiB of arrays: beyond it a table is refused instead of exhausting the memory
SPARSE = 0.2  # share of cells that hold a row, under which a grid does not fit its table

__all__ = ["ArrangedTable", "TableSummary", "arrange"]

Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class ArrangedTable:
    """The stays of a table, the layout to write such a table again, and what was done to it."""

    stays: Stays
    layout: TableLayout
    summary: TableSummary


class _Grid(NamedTuple):
    """Where each row belongs: (stay, step) per row, and `cell`, the flat index of the rows inside the grid.

    With a binning, several rows may be in a cell, then in the order of time; `n_before` rows are not in the table any
    more.
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


def arrange(frame: pd.DataFrame, schema: Schema, *, one_class: bool = False) -> ArrangedTable:
    """Stays in the sorted order of their ids, whatever the order of the rows.

    Step `k` is at `time_start + k * time_step`: the smallest time of the table, and the greatest common divisor of
    its differences; or where the schema's binning puts it, and the rows of a step become one, after clipping. Absent
    steps and NaN are missing values, but a static feature has its stay's value at every step; steps from
    `sequence_length` on are cut, values outside a feature's bounds are clipped. With `variable_length` a stay ends
    with its last row. Extra columns are ignored. Raises DataError for anything else that does not match the schema;
    also for a label of which only one class is present, unless `one_class` allows it (there is nothing to learn from
    it, but a synthetic cohort may be like that).
    """
    _check_columns(frame, schema)
    if schema.binning is None:
        grid = _grid(frame, schema)
    else:
        frame, grid = _binned(frame, schema, schema.binning)
    numerical, clipped = _numerical(frame, schema, grid)
    labels = [_label(frame, label, grid, one_class=one_class) for label in schema.labels]
    stays = Stays(
        numerical=numerical,
        categorical=_categorical(frame, schema, grid),
        labels=np.stack(labels, axis=1) if labels else np.empty((grid.n_stays, 0), dtype=np.int64),
        patients=_patients(frame, schema, grid),
        lengths=np.minimum(_last(grid) + 1, grid.length) if schema.variable_length else None,
    ).ended()
    return ArrangedTable(stays, _layout(frame, schema, grid), _summary(stays, schema, grid, clipped))


def _check_columns(frame: pd.DataFrame, schema: Schema) -> None:
    for name in schema.columns:
        if name not in frame.columns:
            raise DataError(f"column '{name}' is missing", column=name)
        if not isinstance(frame[name], pd.Series):
            raise DataError(f"column '{name}' is there more than once", column=name)
    if len(frame) == 0:
        raise DataError("the table has no rows")


def _grid(frame: pd.DataFrame, schema: Schema) -> _Grid:
    stay = keys(frame[schema.stay_id], "stay id column")
    steps, time_start, time_step = clock(frame[schema.time])
    n_stays, length = int(stay.max()) + 1, schema.sequence_length
    _check_unique(stay, steps, schema)
    _check_size(n_stays, schema)
    inside = steps < length
    _check_fit(int(inside.sum()), len(np.unique(stay[~inside])), n_stays, schema)
    cell = (stay * length + steps)[inside]
    return _Grid(stay, steps, n_stays, length, inside, cell, time_start, time_step)


def _binned(frame: pd.DataFrame, schema: Schema, binning: Binning) -> tuple[pd.DataFrame, _Grid]:
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
    grid = _Grid(stay, step, n_stays, length, inside, cell, binned.time_start, binned.time_step, binned.n_before)
    return binned.frame, grid


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


def _numerical(frame: pd.DataFrame, schema: Schema, grid: _Grid) -> tuple[npt.NDArray[np.float32], dict[str, int]]:
    out = np.empty((grid.n_stays * grid.length, len(schema.numerical)), dtype=np.float32)
    clipped = {}
    for j, feature in enumerate(schema.numerical):
        values = numbers(frame[feature.name], f"feature '{feature.name}'").astype(np.float32)
        values, clipped[feature.name] = _clip(values, feature)
        if feature.static:
            out[:, j] = _throughout(values, ~np.isnan(values), np.nan, grid, feature)
        else:
            out[:, j] = aggregate(values[grid.inside], grid.cell, len(out), _how(feature, schema))
    return out.reshape(grid.n_stays, grid.length, -1), clipped


def _how(feature: NumericalFeature, schema: Schema) -> Aggregate:
    return "last" if schema.binning is None else feature.aggregate or schema.binning.aggregate


def _clip(values: npt.NDArray[np.float32], feature: NumericalFeature) -> tuple[npt.NDArray[np.float32], int]:
    low = np.float32(-np.inf if feature.min is None else feature.min)
    high = np.float32(np.inf if feature.max is None else feature.max)
    outside = (values < low) | (values > high)
    return np.clip(values, low, high), int(outside.sum())


def _categorical(frame: pd.DataFrame, schema: Schema, grid: _Grid) -> Codes:
    out = np.full((grid.n_stays * grid.length, len(schema.categorical)), MISSING_CATEGORY, dtype=np.int64)
    for j, feature in enumerate(schema.categorical):
        codes = category_codes(frame[feature.name], feature.categories, f"feature '{feature.name}'")
        observed = codes != MISSING_CATEGORY
        if feature.static:
            out[:, j] = _throughout(codes, observed, MISSING_CATEGORY, grid, feature)
        else:
            codes, observed = codes[grid.inside], observed[grid.inside]
            out[grid.cell[observed], j] = codes[observed]  # the last one stays
    return out.reshape(grid.n_stays, grid.length, -1)


def _throughout(values: Values, known: Bools, missing: float, grid: _Grid, feature: Feature) -> Values:
    """A static feature's values, one per row, put into all cells of their stays."""
    per_stay = np.full(grid.n_stays, missing, dtype=values.dtype)
    given, stay = values[known], grid.stay[known]
    per_stay[stay] = given
    _check_constant(per_stay[stay] != given, stay, f"static feature '{feature.name}'", feature.name)
    return np.repeat(per_stay, grid.length)


def _label(frame: pd.DataFrame, label: Label, grid: _Grid, *, one_class: bool) -> Codes:
    codes = category_codes(frame[label.name], label.categories, f"label '{label.name}'")
    missing = int((codes == MISSING_CATEGORY).sum())
    if missing:
        raise DataError(f"label '{label.name}': missing in {rows(missing)}", column=label.name)
    per_stay = _per_stay(codes, grid, f"label '{label.name}'", label.name)
    if not one_class and len(np.unique(per_stay)) == 1:
        raise DataError(f"label '{label.name}': only one class present", column=label.name)
    return per_stay


def _patients(frame: pd.DataFrame, schema: Schema, grid: _Grid) -> Codes | None:
    if schema.patient_id is None:
        return None
    codes = keys(frame[schema.patient_id], "patient id column")
    return _per_stay(codes, grid, f"patient id column '{schema.patient_id}'", schema.patient_id)


def _per_stay(codes: Codes, grid: _Grid, what: str, column: str) -> Codes:
    """The one value that each stay has in all its rows."""
    per_stay = np.empty(grid.n_stays, dtype=np.int64)
    per_stay[grid.stay] = codes
    _check_constant(per_stay[grid.stay] != codes, grid.stay, what, column)
    return per_stay


def _check_constant(differs: Bools, stay: Codes, what: str, column: str) -> None:
    """Refuse rows that differ from the value of their stay."""
    changing = len(np.unique(stay[differs]))
    if changing:
        stays = "1 stay" if changing == 1 else f"{changing} stays"
        raise DataError(f"{what}: changes within {stays}; it must be constant", column=column)


def _layout(frame: pd.DataFrame, schema: Schema, grid: _Grid) -> TableLayout:
    wanted = set(schema.columns)
    names = [str(name) for name in frame.columns if name in wanted]
    columns = tuple(Column(name=name, dtype=str(_output_type(frame[name], schema, grid))) for name in names)
    return TableLayout(columns=columns, time_start=grid.time_start, time_step=grid.time_step)


def _output_type(series: pd.Series, schema: Schema, grid: _Grid) -> pa.DataType:
    """The column's own type, or the next one that can hold what a synthetic table has in its place."""
    name, own = str(series.name), column_type(series)
    if name == schema.time:
        return time_type(own, grid.time_start + grid.time_step * np.arange(grid.length, dtype=np.float64))
    if name in (schema.stay_id, schema.patient_id):
        return _wide_enough(own if is_plain(own) and own != pa.bool_() else pa.string(), 2**31 - 1)
    if any(name == feature.name for feature in schema.numerical):
        return own if pa.types.is_integer(own) or pa.types.is_floating(own) else pa.float64()
    _check_categories(name, own, schema)
    return own


def _wide_enough(own: pa.DataType, largest: int) -> pa.DataType:
    if pa.types.is_float16(own):
        return pa.float64()
    if not pa.types.is_integer(own):
        return own
    bits = own.bit_width - (0 if pa.types.is_unsigned_integer(own) else 1)
    if largest < 2**bits:
        return own
    return pa.int32() if largest < 2**31 else pa.int64()


def _check_categories(name: str, own: pa.DataType, schema: Schema) -> None:
    if not is_plain(own):
        raise DataError(f"column '{name}': expected categories, found {own}", column=name)
    categories = {feature.name: feature.categories for feature in schema.categorical}
    categories |= {label.name: label.categories for label in schema.labels}
    for category in categories[name]:
        try:
            category_value(category, own)
        except ValueError:
            message = f"column '{name}' is of type {own} and cannot hold the category '{category}'"
            raise DataError(message, column=name) from None


def _summary(stays: Stays, schema: Schema, grid: _Grid, clipped: dict[str, int]) -> TableSummary:
    last, inside = _last(grid), stays.inside
    numerical = np.isnan(stays.numerical[inside]).mean(axis=0)
    categorical = (stays.categorical[inside] == MISSING_CATEGORY).mean(axis=0)
    rates = {feature.name: float(rate) for feature, rate in zip(schema.numerical, numerical, strict=True)}
    rates |= {feature.name: float(rate) for feature, rate in zip(schema.categorical, categorical, strict=True)}
    return TableSummary(
        n_stays=grid.n_stays,
        n_rows=len(grid.stay) + grid.n_before,
        n_short_stays=int((last < grid.length - 1).sum()),
        n_cut_stays=int((last >= grid.length).sum()),
        n_rows_before=grid.n_before,
        n_rows_beyond=len(grid.stay) - len(grid.cell),
        n_rows_merged=len(grid.cell) - int(np.count_nonzero(np.bincount(grid.cell))),
        clipped=clipped,
        missing_rate={feature.name: rates[feature.name] for feature in schema.features},
        label_counts={label.name: _counts(label, stays.labels[:, k]) for k, label in enumerate(schema.labels)},
    )


def _last(grid: _Grid) -> Codes:
    """(n,) the last step of each stay, also beyond the grid."""
    last = np.zeros(grid.n_stays, dtype=np.int64)
    np.maximum.at(last, grid.stay, grid.step)
    return last


def _counts(label: Label, codes: Codes) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(label.categories))
    return dict(zip(label.categories, counts.tolist(), strict=True))
