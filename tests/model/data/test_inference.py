from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.data.arrange import arrange
from model.data.inference import infer_schema
from model.spec.binning import Binning
from model.spec.errors import DataError
from model.spec.schema import CategoricalFeature, Feature, NumericalFeature

N, L = 40, 10


def table(**columns: object) -> pd.DataFrame:
    """40 stays of 10 hours with a heart rate; `columns` are added, a value each or 400."""
    rng = np.random.default_rng(0)
    base: dict[str, object] = {
        "stay_id": np.repeat(np.arange(N), L),
        "hour": np.tile(np.arange(L), N),
        "heart_rate": rng.normal(80, 10, N * L),
    }
    return pd.DataFrame(base | columns)


def per_stay(values: Sequence[object]) -> list[object]:
    """A column that repeats the values stay by stay."""
    return [values[i % len(values)] for i in range(N) for _ in range(L)]


def per_row(values: Sequence[object]) -> list[object]:
    """A column that repeats the values row by row."""
    return [values[i % len(values)] for i in range(N * L)]


def feature(frame: pd.DataFrame, name: str) -> Feature:
    return next(feature for feature in infer_schema(frame).features if feature.name == name)


def categories(frame: pd.DataFrame, name: str) -> tuple[str, ...]:
    found = feature(frame, name)
    assert isinstance(found, CategoricalFeature)
    return found.categories


def test_challenge_2012_needs_no_hint(challenge2012: Path) -> None:
    frame = pd.read_parquet(challenge2012)
    schema = infer_schema(frame)
    assert (schema.stay_id, schema.time, schema.patient_id, schema.sequence_length) == ("stay_id", "hour", None, 25)
    assert [(f.name, f.unit) for f in schema.numerical] == [
        ("temperature", "degC"),
        ("sbp", "mmHg"),
        ("dbp", "mmHg"),
        ("map", "mmHg"),
        ("heart_rate", "/min"),
        ("respiratory_rate", "/min"),
        ("spo2", "%"),
    ]
    assert not schema.categorical
    assert [(label.name, label.categories) for label in schema.labels] == [("in_hospital_death", ("0", "1"))]
    assert schema.rules == ("dbp <= map", "map <= sbp")
    arrange(frame, schema)


def test_vitals_get_units_and_bounds_and_stay_numerical() -> None:
    frame = table(gcs=per_row([3, 15]), temp=per_row([98, 99, 101, 97]))
    assert feature(frame, "heart_rate") == NumericalFeature(name="heart_rate", unit="/min", min=0, max=300)
    assert feature(frame, "gcs") == NumericalFeature(name="gcs", unit="points", min=3, max=15)
    assert feature(frame, "temp") == NumericalFeature(name="temp", unit="degF", min=75, max=115)


def test_a_vital_in_an_unknown_scale_gets_no_bounds() -> None:
    assert feature(table(sbp=np.linspace(-2, 2, N * L)), "sbp") == NumericalFeature(name="sbp")


def test_what_is_constant_in_every_stay_is_a_label_outcomes_first() -> None:
    frame = table(sex=per_stay(["M", "F"]), icu_type=per_stay([10, 2, 1]), died=per_stay([0.0, 1.0]))
    labels = [(label.name, label.categories) for label in infer_schema(frame).labels]
    assert labels == [("died", ("0", "1")), ("sex", ("F", "M")), ("icu_type", ("1", "2", "10"))]


def test_at_most_four_labels_the_rest_are_features() -> None:
    frame = table(**{f"s{i}": per_stay([f"a{i}", "b"]) for i in range(5)}, outcome=per_stay([True, False]))
    schema = infer_schema(frame)
    assert [label.name for label in schema.labels] == ["outcome", "s0", "s1", "s2"]
    assert [(f.name, f.static) for f in schema.features] == [("heart_rate", False), ("s3", True), ("s4", True)]


def test_what_varies_is_missing_in_places_or_has_one_row_a_stay_is_not_static() -> None:
    lab = per_row([*[None] * 9, 1.5])  # measured once in every stay: the value may well be another an hour later
    frame = table(lab=lab, weight=per_stay([70.5, 80.25]))
    assert not feature(frame, "lab").static
    assert not feature(frame.groupby("stay_id").head(1), "weight").static


def test_constant_columns_that_are_no_labels() -> None:
    many = per_stay(list(range(13)))
    missing = per_stay(["M", None])
    weights = per_stay([70.5, 80.25])
    schema = infer_schema(table(many=many, missing=missing, weight=weights))
    assert schema.labels == ()
    assert [f.name for f in schema.numerical] == ["heart_rate", "many", "weight"]
    assert [f.name for f in schema.categorical] == ["missing"]
    assert [f.name for f in schema.features if f.static] == ["many", "missing", "weight"]


def test_an_age_in_few_stays_is_no_label() -> None:
    frame = table(age=per_stay(list(range(60, 70)))).query("stay_id < 12")
    assert isinstance(feature(frame, "age"), NumericalFeature)


@pytest.mark.parametrize("name", ["in_hospital_death", "label", "SepsisLabel"])
def test_an_outcome_with_one_class_is_an_error(name: str) -> None:
    with pytest.raises(DataError, match=f"label '{name}': only one class present") as caught:
        infer_schema(table(**{name: 0}))
    assert caught.value.column == name


def test_an_outcome_that_changes_in_a_stay_stays_a_label_so_that_reading_reports_it() -> None:
    frame = table(died=per_stay([0, 1]))
    frame.loc[0, "died"] = 1
    schema = infer_schema(frame)
    assert [label.name for label in schema.labels] == ["died"]
    with pytest.raises(DataError, match="changes within 1 stay"):
        arrange(frame, schema)


def test_sepsis_that_begins_during_the_stay_is_a_feature() -> None:
    frame = table(SepsisLabel=per_row([0] * 8 + [1] * 2))
    assert categories(frame, "SepsisLabel") == ("0", "1")
    assert infer_schema(frame).labels == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False], ("false", "true")),
        ([0, 1], ("0", "1")),
        ([0.0, 1.0, None], ("0", "1")),
        ([2, 5], ("2", "5")),
        ([7, 7], ("7",)),
        ([3, 1, 10, 2], ("1", "2", "3", "10")),
        (["ward 10", "ward 9", None, ""], ("ward 9", "ward 10")),
        (["1", "0"], ("0", "1")),
    ],
)
def test_codes_and_short_texts_are_categorical(values: list[object], expected: tuple[str, ...]) -> None:
    assert categories(table(x=per_row(values)), "x") == expected


@pytest.mark.parametrize(
    "values",
    [
        list(range(11)),  # more than ten integers
        [1.0, 2.0, 3.0],  # floats are measurements
        [0.5, 1.5],
        [None],
        ["1", "2.5", "x"],  # mostly numbers: the text is an error when it is read
    ],
)
def test_other_columns_are_numerical(values: list[object]) -> None:
    assert feature(table(x=per_row(values)), "x") == NumericalFeature(name="x")


def test_two_values_in_a_handful_of_rows_are_a_measurement() -> None:
    values = np.full(N * L, np.nan)
    values[[0, 5]] = 12, 15
    assert feature(table(x=values), "x") == NumericalFeature(name="x")


def test_integers_of_small_tables_are_numerical() -> None:
    frame = table(x=per_row([1, 2, 3])).query("stay_id < 10")
    assert feature(frame, "x") == NumericalFeature(name="x")


def test_free_text_and_dates_are_errors_that_name_the_column() -> None:
    with pytest.raises(DataError, match="column 'note': text with 60 distinct values") as caught:
        infer_schema(table(note=per_row([f"note {i}" for i in range(60)])))
    assert caught.value.column == "note"
    with pytest.raises(DataError, match="column 'admitted' holds dates or times"):
        infer_schema(table(admitted=pd.Timestamp("2020-01-01")))
    with pytest.raises(DataError, match="column 'note': text longer than 128 letters"):
        infer_schema(table(note=per_row(["a" * 200, "b"])))


def test_further_identifiers_are_left_out() -> None:
    schema = infer_schema(table(hadm_id=per_stay([5, 6]), subject_id=np.repeat(np.arange(N) // 2, L)))
    assert schema.patient_id == "subject_id"
    assert "hadm_id" not in schema.columns


def test_sequence_length_leaves_nine_stays_in_ten_uncut() -> None:
    lengths = [24] * 9 + [100]
    stay = np.repeat(np.arange(10), lengths)
    hour = np.concatenate([np.arange(length) for length in lengths])
    schema = infer_schema(pd.DataFrame({"stay_id": stay, "hour": hour * 5, "x": np.linspace(0.1, 1, len(stay))}))
    assert schema.sequence_length == 24


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table().drop(columns="heart_rate"), "no column is left for a feature"),
        (table().iloc[:0], "no rows"),
        (table().rename(columns={"heart_rate": " x"}), "begins or ends with a blank"),
        (table().rename(columns={"heart_rate": "a\nb"}), "not printable"),
        (table().rename(columns={"heart_rate": "x" * 200}), "too long"),
        (pd.concat([table(), table()[["heart_rate"]]], axis=1), "column 'heart_rate' is there more than once"),
    ],
)
def test_tables_without_a_schema(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        infer_schema(frame)


def test_unicode_names_and_text_are_welcome() -> None:
    frame = table(Beatmung=per_row(["nein", "já"]), 体温=np.linspace(36.1, 40, N * L))
    assert categories(frame, "Beatmung") == ("já", "nein")
    assert feature(frame, "体温") == NumericalFeature(name="体温")


def test_text_in_a_vital_is_an_error_when_it_is_read() -> None:
    frame = table(sbp=per_row([120, "130", "high", 110]))
    with pytest.raises(DataError, match="feature 'sbp': expected numbers, found text in 100 rows"):
        arrange(frame, infer_schema(frame))


def test_a_table_like_that_of_the_sepsis_challenge() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "Hour": np.tile(np.arange(L), N),
            "HR": rng.integers(60, 120, N * L).astype(float),
            "O2Sat": rng.uniform(90, 100, N * L),
            "Temp": rng.uniform(36, 39, N * L),
            "SBP": rng.uniform(90, 160, N * L),
            "MAP": rng.uniform(60, 100, N * L),
            "DBP": rng.uniform(40, 80, N * L),
            "EtCO2": np.nan,
            "Age": per_stay([40.5, 50.25, 70.75]),
            "Gender": per_stay([0, 1]),
            "Unit1": per_stay([0.0, 1.0, np.nan]),
            "ICULOS": np.tile(np.arange(L) + 1.0, N),
            "SepsisLabel": per_row([0] * 8 + [1] * 2),
            "Patient_ID": np.repeat(np.arange(N), L),
        }
    )
    schema = infer_schema(frame)
    assert (schema.stay_id, schema.time, schema.patient_id) == ("Patient_ID", "Hour", None)
    assert [label.name for label in schema.labels] == ["Gender"]
    assert [f.name for f in schema.categorical] == ["Unit1", "SepsisLabel"]
    assert schema.rules == ("DBP <= MAP", "MAP <= SBP")
    assert arrange(frame, schema).summary.n_stays == N


def test_times_that_are_on_no_grid_are_binned() -> None:
    """Offsets in minutes that differ by stay: on their common grid of one minute, a stay would have 1,400 steps."""
    generator = np.random.default_rng(0)
    offsets = np.concatenate([np.sort(generator.choice(1400, 20, replace=False)) for _ in range(20)])
    frame = pd.DataFrame({"stay_id": np.repeat(np.arange(20), 20), "offset": offsets, "heart_rate": 80.0})
    schema = infer_schema(frame)
    assert schema.binning == Binning(step="1h", time_unit="min", origin="zero")
    assert schema.sequence_length == 24
    assert arrange(frame, schema).summary.n_rows == 400


def test_whole_steps_need_no_binning() -> None:
    assert infer_schema(table()).binning is None
