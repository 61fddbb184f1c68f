"""The columns of a synthetic table: those of its source, in types that hold what comes in the place of its values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from model.data.arrow import column_type, is_plain
from model.data.frame import category_value
from model.data.layout import Column, TableLayout
from model.data.times import time_type
from model.spec.errors import DataError
from model.spec.schema import Schema


def layout_of(frame: pd.DataFrame, schema: Schema, *, time_start: int, time_step: float) -> TableLayout:
    """The schema's columns as `frame` has them; DataError where one's type cannot hold what the schema wants in it."""
    times = time_start + time_step * np.arange(schema.sequence_length, dtype=np.float64)
    wanted = set(schema.columns)
    names = [str(name) for name in frame.columns if name in wanted]
    columns = tuple(Column(name=name, dtype=str(_output_type(frame[name], schema, times))) for name in names)
    return TableLayout(columns=columns, time_start=time_start, time_step=time_step)


def _output_type(series: pd.Series, schema: Schema, times: npt.NDArray[np.float64]) -> pa.DataType:
    """The column's own type, or the next one that can hold what a synthetic table has in its place."""
    name, own = str(series.name), column_type(series)
    if name == schema.time:
        return time_type(own, times)
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
