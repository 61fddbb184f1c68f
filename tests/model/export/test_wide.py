from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.export.cohort import Cohort
from model.export.wide import MAX_COLUMNS, wide_schema
from model.spec.errors import ExportError
from model.spec.schema import NumericalFeature, Schema
from tests.model.export.conftest import exported
from tests.model.export.made_up import COLUMNS, LARGE, SCHEMA, VITALS, write, write_large

HEADER = (
    ["stay", "age", "sex", "in_hospital_death", "ward", "stay_length"]
    + [f"{name}_{step:02d}" for name in ("heart_rate", "temp", "crp", "ventilated") for step in range(3)]
)  # fmt: skip


def test_a_stay_is_a_row_and_what_is_constant_is_there_once(cohort: Cohort, tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    path.write_bytes(exported(cohort, "wide-parquet"))
    wide = relation(f"FROM '{path}'").fetchall()
    temp = np.array([36.6, 37.1, 38.25], np.float32).tolist()
    invasive = 'yes, "invasive"'
    assert relation(f"FROM '{path}'").columns == HEADER
    none = (None,) * 3
    assert wide == [
        (0, 64.5, "F", 0, "surgical", 3, 80, None, 82, temp[0], temp[1], None, *none, "no", invasive, None),
        (1, None, "M", 1, "medical", 1, 120, None, None, *none, *none, "no", None, None),
        (2, 80.0, None, 1, "medical", 2, 66, 67, None, temp[2], None, None, 0.125, None, None, *none),
    ]
    written = pq.read_schema(path)
    assert written.field("heart_rate_00").type == pa.int16()
    assert written.metadata[b"cdmt.synthetic"] == b"true"
    assert written.metadata[b"cdmt.layout"] == b"wide"


def test_a_wide_csv_has_the_same_values(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_bytes(exported(cohort, "wide-csv"))
    (tmp_path / "wide.parquet").write_bytes(exported(cohort, "wide-parquet"))
    names = ", ".join(f"{name}::VARCHAR" for name in HEADER)
    csv = relation(f"SELECT {names} FROM read_csv('{tmp_path}/wide.csv', all_varchar=true)").fetchall()
    numbers = relation(f"SELECT {names} FROM '{tmp_path}/wide.parquet'").fetchall()
    assert [[float(v) if v and v[0].isdigit() else v for v in row] for row in csv] == [
        [float(v) if v and v[0].isdigit() else v for v in row] for row in numbers
    ]


def test_a_large_cohort_is_that_of_the_long_form(tmp_path: Path) -> None:
    long, wide = write_large(tmp_path / "long.parquet", 900, group_stays=400), tmp_path / "wide.parquet"
    with pq.ParquetFile(long) as file:
        wide.write_bytes(exported(Cohort(file), "wide-parquet"))
    unpivoted = (
        f"SELECT stay, name, value FROM (UNPIVOT '{wide}' ON COLUMNS('_[0-9][0-9]$') INTO NAME name VALUE value)"
    )
    columns = ", ".join(VITALS)
    melted = f"""SELECT stay, name || '_' || lpad(hour::VARCHAR, 2, '0'), value
        FROM (UNPIVOT (SELECT stay, hour, {columns} FROM '{long}') ON {columns} INTO NAME name VALUE value)"""
    assert relation(f"SELECT count(*) FROM ({unpivoted})").fetchall() == [(len(VITALS) * 900 * 24 - gaps(long),)]
    assert relation(f"({unpivoted} EXCEPT {melted}) UNION ALL ({melted} EXCEPT {unpivoted})").fetchall() == []
    counts = relation(f"SELECT death, count(*) FROM '{wide}' GROUP BY death ORDER BY death").fetchall()
    assert counts == [(0, 450), (1, 450)]


def relation(query: str) -> duckdb.DuckDBPyRelation:
    found = duckdb.connect().sql(query)
    assert found is not None
    return found


def gaps(path: Path) -> int:
    table = pq.read_table(path, columns=list(VITALS))
    return sum(column.null_count for column in table.columns)


def test_as_many_digits_as_the_last_step_has(tmp_path: Path) -> None:
    assert wide_of(LARGE.model_copy(update={"sequence_length": 101}), tmp_path).names[2:4] == [
        "temperature_000",
        "temperature_001",
    ]


def test_absurdly_many_columns_are_refused(tmp_path: Path) -> None:
    largest = (MAX_COLUMNS - 2) // len(VITALS)
    assert len(wide_of(LARGE.model_copy(update={"sequence_length": largest}), tmp_path)) <= MAX_COLUMNS
    with pytest.raises(ExportError, match="7 features at 1429 steps would be 10,005 columns"):
        wide_of(LARGE.model_copy(update={"sequence_length": 1429}), tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    first, *others = LARGE.features
    named = (first, others[0].model_copy(update={"name": "temperature_03", "static": True}))
    with pytest.raises(ExportError, match="two columns 'temperature_03'"):
        wide_of(LARGE.model_copy(update={"features": named}), tmp_path)


def wide_of(schema: Schema, folder: Path) -> pa.Schema:
    """The wide columns of an empty cohort."""
    metadata = {"cdmt.synthetic": "true", "cdmt.schema": schema.model_dump_json()}
    fields = pa.schema([(name, pa.float32()) for name in schema.columns], metadata=metadata)
    pq.write_table(fields.empty_table(), folder / "empty.parquet")
    with pq.ParquetFile(folder / "empty.parquet") as file:
        return wide_schema(Cohort(file))


def test_an_imputed_cohort_may_be_wide(tmp_path: Path) -> None:
    assert SCHEMA.numerical[0] == NumericalFeature(name="age", unit="years", static=True)
    with pq.ParquetFile(write(tmp_path / "c.parquet", missing="imputed")) as file:
        assert exported(Cohort(file), "wide-csv").count(b"\n") == 1 + len(set(COLUMNS["stay"].to_pylist()))
