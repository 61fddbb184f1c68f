"""Arrow types of a table's columns: which ones we read and write, and the pandas form of each."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa


def plain_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type as which a column is kept: integers, floats and bool as they are, dictionaries as their values.

    Text of any width becomes `string`; decimals and columns without any value become `double`; all else (dates,
    times, binary, nested) is returned unchanged, for the caller to refuse.
    """
    if pa.types.is_dictionary(arrow_type):
        return plain_type(arrow_type.value_type)
    if pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type):
        return pa.string()
    if pa.types.is_decimal(arrow_type) or pa.types.is_null(arrow_type):
        return pa.float64()
    return arrow_type


def arrow_type(text: str) -> pa.DataType:
    """The type that `str` made `text` of: pyarrow's own `type_for_alias` knows no time zones."""
    zoned = re.fullmatch(r"timestamp\[(\w+), tz=(.+)\]", text)
    return pa.timestamp(zoned[1], tz=zoned[2]) if zoned else pa.type_for_alias(text)


def is_plain(arrow_type: pa.DataType) -> bool:
    """Whether a column of this type can be a feature or label: numbers, bool or text."""
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    return any(check(arrow_type) for check in checks)


def column_type(series: pd.Series) -> pa.DataType:
    """The plain Arrow type of a pandas column; `string` where numbers and text are mixed."""
    try:
        sample = series if series.dtype == object else series.iloc[:0]
        return plain_type(pa.array(sample, from_pandas=True).type)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """The table as a frame: numpy dtypes, but nullable ones where integers or booleans have missing values.

    pandas' own conversion would turn such integers into floats, and their type would be lost.
    """
    columns = {name: _series(table.column(i)) for i, name in enumerate(table.column_names)}
    return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows), copy=False)


def _series(column: pa.ChunkedArray) -> pd.Series:
    kept = plain_type(column.type)
    if kept != column.type:
        column = column.cast(kept)
    if column.null_count and (pa.types.is_integer(kept) or pa.types.is_boolean(kept)):
        dtype = "boolean" if pa.types.is_boolean(kept) else str(kept).replace("int", "Int").replace("uI", "UI")
        return pd.Series(column.to_pandas(types_mapper=lambda _: pd.api.types.pandas_dtype(dtype)))
    return pd.Series(column.to_pandas())
