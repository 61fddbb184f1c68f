from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.data.times import SYNTHETIC_START
from model.export.cohort import Cohort
from model.spec.binning import Binning
from model.spec.errors import ExportError
from tests.model.export.made_up import COLUMNS, SCHEMA, write


@pytest.mark.parametrize("group_rows", [1, 2, 4, 5, 100])
def test_chunks_hold_whole_stays_however_the_file_is_divided(tmp_path: Path, group_rows: int) -> None:
    with pq.ParquetFile(write(tmp_path / "c.parquet", group_rows=group_rows)) as file:
        chunks = list(Cohort(file).chunks(["hour", "ward"]))
    assert [n for chunk in chunks for n in chunk.stays] == [0, 1, 2]
    assert [n for chunk in chunks for n in chunk.lengths] == [3, 1, 2]
    assert [n for chunk in chunks for n in chunk.stay] == COLUMNS["stay"].to_pylist()
    rows = pa.concat_tables([chunk.rows for chunk in chunks])
    assert rows.to_pydict() == {name: COLUMNS[name].to_pylist() for name in ("stay", "hour", "ward")}


def test_what_is_no_cohort_or_has_no_schema_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real.parquet"
    pq.write_table(pa.table(COLUMNS), real)
    with pq.ParquetFile(real) as file, pytest.raises(ExportError, match="does not say that it holds a synthetic"):
        Cohort(file, schema=SCHEMA)
    with pq.ParquetFile(write(tmp_path / "old.parquet", schema=None)) as file:
        with pytest.raises(ExportError, match="without its schema"):
            Cohort(file)
        assert Cohort(file, schema=SCHEMA).schema == SCHEMA
        with pytest.raises(ExportError, match="no column 'minute'"):
            Cohort(file, schema=SCHEMA.model_copy(update={"time": "minute"}))


@pytest.mark.parametrize(
    ("column", "name", "binning", "seconds", "step"),
    [
        (pa.array([0, 1, 2, 0, 0, 1], pa.int8()), "hour", None, [0, 3600, 7200, 0, 0, 3600], 3600),
        (pa.array([0, 5, 10, 0, 0, 5], pa.int16()), "minute", None, [0, 300, 600, 0, 0, 300], 300),
        (pa.array([0, 90, 180, 0, 0, 90]), "offset", Binning(step="90min", time_unit="min"), [0, 5400, 10800], 5400),
        (
            pa.array([SYNTHETIC_START + t for t in (0, 60, 120, 0, 0, 60)], pa.timestamp("s")).cast(
                pa.timestamp("us", "UTC")
            ),
            "at",
            Binning(step="1min"),
            [0, 60, 120],
            60,
        ),
        (pa.array([f"2000-01-01T0{h}:00:00" for h in (0, 1, 2, 0, 0, 1)]), "at", Binning(step="1h"), [0, 3600], 3600),
    ],
)
def test_times_of_every_kind_become_seconds(
    tmp_path: Path, column: pa.Array, name: str, binning: Binning | None, seconds: list[int], step: int
) -> None:
    schema = SCHEMA.model_copy(update={"time": name, "binning": binning})
    metadata = {"cdmt.synthetic": "true", "cdmt.schema": schema.model_dump_json()}
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({**COLUMNS, name: column}).replace_schema_metadata(metadata), path)
    with pq.ParquetFile(path) as file:
        cohort = Cohort(file)
        found = np.concatenate([cohort.seconds(chunk) for chunk in cohort.chunks([name])]) - SYNTHETIC_START
        assert found.tolist()[: len(seconds)] == seconds
        assert cohort.step_seconds() == step
