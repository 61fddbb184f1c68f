"""A table in long form becomes aligned arrays, a place for each stay and step; or an error says why it cannot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.data.binning import aggregate
from model.data.columns import category_codes, keys, numbers, rows
from model.data.grid import Grid, place_rows
from model.data.layout import TableLayout, TableSummary
from model.data.output_types import layout_of
from model.data.stays import MISSING_CATEGORY, Stays
from model.spec.binning import Aggregate
from model.spec.errors import DataError
from model.spec.schema import Feature, Label, NumericalFeature, Schema

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
    frame, grid = place_rows(frame, schema)
    numerical, clipped = _numerical(frame, schema, grid)
    labels = [_label(frame, label, grid, one_class=one_class) for label in schema.labels]
    stays = Stays(
        numerical=numerical,
        categorical=_categorical(frame, schema, grid),
        labels=np.stack(labels, axis=1) if labels else np.empty((grid.n_stays, 0), dtype=np.int64),
        patients=_patients(frame, schema, grid),
        lengths=np.minimum(grid.last + 1, grid.length) if schema.variable_length else None,
    ).ended()
    layout = layout_of(frame, schema, time_start=grid.time_start, time_step=grid.time_step)
    return ArrangedTable(stays, layout, _summary(stays, schema, grid, clipped))


def _check_columns(frame: pd.DataFrame, schema: Schema) -> None:
    for name in schema.columns:
        if name not in frame.columns:
            raise DataError(f"column '{name}' is missing", column=name)
        if not isinstance(frame[name], pd.Series):
            raise DataError(f"column '{name}' is there more than once", column=name)
    if len(frame) == 0:
        raise DataError("the table has no rows")


def _numerical(frame: pd.DataFrame, schema: Schema, grid: Grid) -> tuple[npt.NDArray[np.float32], dict[str, int]]:
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


def _categorical(frame: pd.DataFrame, schema: Schema, grid: Grid) -> Codes:
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


def _throughout(values: Values, known: Bools, missing: float, grid: Grid, feature: Feature) -> Values:
    """A static feature's values, one per row, put into all cells of their stays."""
    per_stay = np.full(grid.n_stays, missing, dtype=values.dtype)
    given, stay = values[known], grid.stay[known]
    per_stay[stay] = given
    _check_constant(per_stay[stay] != given, stay, f"static feature '{feature.name}'", feature.name)
    return np.repeat(per_stay, grid.length)


def _label(frame: pd.DataFrame, label: Label, grid: Grid, *, one_class: bool) -> Codes:
    codes = category_codes(frame[label.name], label.categories, f"label '{label.name}'")
    missing = int((codes == MISSING_CATEGORY).sum())
    if missing:
        raise DataError(f"label '{label.name}': missing in {rows(missing)}", column=label.name)
    per_stay = _per_stay(codes, grid, f"label '{label.name}'", label.name)
    if not one_class and len(np.unique(per_stay)) == 1:
        raise DataError(f"label '{label.name}': only one class present", column=label.name)
    return per_stay


def _patients(frame: pd.DataFrame, schema: Schema, grid: Grid) -> Codes | None:
    if schema.patient_id is None:
        return None
    codes = keys(frame[schema.patient_id], "patient id column")
    return _per_stay(codes, grid, f"patient id column '{schema.patient_id}'", schema.patient_id)


def _per_stay(codes: Codes, grid: Grid, what: str, column: str) -> Codes:
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


def _summary(stays: Stays, schema: Schema, grid: Grid, clipped: dict[str, int]) -> TableSummary:
    last, inside = grid.last, stays.inside
    numerical = np.isnan(stays.numerical[inside]).mean(axis=0)
    categorical = (stays.categorical[inside] == MISSING_CATEGORY).mean(axis=0)
    rates = {feature.name: float(rate) for feature, rate in zip(schema.numerical, numerical, strict=True)}
    rates |= {feature.name: float(rate) for feature, rate in zip(schema.categorical, categorical, strict=True)}
    return TableSummary(
        n_stays=grid.n_stays,
        n_rows=len(grid.stay) + grid.n_before,
        n_short_stays=int((last < grid.length - 1).sum()),
        n_cut_stays=int((last >= grid.length).sum()),
        n_stays_before=grid.n_stays_before,
        n_rows_before=grid.n_before,
        n_rows_beyond=len(grid.stay) - len(grid.cell),
        n_rows_merged=len(grid.cell) - int(np.count_nonzero(np.bincount(grid.cell))),
        clipped=clipped,
        missing_rate={feature.name: rates[feature.name] for feature in schema.features},
        label_counts={label.name: _counts(label, stays.labels[:, k]) for k, label in enumerate(schema.labels)},
    )


def _counts(label: Label, codes: Codes) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(label.categories))
    return dict(zip(label.categories, counts.tolist(), strict=True))
