from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from model.data.inference import infer_schema
from model.data.sources.challenge2012 import GRID, import_challenge2012
from model.data.sources.options import Grid, Imported, ImportOptions, Resources
from model.data.sources.vitals_table import SIGNALS, vitals
from model.spec.errors import DataError
from tests.model.data.sources.raw import cell, record, silent

RESOURCES = Resources(memory=256, threads=1)
STAY = 132539
DEFAULT = ImportOptions(grid=GRID, keep_empty=True)

Readings = Sequence[tuple[str, str, object]]


def challenge(folder: Path, records: dict[int, Readings], *, name: str = "a", died: Sequence[int] = ()) -> Path:
    """A folder with one set of records and their outcomes."""
    (folder / f"set-{name}").mkdir(parents=True)
    for stay, rows in records.items():
        (folder / f"set-{name}" / f"{stay}.txt").write_text(record([("00:00", "RecordID", stay), *rows]))
    lines = ["RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"]
    lines += [f"{stay},6,1,5,-1,{int(stay in died)}" for stay in records]
    (folder / f"Outcomes-{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def imported(folder: Path, *, options: ImportOptions = DEFAULT) -> pd.DataFrame:
    """The table of the raw files in `folder`."""
    return read(folder, options=options)[0]


def read(folder: Path, *, options: ImportOptions) -> tuple[pd.DataFrame, Imported]:
    """The table of the raw files in `folder`, and what was said of it."""
    out = folder.parent / "table.parquet"
    said = import_challenge2012(folder, out, options=options, resources=RESOURCES, progress=silent)
    return pd.read_parquet(out), said


def test_hourly_means_of_seven_vitals_for_25_hours(tmp_path: Path) -> None:
    rows = [("00:07", "HR", 70), ("00:59", "HR", 80), ("24:59", "HR", 60), ("25:00", "HR", 1), ("01:00", "Temp", 36.5)]
    frame = imported(challenge(tmp_path / "raw", {STAY: rows}, died=[STAY]))
    assert list(frame.columns) == ["stay_id", "hour", *vitals(SIGNALS["challenge2012"]), "in_hospital_death"]
    assert frame.hour.tolist() == [*range(25)]
    assert cell(frame, STAY, 0, "heart_rate") == 75
    assert cell(frame, STAY, 24, "heart_rate") == 60
    assert cell(frame, STAY, 1, "temperature") == 36.5
    assert set(frame.in_hospital_death) == {1}


def test_the_whole_window_has_48_hours(tmp_path: Path) -> None:
    raw = challenge(tmp_path / "raw", {STAY: [("47:30", "RespRate", 20)]})
    frame = imported(raw, options=ImportOptions(grid=Grid(n_steps=48)))
    assert len(frame) == 48
    assert cell(frame, STAY, 47, "respiratory_rate") == 20


@pytest.mark.parametrize(("arterial", "other"), [("SysABP", "NISysABP"), ("DiasABP", "NIDiasABP"), ("MAP", "NIMAP")])
def test_an_arterial_pressure_goes_before_one_by_cuff(tmp_path: Path, arterial: str, other: str) -> None:
    rows = [("00:00", arterial, 60), ("00:10", arterial, 70), ("00:20", other, 100), ("01:20", other, 110)]
    frame = imported(challenge(tmp_path / "raw", {STAY: rows}))
    vital = {"SysABP": "sbp", "DiasABP": "dbp", "MAP": "map"}[arterial]
    assert frame[vital].dropna().tolist() == [65, 110]


def test_values_that_are_not_above_0_are_missing(tmp_path: Path) -> None:
    rows = [
        ("00:00", "MAP", 0),
        ("00:00", "NIMAP", 75),
        ("00:00", "HR", -1),
        ("00:01", "HR", 80),
        ("02:00", "SaO2", 97),
    ]
    frame = imported(challenge(tmp_path / "raw", {STAY: rows}))
    assert cell(frame, STAY, 0, "map") == 75
    assert cell(frame, STAY, 0, "heart_rate") == 80
    assert cell(frame, STAY, 2, "spo2") == 97


def test_artefacts_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    raw = challenge(tmp_path / "raw", {STAY: [("00:00", "Temp", 1.9), ("00:00", "HR", 80)]})
    assert imported(raw)["temperature"].isna().all()
    loose = imported(raw, options=ImportOptions(grid=GRID, bounded=False))
    assert cell(loose, STAY, 0, "temperature") == pytest.approx(1.9)


def test_all_sets_that_are_there_are_read_and_stays_without_vitals_kept(tmp_path: Path) -> None:
    raw = challenge(tmp_path / "raw", {STAY: [("00:00", "HR", 80)], 132540: []}, died=[132540])
    challenge(raw, {142675: [("00:00", "HR", 90)]}, name="b")
    frame = imported(raw)
    assert frame.groupby("stay_id").in_hospital_death.first().to_dict() == {STAY: 0, 132540: 1, 142675: 0}
    dropped = imported(raw, options=ImportOptions(grid=GRID))
    assert set(dropped.stay_id) == {STAY, 142675}


def test_records_and_outcomes_that_lack_each_other_are_counted(tmp_path: Path) -> None:
    raw = challenge(tmp_path / "raw", {stay: [("00:00", "HR", 80)] for stay in (1, 2, 3)})
    (raw / "set-a" / "1.txt").unlink()
    (raw / "set-a" / "4.txt").write_text(record([("00:00", "HR", 80)]))
    frame, said = read(raw, options=ImportOptions(grid=GRID))
    assert set(frame.stay_id) == {2, 3}
    assert said.left_out == {"without a file in set-a": 1, "without an outcome": 1}


def test_the_table_is_taken_as_it_is(tmp_path: Path) -> None:
    values = {"HR": 80, "RespRate": 18, "SaO2": 96, "NIMAP": 75, "NISysABP": 120, "NIDiasABP": 60, "Temp": 37.1}
    rows = [(f"{hour:02}:30", name, value) for hour in range(48) for name, value in values.items()]
    raw = challenge(tmp_path / "raw", dict.fromkeys(range(1, 21), rows), died=[1, 2, 3])
    schema = infer_schema(imported(raw))
    assert (schema.stay_id, schema.time, schema.patient_id, schema.sequence_length) == ("stay_id", "hour", None, 25)
    assert tuple(f.name for f in schema.numerical) == vitals(SIGNALS["challenge2012"])
    assert schema.labels[0].name == "in_hospital_death"
    assert schema.rules == ("dbp <= map", "map <= sbp")


def refused(folder: Path) -> str:
    """What is said of the raw files in `folder`."""
    with pytest.raises(DataError) as told:
        imported(folder)
    assert not (folder.parent / "table.parquet").exists()
    return str(told.value)


def test_missing_folders_and_files_are_named(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    assert refused(raw).endswith("no such folder")
    raw.mkdir()
    assert refused(raw).endswith("none of the folders set-a, set-b and set-c is there")
    (raw / "set-a.tar.gz").touch()
    assert refused(raw).endswith("is there; unpack the archives first")
    (raw / "set-a").mkdir()
    assert refused(raw) == "set-a: no file of a record, such as 132539.txt, is there"
    (raw / "set-a" / "132539.txt").write_text(record([]))
    assert "neither Outcomes-a.txt.gz nor Outcomes-a.txt" in refused(raw)
    (raw / "Outcomes-a.txt").write_text("RecordID,SAPS-I,SOFA,Length_of_stay,Survival\n")
    assert refused(raw) == "Outcomes-a.txt: it has no column 'in-hospital_death'"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("Time,Value,Parameter\n", "132539.txt: its first line is not Time,Parameter,Value"),
        ("", "132539.txt: the file is empty"),
        (
            "Time,Parameter,Value\n00:07,HR,fast\n",
            "132539.txt: line 2, column 'value': not a value of the expected type",
        ),
        ("Time,Parameter,Value\n00:07,HR\n", "132539.txt: line 2 cannot be read"),
        ("Time,Parameter,Value\n7 o'clock,HR,70\n", f"{STAY}.txt: column 'time': not a value of the expected type"),
    ],
)
def test_an_unreadable_record_is_named_and_not_quoted(tmp_path: Path, content: str, complaint: str) -> None:
    raw = challenge(tmp_path / "raw", {STAY: [], 132540: [("00:00", "HR", 80)]})
    (raw / "set-a" / f"{STAY}.txt").write_text(content)
    told = refused(raw)
    assert told.startswith(complaint)
    assert "fast" not in told
    assert "clock" not in told


def test_no_reading_at_all_is_refused(tmp_path: Path) -> None:
    assert refused(challenge(tmp_path / "raw", {STAY: [("00:00", "HR", -1)]})).startswith("no stay has a reading")
