from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from model.data.arrange import arrange
from model.data.frame import arrow_schema, as_written, category_value, to_frame, to_table
from model.data.layout import Column, TableLayout
from model.data.rules import breaks_rules
from model.data.stays import Stays
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

NAN = float("nan")


def write(dtypes: dict[str, str], *, categories: tuple[str, ...] = ("0", "1"), first_stay: int = 0) -> pa.Table:
    """Two stays of two steps: x = 1.25, missing | 36.6, -7.5; c = 0, missing | 1, 1; y = 0 | 1."""
    schema = Schema(
        stay_id="id",
        time="t",
        sequence_length=2,
        patient_id="patient" if "patient" in dtypes else None,
        features=(NumericalFeature(name="x"), CategoricalFeature(name="c", categories=categories)),
        labels=(Label(name="y", categories=categories),),
    )
    stays = Stays(
        numerical=np.array([[[1.25], [NAN]], [[36.6], [-7.5]]], dtype=np.float32),
        categorical=np.array([[[0], [-1]], [[1], [1]]]),
        labels=np.array([[0], [1]]),
    )
    columns = tuple(Column(name=name, dtype=dtype) for name, dtype in dtypes.items())
    layout = TableLayout(columns=columns, time_start=10, time_step=5)
    table = to_table(stays, schema, layout, first_stay=first_stay)
    assert table.schema == arrow_schema(layout)
    return table


def test_columns_come_in_the_order_and_types_of_the_layout() -> None:
    table = write({"y": "int8", "x": "float", "t": "int16", "id": "int32", "c": "string"})
    assert table.column_names == ["y", "x", "t", "id", "c"]
    assert [str(field.type) for field in table.schema] == ["int8", "float", "int16", "int32", "string"]
    assert table["t"].to_pylist() == [10, 15, 10, 15]
    assert table["y"].to_pylist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("dtype", "ids"), [("int32", [5, 5, 6, 6]), ("string", ["5", "5", "6", "6"]), ("double", [5.0, 5.0, 6.0, 6.0])]
)
def test_stays_are_numbered_from_the_first_one(dtype: str, ids: list[Any]) -> None:
    table = write({"id": dtype, "patient": dtype}, first_stay=5)
    assert table["id"].to_pylist() == table["patient"].to_pylist() == ids


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("double", [1.25, None, 36.6, -7.5]),  # 36.6 as the source wrote it, not 36.599998
        ("int16", [1, None, 37, -8]),
        ("uint8", [1, None, 37, 0]),  # rounded, and kept within the type's range
        ("int64", [1, None, 37, -8]),
    ],
)
def test_numbers_are_written_in_the_columns_type(dtype: str, values: list[float | None]) -> None:
    assert write({"x": dtype})["x"].to_pylist() == values


def test_largest_integers_do_not_overflow() -> None:
    schema = Schema(stay_id="id", time="t", sequence_length=1, features=(NumericalFeature(name="x"),))
    stays = Stays(np.full((1, 1, 1), 3e38, np.float32), np.empty((1, 1, 0), np.int64), np.empty((1, 0), np.int64))
    layout = TableLayout(columns=(Column(name="x", dtype="int64"),), time_start=0, time_step=1)
    assert 2**62 < to_table(stays, schema, layout)["x"][0].as_py() < 2**63


@pytest.mark.parametrize(
    ("dtype", "categories", "values"),
    [
        ("int8", ("0", "1"), [0, None, 1, 1]),
        ("double", ("0", "1.5"), [0.0, None, 1.5, 1.5]),
        ("bool", ("false", "true"), [False, None, True, True]),
        ("bool", ("0", "1"), [False, None, True, True]),
        ("string", ("nein", "já"), ["nein", None, "já", "já"]),
    ],
)
def test_categories_have_the_columns_own_type(dtype: str, categories: tuple[str, ...], values: list[object]) -> None:
    assert write({"c": dtype}, categories=categories)["c"].to_pylist() == values


@pytest.mark.parametrize(
    ("category", "dtype"),
    [
        ("x", pa.int8()),
        ("1.5", pa.int8()),
        ("300", pa.int8()),
        ("yes", pa.bool_()),
        ("x", pa.float32()),
        ("nan", pa.int64()),
        ("inf", pa.int64()),
    ],
)
def test_category_that_the_type_cannot_hold_is_an_error(category: str, dtype: pa.DataType) -> None:
    with pytest.raises(ValueError, match=r"float|integer|boolean"):
        category_value(category, dtype)


def test_frame_keeps_integers_with_missing_values_as_integers() -> None:
    schema = Schema(
        stay_id="id", time="t", sequence_length=1, features=(CategoricalFeature(name="c", categories=("0", "1")),)
    )
    stays = Stays(np.empty((2, 1, 0), np.float32), np.array([[[1]], [[-1]]]), np.empty((2, 0), np.int64))
    columns = (Column(name="id", dtype="int32"), Column(name="c", dtype="uint8"))
    frame = to_frame(stays, schema, TableLayout(columns=columns, time_start=0, time_step=1))
    assert frame.dtypes.astype(str).tolist() == ["int32", "UInt8"]
    assert frame["c"].tolist() == [1, pd.NA]


def test_stays_as_written_have_the_tables_numbers() -> None:
    """79.6 goes into an integer column as 80, and so breaks `dbp <= map` with a mean of 79.7 beside it."""
    features = (NumericalFeature(name="dbp"), NumericalFeature(name="map"))
    schema = Schema(stay_id="stay", time="hour", sequence_length=1, features=features, rules=("dbp <= map",))
    dtypes = {"stay": "int64", "hour": "int64", "dbp": "int16", "map": "double"}
    columns = tuple(Column(name=name, dtype=dtype) for name, dtype in dtypes.items())
    layout = TableLayout(columns=columns, time_start=0, time_step=1)
    numerical = np.array([[[79.6, 79.7]], [[79.4, np.nan]]], dtype=np.float32)
    stays = Stays(numerical, np.zeros((2, 1, 0), dtype=np.int64), np.zeros((2, 0), dtype=np.int64))
    written = as_written(stays, schema, layout)
    assert not breaks_rules(stays, schema).any()
    assert breaks_rules(written, schema).tolist() == [True, False]
    table = to_table(written, schema, layout)
    assert table.equals(to_table(stays, schema, layout))
    assert table["dbp"].to_pylist() == written.numerical[:, 0, 0].tolist() == [80, 79]


def test_a_rule_is_checked_on_the_very_numbers_of_a_narrow_column() -> None:
    """The next 32-bit number after 80.000015 is larger, with the same 7 digits, in 16 bits it is the same."""
    less = np.float32(80.000015)
    features = (NumericalFeature(name="dbp"), NumericalFeature(name="map"))
    schema = Schema(stay_id="stay", time="hour", sequence_length=1, features=features, rules=("dbp <= map",))
    numerical = np.array([[[np.nextafter(less, np.float32(81)), less]]], dtype=np.float32)
    stays = Stays(numerical, np.zeros((1, 1, 0), dtype=np.int64), np.zeros((1, 0), dtype=np.int64))
    for dtype, breaks in (("float", True), ("halffloat", False), ("double", False)):
        columns = [Column(name=name, dtype="int64") for name in ("stay", "hour")]
        columns += [Column(name=name, dtype=dtype) for name in ("dbp", "map")]
        layout = TableLayout(columns=tuple(columns), time_start=0, time_step=1)
        table = to_table(stays, schema, layout).to_pydict()
        assert (table["dbp"][0] > table["map"][0]) == breaks
        assert breaks_rules(as_written(stays, schema, layout), schema).tolist() == [breaks]


def test_there_are_no_rows_after_the_end_of_a_stay() -> None:
    frame = pd.DataFrame({"stay": [1, 1, 1, 2], "hour": [2, 4, 6, 2], "x": [1.0, None, 3.0, 4.0]})
    schema = Schema(
        stay_id="stay", time="hour", sequence_length=5, variable_length=True, features=(NumericalFeature(name="x"),)
    )
    arranged = arrange(frame, schema)
    written = to_frame(arranged.stays, schema, arranged.layout, first_stay=1)
    pd.testing.assert_frame_equal(written, frame)
    assert as_written(arranged.stays, schema, arranged.layout).n_steps.tolist() == [3, 1]
