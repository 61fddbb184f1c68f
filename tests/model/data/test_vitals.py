import numpy as np
import pytest

from model.data.vitals import VITALS, find_range, find_vital, words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("heart_rate", ("heart", "rate")),
        ("HeartRate", ("heart", "rate")),
        ("ICUSTAY_ID", ("icustay", "id")),
        ("O2Sat", ("o2", "sat")),
        ("Größe (cm)", ("größe", "cm")),
        ("心拍数", ("心拍数",)),
        ("%", ()),
    ],
)
def test_words_of_a_name(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize(
    ("name", "vital"),
    [
        ("temperature", "temperature"),
        ("Temp_C", "temperature"),
        ("body temperature", "temperature"),
        ("SysABP", "sbp"),
        ("systolic_bp_mmHg", "sbp"),
        ("diastolic_blood_pressure", "dbp"),
        ("MeanBP", "map"),
        ("mean_bp", "map"),
        ("MAP", "map"),
        ("HR", "heart_rate"),
        ("heart_rate_mean", "heart_rate"),
        ("pulse", "heart_rate"),
        ("RespRate", "respiratory_rate"),
        ("rr", "respiratory_rate"),
        ("SaO2", "spo2"),
        ("O2Sat", "spo2"),
        ("Glucose", "glucose"),
        ("gcs_total", "gcs"),
        ("FiO2", "fio2"),
        ("pH", "ph"),
        ("EtCO2", "etco2"),
    ],
)
def test_vitals_are_found_by_many_names(name: str, vital: str) -> None:
    found = find_vital(name)
    assert found is not None
    assert found.name == vital


@pytest.mark.parametrize(
    "name", ["age", "creatinine", "heart_rhythm", "map_source", "temporal", "max", "mean", "", "%"]
)
def test_other_names_are_no_vitals(name: str) -> None:
    assert find_vital(name) is None


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("temperature", [36.5, 37.0, 39.0], "degC"),
        ("temperature", [98.0, 99.5, 101.0], "degF"),
        ("spo2", [96, 98, 100], "%"),
        ("spo2", [0.96, 0.98, 1.0], "fraction"),
        ("glucose", [90, 120, 400], "mg/dL"),
        ("glucose", [5.0, 7.5, 20.0], "mmol/L"),
        ("heart_rate", [60, 80, np.nan, np.inf], "/min"),
    ],
)
def test_the_median_tells_the_unit(name: str, values: list[float], unit: str) -> None:
    vital = find_vital(name)
    assert vital is not None
    found = find_range(vital, np.array(values, dtype=float))
    assert found is not None
    assert found.unit == unit


def test_values_of_another_scale_have_no_range() -> None:
    heart_rate = find_vital("heart_rate")
    assert heart_rate is not None
    assert find_range(heart_rate, np.random.default_rng(0).normal(size=100)) is None  # z-scores
    assert find_range(heart_rate, np.array([80.0] * 9 + [500.0])) is None  # one in ten beyond the bounds
    assert find_range(heart_rate, np.array([np.nan, np.nan])) is None


def test_every_median_is_possible_and_no_name_means_two_vitals() -> None:
    for vital in VITALS:
        for known in vital.ranges:
            assert known.low <= known.median_low < known.median_high <= known.high
    names = [alias for vital in VITALS for alias in vital.aliases]
    assert len(names) == len(set(names))
