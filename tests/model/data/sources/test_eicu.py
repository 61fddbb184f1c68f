from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from model.data.inference import infer_schema
from model.data.sources.eicu import GRID, PATIENT, VITALS, import_eicu
from model.data.sources.options import Grid, Imported, ImportOptions, Resources
from model.spec.errors import DataError
from tests.model.data.sources.raw import EICU_COLUMNS, cell, eicu, silent, write

RESOURCES = Resources(memory=256, threads=1)
HOURLY = Grid(step_minutes=60, n_steps=25)
ALIVE, DEAD = 141168, 141169


def stay(number: int, status: str | None, *, age: str | None = "70", patient: str = "002-34851") -> dict[str, object]:
    """A row of patient; who is dead at the hospital's end has left the unit alive, to tell the columns apart."""
    outcome = {"hospitaldischargestatus": status, "unitdischargestatus": "Alive"}
    return {"patientunitstayid": number, "uniquepid": patient, "age": age, "gender": "Female", **outcome}


def vital(number: int, offset: int, **values: float) -> dict[str, object]:
    """A row of vitalPeriodic."""
    return {"vitalperiodicid": 37359991 + offset, "patientunitstayid": number, "observationoffset": offset, **values}


PATIENTS = [stay(ALIVE, "Alive"), stay(DEAD, "Expired", age="> 89")]
VITAL_ROWS = [
    vital(ALIVE, 0, heartrate=70, sao2=97, respiration=16, systemicmean=80, systemicsystolic=120, temperature=37),
    vital(ALIVE, 4, heartrate=90),
    vital(ALIVE, -1, heartrate=200),
    vital(DEAD, 1359, heartrate=60),
    vital(DEAD, 1360, heartrate=200),
]


def imported(folder: Path, *, min_age: int = 18, grid: Grid = GRID) -> tuple[pd.DataFrame, Imported]:
    """The table of the raw files in `folder`, and what was said of it."""
    out = folder.parent / "table.parquet"
    options = ImportOptions(grid=grid)
    said = import_eicu(folder, out, min_age=min_age, options=options, resources=RESOURCES, progress=silent)
    return pd.read_parquet(out), said


@pytest.mark.parametrize("packed", [True, False])
def test_four_vitals_every_five_minutes_from_the_admission_on(tmp_path: Path, packed: bool) -> None:
    frame, said = imported(eicu(tmp_path / "raw", patient=PATIENTS, vitals=VITAL_ROWS, packed=packed))
    vitals = ["heart_rate", "respiratory_rate", "spo2", "map"]
    assert list(frame.columns) == ["stay_id", "patient_id", "minute", *vitals, "in_hospital_death"]
    assert frame.minute.tolist() == [*range(0, 1360, 5)] * 2
    assert frame[vitals].iloc[0].tolist() == [80, 16, 97, 80]
    assert cell(frame, DEAD, 1355, "heart_rate", clock="minute") == 60
    assert frame.heart_rate.count() == 2
    assert (said.n_stays, said.n_deaths) == (2, 1)


def test_the_outcome_is_that_of_the_hospital_stay(tmp_path: Path) -> None:
    frame, _ = imported(eicu(tmp_path / "raw", patient=PATIENTS, vitals=VITAL_ROWS))
    assert frame.groupby("stay_id").in_hospital_death.unique().map(list).to_dict() == {ALIVE: [0], DEAD: [1]}
    assert set(frame.patient_id) == {"002-34851"}


def test_hourly_means_can_be_asked_for(tmp_path: Path) -> None:
    rows = [vital(ALIVE, offset, heartrate=60 + offset) for offset in range(0, 60, 5)]
    frame, _ = imported(eicu(tmp_path / "raw", patient=PATIENTS, vitals=rows), grid=HOURLY)
    assert frame.hour.tolist() == [*range(25)]
    assert cell(frame, ALIVE, 0, "heart_rate") == 87.5


def test_errors_of_measurement_and_repeated_rows(tmp_path: Path) -> None:
    rows = [
        vital(ALIVE, 0, heartrate=60),
        vital(ALIVE, 0, heartrate=60),
        vital(ALIVE, 1, heartrate=90, systemicmean=301, sao2=101),
    ]
    frame, _ = imported(eicu(tmp_path / "raw", patient=PATIENTS, vitals=rows))
    assert cell(frame, ALIVE, 0, "heart_rate", clock="minute") == 75
    assert frame[["map", "spo2"]].isna().all(axis=None)


def test_stays_left_out_are_counted(tmp_path: Path) -> None:
    patients = [*PATIENTS, stay(1, None), stay(2, "Alive", age="17"), stay(3, "Alive", age=None), stay(4, "Alive")]
    raw = eicu(
        tmp_path / "raw", patient=patients, vitals=[*VITAL_ROWS, *(vital(i, 0, heartrate=80) for i in (1, 2, 3))]
    )
    frame, said = imported(raw)
    assert set(frame.stay_id) == {ALIVE, DEAD}
    assert said.left_out == {
        "of unknown age": 1,
        "without a hospital discharge status": 1,
        "without a reading of a vital in the window": 1,
        "younger than 18 years": 1,
    }
    everybody, _ = imported(raw, min_age=0)
    assert set(everybody.stay_id) == {ALIVE, DEAD, 2, 3}


def test_the_table_is_taken_as_it_is(tmp_path: Path) -> None:
    patients = [stay(i, "Expired" if i % 5 == 0 else "Alive", patient=f"002-{i}") for i in range(20)]
    values = {"heartrate": 80, "respiration": 18, "sao2": 96, "systemicmean": 75}
    rows = [vital(i, offset, **values) for i in range(20) for offset in range(0, 1360, 5)]
    frame, _ = imported(eicu(tmp_path / "raw", patient=patients, vitals=rows))
    schema = infer_schema(frame)
    keys = (schema.stay_id, schema.time, schema.patient_id)
    assert (*keys, schema.sequence_length) == ("stay_id", "minute", "patient_id", 272)
    assert {f.name: f.unit for f in schema.numerical} == {
        "heart_rate": "/min",
        "respiratory_rate": "/min",
        "spo2": "%",
        "map": "mmHg",
    }
    assert [label.name for label in schema.labels] == ["in_hospital_death"]


def refused(folder: Path) -> str:
    """What is said of the raw files in `folder`."""
    with pytest.raises(DataError) as told:
        imported(folder)
    assert not (folder.parent / "table.parquet").exists()
    return str(told.value)


@pytest.mark.parametrize("name", ["patient.csv", "vitalPeriodic.csv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    raw = eicu(tmp_path / "raw", patient=PATIENTS, vitals=VITAL_ROWS)
    (raw / f"{name}.gz").unlink()
    assert f"neither {name}.gz nor {name}" in refused(raw)


@pytest.mark.parametrize(
    ("name", "column"), [("patient", name) for name in PATIENT] + [("vitalPeriodic", name) for name in VITALS]
)
def test_a_missing_column_is_named(tmp_path: Path, name: str, column: str) -> None:
    raw = eicu(tmp_path / "raw", patient=PATIENTS, vitals=VITAL_ROWS)
    left = [other for other in EICU_COLUMNS[name].split() if other != column]
    write(raw, f"{name}.csv", ",".join(left) + "\n")
    assert refused(raw) == f"{name}.csv.gz: it has no column '{column}'"


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    path = eicu(tmp_path / "raw", patient=PATIENTS, vitals=VITAL_ROWS) / "vitalPeriodic.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert "truncated" in refused(tmp_path / "raw")


def test_readings_that_are_no_numbers_are_refused_without_quoting_them(tmp_path: Path) -> None:
    rows = [*VITAL_ROWS, {"patientunitstayid": ALIVE, "observationoffset": 5, "heartrate": "fast"}]
    told = refused(eicu(tmp_path / "raw", patient=PATIENTS, vitals=rows))
    assert told == "vitalPeriodic.csv.gz: line 7, column 'heartrate': not a value of the expected type"
