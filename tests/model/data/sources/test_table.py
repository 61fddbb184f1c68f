from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from model.data.sources import table
from model.data.sources.duck import open_duck
from model.data.sources.options import Grid, ImportOptions, Resources
from model.data.sources.table import bin_readings, write_table
from model.data.sources.vitals_table import SIGNALS
from model.spec.errors import DataError
from tests.model.data.sources.raw import silent

SMALL = Resources(memory=256, threads=1)
OPTIONS = ImportOptions(grid=Grid(n_steps=25))
READINGS = "SELECT i AS stay_id, step, 60 + i AS heartrate, 15 AS respiration, 97 AS sao2, 70 + step AS systemicmean"


def written(folder: Path, *, n_stays: int, options: ImportOptions = OPTIONS) -> Path:
    """The table of made-up stays 0, 10, 20, ..., of which every third ended in death, in two steps with readings."""
    out = folder / "table.parquet"
    signals = SIGNALS["eicu"]
    with open_duck(SMALL, beside=folder, progress=silent) as duck:
        duck.run(f"""
            CREATE TEMP TABLE cohort AS SELECT 10 * (i * 7 % {n_stays}) AS stay_id, 'p' || i AS patient_id,
            CAST(i % 3 = 0 AS INTEGER) AS died, CAST(NULL AS VARCHAR) AS reason FROM range({n_stays}) t(i)
        """)
        readings = f"{READINGS} FROM (SELECT 10 * i AS i FROM range({n_stays}) t(i)), (SELECT unnest([0, 20]) AS step)"
        bin_readings(duck, readings, signals, lambda signal: signal.key, reads="made up", options=options)
        write_table(duck, out, signals, patients=True, options=options, progress=silent)
    assert [path.name for path in folder.iterdir()] == [out.name]
    return out


def test_a_table_that_is_written_in_slices_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pd.read_parquet(written(tmp_path, n_stays=5))
    monkeypatch.setattr(table, "SLICE_ROWS", 60)
    path = written(tmp_path, n_stays=5)
    pd.testing.assert_frame_equal(pd.read_parquet(path), whole)
    assert pq.ParquetFile(path).metadata.num_row_groups == 3
    assert whole.stay_id.tolist() == [stay for stay in (0, 10, 20, 30, 40) for _ in range(25)]
    assert whole.loc[whole.hour == 20, "heart_rate"].tolist() == [60, 70, 80, 90, 100]
    assert whole.heart_rate.count() == 10


def test_numbers_are_as_narrow_as_they_may_be(tmp_path: Path) -> None:
    types = {field.name: str(field.type) for field in pq.read_schema(written(tmp_path, n_stays=2))}
    assert types == {
        "stay_id": "int64",
        "patient_id": "string",
        "hour": "int32",
        **dict.fromkeys(("heart_rate", "respiratory_rate", "spo2", "map"), "float"),
        "in_hospital_death": "int8",
    }


def test_a_failure_in_the_midst_of_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "SLICE_ROWS", 60)
    slices = table._slice

    def fail_late(*arguments: object, **options: object) -> str:
        return "SELECT error('full')" if arguments[1] == 40 else slices(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(table, "_slice", fail_late)
    with pytest.raises(DataError):
        written(tmp_path, n_stays=5)
    assert not list(tmp_path.iterdir())
