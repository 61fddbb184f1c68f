import pandas as pd
import pytest

from model.data.roles import find_keys, is_identifier, is_outcome, time_unit
from model.spec.errors import DataError


def table(*names: str, **columns: object) -> pd.DataFrame:
    """Two stays of two hours in columns called `names`: ids repeat, times count."""
    values: dict[str, object] = {name: [1, 1, 2, 2] for name in names}
    return pd.DataFrame(values | columns)


@pytest.mark.parametrize(
    ("ids", "stay", "patient"),
    [
        (("stay_id",), "stay_id", None),
        (("ICUSTAY_ID", "HADM_ID", "SUBJECT_ID"), "ICUSTAY_ID", "SUBJECT_ID"),
        (("uniquepid", "patientunitstayid"), "patientunitstayid", "uniquepid"),
        (("subject_id", "hadm_id"), "hadm_id", "subject_id"),
        (("Patient_ID",), "Patient_ID", None),  # the only one: each patient has one stay
        (("RecordID",), "RecordID", None),
        (("encounterId", "personId"), "encounterId", "personId"),
        (("id",), "id", None),
    ],
)
def test_ids_are_found_by_name(ids: tuple[str, ...], stay: str, patient: str | None) -> None:
    found = find_keys(table(*ids, hour=[0, 1, 0, 1]))
    assert (found.stay_id, found.patient_id) == (stay, patient)


def test_the_number_of_a_row_is_no_stay() -> None:
    assert find_keys(table("subject_id", id=[1, 2, 3, 4], hour=[0, 1, 0, 1])).stay_id == "subject_id"


@pytest.mark.parametrize(
    "name",
    [
        "hour",
        "Hours",
        "time",
        "step",
        "hr",
        "ICULOS",
        "observationoffset",
        "charttime",
        "hours_in_icu",
        "minute",
        "icu_day_hour",
    ],
)
def test_time_is_found_by_name(name: str) -> None:
    assert find_keys(table("stay_id", **{name: [0, 1, 0, 1]})).time == name


def test_hr_is_the_time_only_where_it_counts_and_nothing_else_does() -> None:
    both = table("stay_id", hr=[0, 1, 0, 1], hour=[0, 1, 0, 1])
    assert find_keys(both).time == "hour"
    with pytest.raises(DataError, match="no column's name looks like that of a time"):
        find_keys(table("stay_id", hr=[80, 81, 80, 82]))
    repeated = table("stay_id", hr=[0, 1, 0, 1], hour=[0, 0, 0, 1])
    assert find_keys(repeated).time == "hour"  # wrong, but the time: its repetition is an error to report


def test_a_timestamp_beside_a_step_is_passed_over() -> None:
    frame = table("stay_id", time=pd.Timestamp("2020-01-01"), iculos=[1, 2, 1, 2])
    assert find_keys(frame).time == "iculos"


STAMPS = pd.date_range("2020-01-01", periods=4, freq="h")


@pytest.mark.parametrize(
    "name", ["charttime", "measurement time", "recorded_at", "datetime", "ObservationDate", "time"]
)
def test_time_stamps_are_found_by_name(name: str) -> None:
    assert find_keys(table("stay_id", **{name: STAMPS})).time == name
    assert find_keys(table("stay_id", **{name: STAMPS.astype(str)})).time == name


@pytest.mark.parametrize("name", ["x_at", "update"])
def test_names_of_stamps_are_no_times_where_they_hold_none(name: str) -> None:
    with pytest.raises(DataError, match="no column's name looks like that of a time"):
        find_keys(table("stay_id", **{name: [0.5, 1, 0.5, 1]}))


@pytest.mark.parametrize(
    ("columns", "time"),
    [
        ({"admission_time": [STAMPS[0]] * 4, "charttime": STAMPS}, "charttime"),
        ({"day": [0, 0, 0, 0], "charttime": STAMPS}, "charttime"),
        ({"charttime": STAMPS, "hours": [0.5, 1, 0.5, 1]}, "hours"),
        ({"time": [0.5, 1, 0.5, 1], "charttime": STAMPS}, "charttime"),  # of the numbers, the unit would be unknown
        ({"time": ["early", "late"] * 2, "charttime": STAMPS}, "charttime"),
    ],
)
def test_of_times_that_count_no_steps_the_best_to_bin_is_taken(columns: dict[str, object], time: str) -> None:
    assert find_keys(table("stay_id", **columns)).time == time


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("minutes", "min"),
        ("observationoffset", "min"),
        ("offset_hours", "h"),
        ("HoursInICU", "h"),
        ("icu_hr", "h"),
        ("time_sec", "s"),
        ("secondsSinceAdmission", "s"),
        ("day", "d"),
        ("time", None),
        ("t", None),
        ("charttime", None),
        ("%", None),
    ],
)
def test_units_by_name(name: str, unit: str | None) -> None:
    assert time_unit(name) == unit


def test_without_keys_a_schema_is_asked_for() -> None:
    with pytest.raises(DataError, match=r"stay's id; give a schema"):
        find_keys(table("x", "hour"))
    with pytest.raises(DataError, match=r"a time; give a schema"):
        find_keys(table("stay_id", "x"))


@pytest.mark.parametrize(
    "name",
    [
        "in_hospital_death",
        "Mortality28",
        "died",
        "hospital_expire_flag",
        "SepsisLabel",
        "readmission_30d",
        "outcome",
        "mort_icu",
        "hospitaldeath",
    ],
)
def test_outcomes_by_name(name: str) -> None:
    assert is_outcome(name)


@pytest.mark.parametrize("name", ["sex", "target_temperature", "label_source", "icu_type", "%"])
def test_other_names_are_no_outcomes(name: str) -> None:
    assert not is_outcome(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hadm_id", True),
        ("patientID", True),
        ("MRN", True),
        ("hospitalid", True),
        ("covid", False),
        ("fluid", False),
        ("visit", False),
        ("%", False),
    ],
)
def test_identifiers_by_name(name: str, expected: bool) -> None:
    assert is_identifier(name) is expected
