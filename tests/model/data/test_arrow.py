import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from model.data.arrow import column_type, is_plain, plain_type, to_pandas


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [
        (pa.int8(), pa.int8()),
        (pa.float32(), pa.float32()),
        (pa.large_string(), pa.string()),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.decimal128(5, 2), pa.float64()),
        (pa.null(), pa.float64()),
        (pa.timestamp("s"), pa.timestamp("s")),
    ],
)
def test_plain_type(given_type: pa.DataType, kept: pa.DataType) -> None:
    assert plain_type(given_type) == kept


@pytest.mark.parametrize(
    ("arrow_type", "expected"),
    [(pa.uint8(), True), (pa.bool_(), True), (pa.string(), True), (pa.date32(), False), (pa.binary(), False)],
)
def test_is_plain(arrow_type: pa.DataType, expected: bool) -> None:
    assert is_plain(arrow_type) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([1, 2], dtype="int16"), pa.int16()),
        (pd.Series([1, None], dtype="Int16"), pa.int16()),
        (pd.Series([True, None], dtype="boolean"), pa.bool_()),
        (pd.Series(["a", None]), pa.string()),
        (pd.Series(["a", None], dtype="category"), pa.string()),
        (pd.Series([1, "a", None], dtype=object), pa.string()),
        (pd.Series([None, None], dtype=object), pa.float64()),
        (pd.Series([None, True], dtype=object), pa.bool_()),
        (pd.Series(np.zeros(2, dtype=np.float32)), pa.float32()),
    ],
)
def test_column_type(values: pd.Series, expected: pa.DataType) -> None:
    assert column_type(values) == expected


def test_to_pandas_of_an_empty_table_has_its_columns() -> None:
    frame = to_pandas(pa.table({"a": pa.array([], pa.int8()), "b": pa.array([], pa.string())}))
    assert frame.shape == (0, 2)
    assert str(frame["a"].dtype) == "int8"
