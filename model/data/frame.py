"""Stays written as a table again: the source's columns, in its order and of its types."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from model.data.arrow import arrow_type, to_pandas
from model.data.columns import BOOL_TEXT
from model.data.layout import TableLayout
from model.data.stays import Stays
from model.data.times import time_array
from model.spec.schema import Schema

SIGNIFICANT_DIGITS = 7  # of a 32-bit number; more would only print its rounding error


def arrow_schema(layout: TableLayout) -> pa.Schema:
    """The Arrow schema of the tables that `to_table` makes with this layout."""
    return pa.schema([(column.name, arrow_type(column.dtype)) for column in layout.columns])


def to_frame(stays: Stays, schema: Schema, layout: TableLayout, *, first_stay: int = 0) -> pd.DataFrame:
    """`to_table` as a pandas frame: nullable dtypes where integers or booleans have missing values."""
    return to_pandas(to_table(stays, schema, layout, first_stay=first_stay))


def to_table(stays: Stays, schema: Schema, layout: TableLayout, *, first_stay: int = 0) -> pa.Table:
    """One row per stay and step, none after the end of a stay; missing values are nulls.

    Stays are numbered from `first_stay`, the patient id, if any, is the same number. Numbers of an integer column
    are rounded and kept within the type's range; categories become values of the column's own type.
    """
    target = arrow_schema(layout)
    arrays = [_column(name, target.field(name).type, stays, schema, layout, first_stay) for name in target.names]
    table = pa.Table.from_arrays(arrays, schema=target)
    return table if stays.lengths is None else table.filter(pa.array(stays.inside.ravel()))


def as_written(stays: Stays, schema: Schema, layout: TableLayout) -> Stays:
    """The stays with the numbers that `to_table` writes: those that the columns' types can hold."""
    target, numerical = arrow_schema(layout), stays.numerical.copy()
    for j, feature in enumerate(schema.numerical):
        values = numerical[:, :, j]
        missing, written = np.isnan(values), _of_type(values, target.field(feature.name).type)
        numerical[:, :, j] = np.where(missing, values, written)
    return replace(stays, numerical=numerical)


def _column(
    name: str, dtype: pa.DataType, stays: Stays, schema: Schema, layout: TableLayout, first_stay: int
) -> pa.Array:
    n, length = len(stays), stays.sequence_length
    if name in (schema.stay_id, schema.patient_id):
        return pa.array(np.repeat(np.arange(first_stay, first_stay + n), length)).cast(dtype)
    if name == schema.time:
        return time_array(layout.times(length), dtype).take(pa.array(np.tile(np.arange(length), n)))
    for j, feature in enumerate(schema.numerical):
        if feature.name == name:
            return _numbers(stays.numerical[:, :, j].ravel(), dtype)
    for j, categorical in enumerate(schema.categorical):
        if categorical.name == name:
            return _categories(stays.categorical[:, :, j].ravel(), categorical.categories, dtype)
    k, label = next((k, label) for k, label in enumerate(schema.labels) if label.name == name)
    return _categories(np.repeat(stays.labels[:, k], length), label.categories, dtype)


def _numbers(values: npt.NDArray[np.float32], dtype: pa.DataType) -> pa.Array:
    return pa.array(_of_type(values, dtype), type=dtype, mask=np.isnan(values))


def _of_type(values: npt.NDArray[np.float32], dtype: pa.DataType) -> npt.NDArray[np.floating | np.integer]:
    """The numbers of a column: integers are rounded (0 for NaN), text of 64-bit numbers has 7 digits."""
    if pa.types.is_integer(dtype):
        return _integers(np.where(np.isnan(values), 0, values), dtype)
    if pa.types.is_float64(dtype):
        return _significant(values)
    narrow: npt.NDArray[np.floating] = values.astype(dtype.to_pandas_dtype())
    return narrow


def _integers(values: npt.NDArray[np.float32], dtype: pa.DataType) -> npt.NDArray[np.integer]:
    info = np.iinfo(dtype.to_pandas_dtype())
    # The largest 64-bit integers are no float64: clip to the nearest floats inside the range.
    low, high = np.float64(info.min), np.float64(info.max)
    high = high if int(high) <= info.max else np.nextafter(high, 0)
    result: npt.NDArray[np.integer] = np.clip(np.rint(values.astype(np.float64)), low, high).astype(info.dtype)
    return result


def _significant(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Rounded in base ten, so that 36.6 comes back as 36.6 and not as 36.599998474."""
    wide = values.astype(np.float64)
    size = np.abs(np.where(np.isfinite(wide) & (wide != 0), wide, 1))
    decimals = SIGNIFICANT_DIGITS - 1 - np.floor(np.log10(size))
    up, down = np.power(10.0, np.maximum(decimals, 0)), np.power(10.0, np.maximum(-decimals, 0))
    result: npt.NDArray[np.float64] = np.rint(wide * up / down) / up * down
    return result


def _categories(codes: npt.NDArray[np.int64], categories: tuple[str, ...], dtype: pa.DataType) -> pa.Array:
    values = pa.array([category_value(category, dtype) for category in categories], type=dtype)
    return values.take(pa.array(codes, mask=codes < 0))


def category_value(category: str, dtype: pa.DataType) -> bool | int | float | str:
    """The value that stands for `category` in a column of type `dtype`; ValueError if the type cannot hold it."""
    if pa.types.is_boolean(dtype):
        if category.lower() not in BOOL_TEXT:
            raise ValueError("not a boolean")
        return BOOL_TEXT[category.lower()]
    if pa.types.is_floating(dtype):
        return float(category)
    if pa.types.is_integer(dtype):
        return _integer(category, np.iinfo(dtype.to_pandas_dtype()))
    return category


def _integer(category: str, info: np.iinfo[np.integer]) -> int:
    number = float(category)
    if not number.is_integer() or not info.min <= number <= info.max:
        raise ValueError("not an integer of this type")
    try:
        return int(category)
    except ValueError:
        return int(number)
