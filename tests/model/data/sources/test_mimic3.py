from __future__ import annotations

import gzip
import random
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from model.data.arrange import arrange
from model.data.inference import infer_schema
from model.data.readers import read_table
from model.data.sources.mimic3 import COLUMNS, GRID, import_mimic3
from model.data.sources.options import Grid, Imported, ImportOptions, Resources
from model.data.sources.vitals_table import SIGNALS, vitals
from model.spec.errors import DataError
from tests.model.data.sources.raw import MIMIC_COLUMNS, Rows, cell, mimic, silent, vital_rows, write

RESOURCES = Resources(memory=256, threads=1)
ADMITTED = "2101-10-20 19:08:00"
DEFAULT = ImportOptions(grid=GRID)
FIRST, SECOND = 1000, 1001
"""Stays of patient 10: of the first hospital admission, and of the second, which ended in death."""


def event(item: int, time: str, value: float | None, *, stay: int | None = FIRST, **more: object) -> dict[str, object]:
    """A row of CHARTEVENTS."""
    text = {"VALUE": value, "VALUENUM": value, "VALUEUOM": "as in D_ITEMS"}
    return {"SUBJECT_ID": 10, "ICUSTAY_ID": stay, "ITEMID": item, "CHARTTIME": time, **text, **more}


def tables(*events: dict[str, object]) -> dict[str, Rows]:
    """Two admissions of one patient, with a stay each."""
    heart_rate = event(211, ADMITTED, 80)
    return {
        "ICUSTAYS": [
            {"SUBJECT_ID": 10, "HADM_ID": 100, "ICUSTAY_ID": FIRST, "DBSOURCE": "carevue", "INTIME": ADMITTED},
            {
                "SUBJECT_ID": 10,
                "HADM_ID": 101,
                "ICUSTAY_ID": SECOND,
                "DBSOURCE": "both",
                "INTIME": "2103-01-01 00:00:00",
            },
        ],
        "ADMISSIONS": [
            {"SUBJECT_ID": 10, "HADM_ID": 100, "DIAGNOSIS": 'CHEST PAIN, "R/O MI"', "HOSPITAL_EXPIRE_FLAG": 0},
            {"SUBJECT_ID": 10, "HADM_ID": 101, "DIAGNOSIS": "SEPSIS", "HOSPITAL_EXPIRE_FLAG": 1},
        ],
        "PATIENTS": [{"SUBJECT_ID": 10, "GENDER": "F", "DOB": "2050-01-01 00:00:00"}],
        "CHARTEVENTS": [heart_rate, event(220045, "2103-01-01 23:59:59", 60, stay=SECOND), *events],
    }


def imported(
    folder: Path,
    *,
    min_age: int = 18,
    first_stay: bool = False,
    options: ImportOptions = DEFAULT,
) -> tuple[pd.DataFrame, Imported]:
    """The table of the raw files in `folder`, and what was said of it."""
    out = folder.parent / "out" / "table.parquet"
    said = import_mimic3(
        folder, out, min_age=min_age, first_stay=first_stay, options=options, resources=RESOURCES, progress=silent
    )
    assert [path.name for path in out.parent.iterdir()] == [out.name]  # nothing temporary is left
    return pd.read_parquet(out), said


def test_every_step_of_every_stay_has_its_row_in_order(tmp_path: Path) -> None:
    frame, said = imported(mimic(tmp_path / "raw", tables()))
    assert list(frame.columns) == ["stay_id", "patient_id", "hour", *vitals(SIGNALS["mimic3"]), "in_hospital_death"]
    assert frame.stay_id.tolist() == [FIRST] * 25 + [SECOND] * 25
    assert frame.hour.tolist() == [*range(25)] * 2
    assert (said.n_stays, said.n_deaths, said.left_out) == (2, 1, {})


def test_the_outcome_is_that_of_the_stay_s_own_admission(tmp_path: Path) -> None:
    frame, _ = imported(mimic(tmp_path / "raw", tables()))
    assert frame.groupby("stay_id").in_hospital_death.unique().map(list).to_dict() == {FIRST: [0], SECOND: [1]}
    assert set(frame.patient_id) == {10}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("lower", [True, False])
def test_files_of_either_case_packed_or_not_give_the_same_table(tmp_path: Path, packed: bool, lower: bool) -> None:
    one, _ = imported(mimic(tmp_path / "raw", tables(event(455, ADMITTED, 120)), packed=packed, lower=lower))
    assert cell(one, FIRST, 0, "heart_rate") == 80
    assert cell(one, FIRST, 0, "sbp") == 120
    assert cell(one, SECOND, 23, "heart_rate") == 60
    assert one.heart_rate.count() == 2


def test_items_of_both_record_systems_are_averaged_within_the_hour(tmp_path: Path) -> None:
    frame, _ = imported(mimic(tmp_path / "raw", tables(event(220045, "2101-10-20 20:07:59", 90))))
    assert cell(frame, FIRST, 0, "heart_rate") == 85


def test_every_item_arrives_in_its_column(tmp_path: Path) -> None:
    """Hour `k` has a reading of the `k`-th item alone; one of 98.6 degF is the same as one of 37."""
    items = SIGNALS["mimic3"]
    times = [str(pd.Timestamp(ADMITTED) + pd.Timedelta(hours=hour)) for hour in range(len(items))]
    values = [98.6 if signal.unit == "degF" else 37 for signal in items]
    readings = [event(int(s.key), time, value) for s, time, value in zip(items, times, values, strict=True)]
    options = ImportOptions(grid=Grid(n_steps=len(items)))
    raw = mimic(tmp_path / "raw", {**tables(), "CHARTEVENTS": readings}, packed=False)
    frame, _ = imported(raw, options=options)
    found = frame.loc[frame.stay_id == FIRST, ["hour", *vitals(items)]].melt("hour").dropna().sort_values("hour")
    assert found.variable.tolist() == [signal.vital for signal in items]
    assert found.hour.tolist() == [*range(len(items))]
    assert found.value.to_numpy() == pytest.approx(37.0, abs=1e-5)


def test_readings_before_the_admission_and_after_hour_24_are_left_out(tmp_path: Path) -> None:
    before, last, after = "2101-10-20 19:07:59", "2101-10-21 20:07:59", "2101-10-21 20:08:00"
    frame, _ = imported(mimic(tmp_path / "raw", tables(*(event(646, time, 97) for time in (before, last, after)))))
    assert frame[["stay_id", "hour", "spo2"]].dropna().to_numpy().tolist() == [[FIRST, 24, 97]]


def test_fahrenheit_becomes_celsius_before_the_mean_and_the_bounds(tmp_path: Path) -> None:
    at = "2101-10-20 19:30:00"
    wrong_unit = event(678, at, 37.0)  # Celsius under the item of Fahrenheit: 2.8 degC
    frame, _ = imported(mimic(tmp_path / "raw", tables(event(678, at, 98.6), event(676, at, 38.0), wrong_unit)))
    assert cell(frame, FIRST, 0, "temperature") == pytest.approx(37.5, abs=1e-5)


def test_errors_of_measurement_are_no_part_of_the_mean(tmp_path: Path) -> None:
    at = "2101-10-20 19:30:00"
    readings = [event(455, at, 300), event(51, at, 301), event(6701, at, 100, ERROR=1), event(442, at, 200, ERROR=0)]
    raw = mimic(tmp_path / "raw", tables(*readings, event(456, at, None), event(220052, at, -1)))
    frame, _ = imported(raw)
    assert cell(frame, FIRST, 0, "sbp") == 250
    assert frame["map"].isna().all()
    loose, _ = imported(raw, options=ImportOptions(grid=GRID, bounded=False))
    assert cell(loose, FIRST, 0, "sbp") == 267
    assert cell(loose, FIRST, 0, "map") == -1


def test_a_row_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    at = "2101-10-20 19:30:00"
    readings = [event(618, at, 30), event(618, at, 30), event(618, at, 30), event(618, "2101-10-20 19:45:00", 10)]
    frame, _ = imported(mimic(tmp_path / "raw", tables(*readings)))
    assert cell(frame, FIRST, 0, "respiratory_rate") == 20


def test_rows_of_no_stay_and_of_other_items_are_ignored(tmp_path: Path) -> None:
    frame, _ = imported(mimic(tmp_path / "raw", tables(event(211, ADMITTED, 10, stay=None), event(212, ADMITTED, 3))))
    assert frame.heart_rate.count() == 2
    assert cell(frame, FIRST, 0, "heart_rate") == 80


def with_patient(tables: dict[str, Rows], *, stay: int, born: str | None, died: int | None = 0) -> dict[str, Rows]:
    """`tables`, and one more patient with a stay from 2120-06-15 on."""
    ids = {"SUBJECT_ID": stay, "HADM_ID": stay}
    more: dict[str, dict[str, object]] = {
        "ICUSTAYS": {**ids, "ICUSTAY_ID": stay, "INTIME": "2120-06-15 12:00:00"},
        "ADMISSIONS": {**ids, "HOSPITAL_EXPIRE_FLAG": died},
        "PATIENTS": {**ids, "DOB": born},
        "CHARTEVENTS": event(211, "2120-06-15 12:00:00", 100, stay=stay),
    }
    return {name: [*rows, more[name]] for name, rows in tables.items()}


def test_stays_of_minors_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    asked = with_patient(tables(), stay=2000, born="2102-06-16 00:00:00")  # 18 on the next day
    asked = with_patient(asked, stay=2001, born="2102-06-15 00:00:00")
    asked = with_patient(asked, stay=2002, born="1820-06-15 00:00:00")  # older than 89: shifted to 300 years
    raw = mimic(tmp_path / "raw", with_patient(asked, stay=2003, born=None))
    adults, said = imported(raw)
    assert set(adults.stay_id) == {FIRST, SECOND, 2001, 2002}
    assert said.left_out == {"younger than 18 years": 1, "of unknown age": 1}
    everybody, _ = imported(raw, min_age=0)
    assert set(everybody.stay_id) == {FIRST, SECOND, 2000, 2001, 2002, 2003}


def test_of_each_patient_only_the_first_stay_if_that_is_wanted(tmp_path: Path) -> None:
    frame, said = imported(mimic(tmp_path / "raw", tables()), first_stay=True)
    assert set(frame.stay_id) == {FIRST}
    assert said.left_out == {"not the first of their patient": 1}


def test_stays_without_outcome_or_readings_are_left_out_and_counted(tmp_path: Path) -> None:
    asked = with_patient(tables(), stay=2000, born="2060-01-01 00:00:00", died=None)
    asked = with_patient(asked, stay=2001, born="2060-01-01 00:00:00")
    asked["CHARTEVENTS"] = asked["CHARTEVENTS"][:-1]
    raw = mimic(tmp_path / "raw", asked)
    frame, said = imported(raw)
    assert set(frame.stay_id) == {FIRST, SECOND}
    assert said.left_out == {"without a reading of a vital in the window": 1, "without an outcome in ADMISSIONS": 1}
    kept, _ = imported(raw, options=ImportOptions(grid=GRID, keep_empty=True))
    assert kept[kept.stay_id == 2001][list(vitals(SIGNALS["mimic3"]))].isna().all(axis=None)


def test_other_steps_can_be_asked_for(tmp_path: Path) -> None:
    raw = mimic(tmp_path / "raw", tables(event(211, "2101-10-20 21:07:00", 100)))
    frame, _ = imported(raw, options=ImportOptions(grid=Grid(step_minutes=120, n_steps=3), keep_empty=True))
    assert frame.hour.tolist() == [0, 2, 4] * 2
    assert cell(frame, FIRST, 0, "heart_rate") == 90


def test_the_table_is_taken_as_it_is(tmp_path: Path) -> None:
    stays = range(3000, 3040)
    asked = tables()
    for stay in stays:
        asked = with_patient(asked, stay=stay, born="2060-01-01 00:00:00", died=int(stay % 4 == 0))
    items = {455: 120, 8441: 60, 456: 80, 618: 18, 678: 98.6, 646: 97}
    readings = vital_rows(stays, items, times=[f"2120-06-{15 + h // 24} {h % 24:02}:30:00" for h in range(12, 36)])
    raw = mimic(tmp_path / "raw", {**asked, "CHARTEVENTS": [*asked["CHARTEVENTS"], *readings]})
    out = tmp_path / "table.parquet"
    import_mimic3(raw, out, resources=RESOURCES, progress=silent)
    frame = read_table(out)
    schema = infer_schema(frame)
    keys = (schema.stay_id, schema.time, schema.patient_id)
    assert (*keys, schema.sequence_length) == ("stay_id", "hour", "patient_id", 25)
    units = {f.name: (f.unit, f.min, f.max) for f in schema.numerical}
    assert list(units) == list(vitals(SIGNALS["mimic3"]))
    assert [units["temperature"], units["sbp"]] == [("degC", 25, 45), ("mmHg", 0, 300)]
    assert [label.name for label in schema.labels] == ["in_hospital_death"]
    assert schema.rules == ("dbp <= map", "map <= sbp")
    assert len(arrange(frame, schema).stays) == 42


def refused(folder: Path) -> str:
    """What is said of the raw files in `folder`, which leave no table and nothing beside it."""
    out = folder.parent / "out" / "table.parquet"
    with pytest.raises(DataError) as told:
        import_mimic3(folder, out, resources=RESOURCES, progress=silent)
    assert not out.parent.exists() or not list(out.parent.iterdir())
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    raw = mimic(tmp_path / "raw", {key: rows for key, rows in tables().items() if key != name})
    assert f"neither {name}.csv.gz nor {name}.csv" in refused(raw)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").endswith("nowhere: no such folder")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ICUSTAYEVENTS.csv", "early release"),
        ("ICUSTAYS_DATA_TABLE.csv", "early release"),
        ("vitalPeriodic.csv", "eicu"),
    ],
)
def test_other_sources_and_releases_are_recognised(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw", name, "A,B\n", packed=False)
    assert hint in refused(tmp_path / "raw")


def columns_without(name: str, column: str) -> str:
    return MIMIC_COLUMNS[name].replace(f" {column}", "")


@pytest.mark.parametrize(("name", "column"), [(name, column) for name in COLUMNS for column in COLUMNS[name]])
def test_a_missing_column_is_named(tmp_path: Path, name: str, column: str) -> None:
    raw = mimic(tmp_path / "raw", tables(), packed=False)
    write(raw, f"{name}.csv", columns_without(name, column.upper()).replace(" ", ",") + "\n", packed=False)
    assert refused(raw) == f"{name}.csv: it has no column '{column}'"


def test_mimic_iv_is_recognised_by_its_columns(tmp_path: Path) -> None:
    raw = mimic(tmp_path / "raw", tables(), packed=False, lower=True)
    write(
        raw,
        "icustays.csv",
        "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los\n",
        packed=False,
    )
    assert refused(raw) == (
        "icustays.csv: it has no column 'icustay_id'; 'stay_id' belongs to MIMIC-IV; MIMIC-III v1.3 and v1.4 are read"
    )


def test_columns_that_a_version_lacks_or_adds_do_not_matter(tmp_path: Path) -> None:
    raw = mimic(tmp_path / "raw", tables(), packed=False)
    path = raw / "CHARTEVENTS.csv"
    lines = path.read_text().splitlines()
    no_row_id = [line.split(",", 1)[1] for line in lines]
    path.write_text("\n".join([f"{no_row_id[0]},NEW", *(f'{line},"x"' for line in no_row_id[1:])]) + "\n")
    frame, _ = imported(raw)
    assert frame.heart_rate.count() == 2


def truncated(tables: Mapping[str, Rows], folder: Path, *, keep: float) -> Path:
    """Raw files of which CHARTEVENTS.csv.gz was not fetched to its end."""
    noise = random.Random(0)
    more = [event(220045, "2101-10-20 21:00:00", noise.random() * 100) for _ in range(5000)]
    raw = mimic(folder, {**tables, "CHARTEVENTS": [*tables["CHARTEVENTS"], *more]})
    path = raw / "CHARTEVENTS.csv.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else -4])
    return raw


@pytest.mark.parametrize("keep", [0.00001, 0.0005, 0.5, 0.99, 1])
def test_a_truncated_gzip_is_never_a_shorter_table(tmp_path: Path, keep: float) -> None:
    told = refused(truncated(tables(), tmp_path / "raw", keep=keep))
    assert told.startswith("CHARTEVENTS.csv.gz: the file is ")


def test_what_is_no_gzip_is_said(tmp_path: Path) -> None:
    raw = mimic(tmp_path / "raw", tables())
    (raw / "ADMISSIONS.csv.gz").write_bytes(b"<html>Please log in</html>")
    assert refused(raw) == "ADMISSIONS.csv.gz: the file is truncated or no gzip file; fetch it again"
    (raw / "ADMISSIONS.csv.gz").write_bytes(gzip.compress(b""))
    assert refused(raw) == "ADMISSIONS.csv.gz: the file is empty"


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("1,10,100,1000,211,2101-10-20 19:08:00,,,,seventy,,,,,", "line 4, column 'valuenum': not a value of"),
        ("1,10,100,1000,211,20/10/2101,,,,70,,,,,", "line 4, column 'charttime': not a value of"),
        ("1,10,100,1000,211", "line 4 cannot be read: more or fewer values"),
        ('1,10,100,1000,211,2101-10-20 19:08:00,,,"70,70,,,,,', "line 4 cannot be read"),
    ],
)
def test_an_unreadable_row_is_named_by_its_line_and_not_quoted(tmp_path: Path, bad: str, complaint: str) -> None:
    raw = mimic(tmp_path / "raw", tables(), packed=False)
    path = raw / "CHARTEVENTS.csv"
    path.write_text(path.read_text() + bad + "\n")
    told = refused(raw)
    assert complaint in told
    assert not any(value in told for value in ("seventy", "2101", "70", "1000"))


def test_a_table_without_readings_is_refused(tmp_path: Path) -> None:
    raw = mimic(tmp_path / "raw", {**tables(), "CHARTEVENTS": [event(212, ADMITTED, 1)]})
    assert refused(raw) == "no stay has a reading of a vital in the window"
    minors = {**tables(), "PATIENTS": [{"SUBJECT_ID": 10, "DOB": "2100-01-01 00:00:00"}]}
    assert refused(mimic(tmp_path / "raw", minors)).endswith("window; 2 were left out: younger than 18 years")


def test_a_stay_of_two_admissions_is_refused(tmp_path: Path) -> None:
    asked = tables()
    asked["ICUSTAYS"] = [*asked["ICUSTAYS"], asked["ICUSTAYS"][0], {**asked["ICUSTAYS"][0], "HADM_ID": 101}]
    told = refused(mimic(tmp_path / "raw", asked))
    assert told == "ICUSTAYS.csv.gz: 1 row too many: they give a value of icustay_id a second time, with other values"


@pytest.mark.parametrize(
    ("name", "column", "change"),
    [
        ("ADMISSIONS", "hadm_id", {"HOSPITAL_EXPIRE_FLAG": 1}),
        ("PATIENTS", "subject_id", {"DOB": "2060-01-01 00:00:00"}),
    ],
)
def test_a_file_that_says_two_things_or_lacks_a_key_is_named(
    tmp_path: Path, name: str, column: str, change: dict[str, object]
) -> None:
    asked = tables()
    asked[name] = [*asked[name], {**asked[name][0], **change}]
    told = refused(mimic(tmp_path / "raw", asked))
    assert told == f"{name}.csv.gz: 1 row too many: they give a value of {column} a second time, with other values"
    asked[name] = [*asked[name][:-1], {**asked[name][0], column.upper(): None}]
    assert refused(mimic(tmp_path / "raw", asked)) == f"{name}.csv.gz: column '{column}': missing in 1 row"


def test_an_outcome_is_0_or_1(tmp_path: Path) -> None:
    asked = tables()
    asked["ADMISSIONS"] = [asked["ADMISSIONS"][0], {**asked["ADMISSIONS"][1], "HOSPITAL_EXPIRE_FLAG": 2}]
    frame, said = imported(mimic(tmp_path / "raw", asked))
    assert set(frame.stay_id) == {FIRST}
    assert said.left_out == {"without an outcome in ADMISSIONS": 1}
