import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.arrange import arrange
from model.data.frame import to_frame
from model.spec.errors import DataError
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

NAN = float("nan")
SCHEMA = Schema(
    stay_id="stay",
    time="hour",
    sequence_length=2,
    features=(
        NumericalFeature(name="heart_rate", min=0, max=300),
        CategoricalFeature(name="ventilated", categories=("no", "yes")),
    ),
    labels=(Label(name="died", categories=("0", "1")),),
)


def table(**columns: object) -> pd.DataFrame:
    """Two stays of two hours; `columns` replaces or adds."""
    base: dict[str, object] = {
        "stay": [7, 7, 9, 9],
        "hour": [0, 1, 0, 1],
        "heart_rate": [80.0, 81.0, 90.0, 91.0],
        "ventilated": ["no", "yes", "no", "no"],
        "died": [0, 0, 1, 1],
    }
    return pd.DataFrame(base | columns)


def with_schema(**changes: Any) -> Schema:
    return SCHEMA.model_copy(update=changes)


def test_arrange_puts_every_value_in_its_place() -> None:
    stays = arrange(table(), SCHEMA).stays
    assert stays.numerical[:, :, 0].tolist() == [[80, 81], [90, 91]]
    assert stays.categorical[:, :, 0].tolist() == [[0, 1], [0, 0]]
    assert stays.labels.tolist() == [[0], [1]]
    assert stays.patients is None
    assert stays.numerical.dtype == np.float32


def test_the_order_of_rows_does_not_matter_and_stays_are_sorted_by_id() -> None:
    shuffled = table().iloc[[3, 0, 2, 1]]
    expected, found = arrange(table(), SCHEMA), arrange(shuffled, SCHEMA)
    assert np.array_equal(found.stays.numerical, expected.stays.numerical)
    assert np.array_equal(found.stays.categorical, expected.stays.categorical)
    assert found.summary == expected.summary


def test_stay_ids_may_be_any_text() -> None:
    stays = arrange(table(stay=["ß-2", "ß-2", "Ärztin", "Ärztin"]), SCHEMA).stays
    assert stays.numerical[:, :, 0].tolist() == [[90, 91], [80, 81]]  # Ä comes before ß


def test_summary_counts_what_was_done() -> None:
    frame = table(
        stay=[1, 1, 1, 2],
        hour=[0, 1, 2, 0],
        heart_rate=[-5.0, 400.0, 70.0, NAN],
        died=[0, 0, 0, 1],
        ventilated=["no", None, "yes", "yes"],
    )
    summary = arrange(frame, SCHEMA).summary
    assert (summary.n_stays, summary.n_rows, summary.n_short_stays, summary.n_cut_stays) == (2, 4, 1, 1)
    assert summary.clipped == {"heart_rate": 2}
    assert summary.missing_rate == {"heart_rate": 0.5, "ventilated": 0.5}
    assert summary.label_counts == {"died": {"0": 1, "1": 1}}


def test_values_outside_the_bounds_move_onto_them() -> None:
    stays = arrange(table(heart_rate=[-5.0, 400.0, 0.0, 300.0]), SCHEMA).stays
    assert stays.numerical[:, :, 0].tolist() == [[0, 300], [0, 300]]


def test_a_bound_that_has_no_exact_32_bit_form_clips_nothing_equal_to_it() -> None:
    schema = with_schema(features=(NumericalFeature(name="heart_rate", min=0.1, max=0.7),))
    summary = arrange(table(heart_rate=[0.1, 0.7, 0.3, 0.2]), schema).summary
    assert summary.clipped == {"heart_rate": 0}


def test_gaps_and_the_ends_of_short_stays_are_missing() -> None:
    frame = table(stay=[1, 1, 2, 2], hour=[0, 2, 0, 1])
    stays = arrange(frame, with_schema(sequence_length=4)).stays
    expected = [[80, NAN, 81, NAN], [90, 91, NAN, NAN]]
    assert np.array_equal(stays.numerical[:, :, 0], expected, equal_nan=True)
    assert stays.categorical[:, :, 0].tolist() == [[0, -1, 1, -1], [0, 0, -1, -1]]


@pytest.mark.parametrize(
    ("times", "start", "step"),
    [
        ([0, 5, 0, 10], 0, 5),  # minutes, every five
        ([-30, 0, -30, 30], -30, 30),
        ([1.0, 2.0, 1.0, 2.0], 1, 1),
        ([3, 4, 3, 4], 3, 1),
    ],
)
def test_steps_are_counted_from_the_smallest_time_in_the_common_divisor(
    times: list[float], start: float, step: float
) -> None:
    layout = arrange(table(hour=times), SCHEMA).layout
    assert (layout.time_start, layout.time_step) == (start, step)


def test_a_table_with_one_time_has_a_step_of_one() -> None:
    arranged = arrange(table(stay=[1, 2, 3, 4], hour=[6, 6, 6, 6]), with_schema(sequence_length=1))
    assert (arranged.layout.time_start, arranged.layout.time_step) == (6, 1)
    assert arranged.summary.n_short_stays == 0


def test_stays_of_a_patient_share_a_number() -> None:
    schema = with_schema(patient_id="patient", sequence_length=1)
    frame = table(stay=[1, 2, 3, 4], hour=0, patient=["b", "a", "b", "c"])
    patients = arrange(frame, schema).stays.patients
    assert patients is not None
    assert patients.tolist() == [1, 0, 1, 2]


def test_numbers_written_as_text_are_numbers() -> None:
    frame = table(heart_rate=["80", " 81.5 ", "", "NA"])
    arranged = arrange(frame, SCHEMA)
    assert np.array_equal(arranged.stays.numerical[:, :, 0], [[80, 81.5], [NAN, NAN]], equal_nan=True)
    assert {c.name: c.dtype for c in arranged.layout.columns}["heart_rate"] == "double"


@pytest.mark.parametrize(
    ("values", "categories"),
    [
        (pd.array([0, 1, None, 1], dtype="Int8"), ("0", "1")),
        ([0.0, 1.0, NAN, 1.0], ("0", "1")),
        (pd.array([False, True, None, True], dtype="boolean"), ("false", "true")),
        (pd.array([False, True, None, True], dtype="boolean"), ("0", "1")),
        (["a", "b", None, "b"], ("a", "b")),
        (["a", "b", "", "b"], ("a", "b")),
        ([0.5, 1.5, NAN, 1.5], ("0.5", "1.5")),
        ([1, 2, 1, 2], ("1.0", "2.0")),
        (pd.Categorical(["x", "y", None, "y"]), ("x", "y")),
    ],
)
def test_categories_are_compared_as_text_whatever_their_type(values: object, categories: tuple[str, ...]) -> None:
    schema = with_schema(features=(CategoricalFeature(name="ventilated", categories=categories),))
    codes = arrange(table(ventilated=values), schema).stays.categorical[:, :, 0].ravel().tolist()
    assert codes[:2] == [0, 1]
    assert codes[2] in (-1, 0)
    assert codes[3] == 1


def test_an_empty_text_can_be_a_category() -> None:
    schema = with_schema(features=(CategoricalFeature(name="ventilated", categories=("", "yes")),))
    codes = arrange(table(ventilated=["", "yes", None, "yes"]), schema).stays.categorical.ravel()
    assert codes.tolist() == [0, 1, -1, 1]


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        (
            {"heart_rate": [80, "abc", "x1", 3]},
            "heart_rate",
            "feature 'heart_rate': expected numbers, found text in 2 rows",
        ),
        ({"heart_rate": [80, np.inf, -np.inf, 3]}, "heart_rate", "infinite in 2 rows"),
        ({"heart_rate": [80, 1e300, 2, 3]}, "heart_rate", "too large for a 32-bit number in 1 row"),
        ({"heart_rate": pd.Timestamp("2020-01-01")}, "heart_rate", "expected numbers, found dates or times"),
        ({"ventilated": ["no", "perhaps", "no", "no"]}, "ventilated", "not among its categories in 1 row"),
        ({"ventilated": pd.Timestamp("2020-01-01")}, "ventilated", "not among its categories in 4 rows"),
        ({"died": [0, 0, 2, 2]}, "died", "label 'died': value that is not among its categories in 2 rows"),
        ({"died": [0, 0, 1, NAN]}, "died", "label 'died': missing in 1 row"),
        ({"died": [0, 1, 1, 1]}, "died", "label 'died': changes within 1 stay"),
        ({"died": [0, 0, 0, 0]}, "died", "label 'died': only one class present"),
        ({"stay": [7, 7, None, None]}, "stay", "stay id column 'stay': missing in 2 rows"),
        ({"stay": ["a", "a", " ", "b"]}, "stay", "stay id column 'stay': missing in 1 row"),
        ({"hour": [0, 1, 0, NAN]}, "hour", "time column 'hour': missing in 1 row"),
        ({"hour": [0, 1, 0, np.inf]}, "hour", "infinite or too large in 1 row"),
        ({"hour": [0, 0.5, 0, 1]}, "hour", "not a whole number in 1 row; bin the rows to whole steps first"),
        ({"hour": ["0", "1", "0", "1"]}, "hour", "expected whole numbers, found text"),
        ({"hour": pd.to_datetime(["2020-01-01"] * 4)}, "hour", "found dates or times; bin the rows"),
        ({"hour": [0, 0, 1, 1]}, "hour", "2 rows repeat a stay"),
    ],
)
def test_a_table_that_does_not_match_is_refused(columns: dict[str, object], column: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        arrange(table(**columns), SCHEMA)
    assert caught.value.column == column


@pytest.mark.parametrize("name", SCHEMA.columns)
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(DataError, match=f"column '{name}' is missing") as caught:
        arrange(table().drop(columns=name), SCHEMA)
    assert caught.value.column == name


def test_patients_that_change_within_a_stay_and_missing_patients_are_refused() -> None:
    schema = with_schema(patient_id="patient")
    with pytest.raises(DataError, match="patient id column 'patient': changes within 1 stay"):
        arrange(table(patient=[1, 2, 3, 3]), schema)
    with pytest.raises(DataError, match="patient id column 'patient': missing in 2 rows"):
        arrange(table(patient=[1, 1, None, None]), schema)


def test_no_rows_repeated_columns_and_giant_grids_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        arrange(table().iloc[:0], SCHEMA)
    with pytest.raises(DataError, match="column 'hour' is there more than once"):
        arrange(pd.concat([table(), table()[["hour"]]], axis=1), SCHEMA)
    n = 200_000
    wide = pd.DataFrame(
        {"stay": np.arange(n), "hour": 0, "heart_rate": 1.0, "ventilated": "no", "died": np.arange(n) % 2}
    )
    with pytest.raises(DataError, match="lower sequence_length"):
        arrange(wide, with_schema(sequence_length=2000))


def test_a_category_that_the_column_cannot_hold_is_refused() -> None:
    schema = with_schema(labels=(Label(name="died", categories=("0", "1", "unknown")),))
    with pytest.raises(DataError, match="column 'died' is of type int64 and cannot hold the category 'unknown'"):
        arrange(table(), schema)


def test_a_label_of_one_class_can_be_allowed() -> None:
    assert arrange(table(died=1), SCHEMA, one_class=True).stays.labels.tolist() == [[1], [1]]


def test_no_message_quotes_a_value() -> None:
    secret = "SECRET-4711"
    for columns in ({"heart_rate": [1, 2, 3, secret]}, {"ventilated": secret}, {"died": secret}, {"hour": secret}):
        with pytest.raises(DataError) as caught:
            arrange(table(**columns), SCHEMA)
        assert secret not in str(caught.value)
        assert caught.value.__cause__ is None


def test_layout_has_the_schemas_columns_in_the_order_of_the_source() -> None:
    frame = table(extra="ignored", heart_rate=np.array([80, 81, 90, 91], dtype=np.float32))
    frame = frame[["died", "extra", "ventilated", "hour", "heart_rate", "stay"]].astype(
        {"hour": "int8", "stay": "int8"}
    )
    layout = arrange(frame, SCHEMA).layout
    assert [(c.name, c.dtype) for c in layout.columns] == [
        ("died", "int64"),
        ("ventilated", "string"),
        ("hour", "int8"),
        ("heart_rate", "float"),
        ("stay", "int32"),  # wide enough for as many stays as anyone may ask for
    ]


def test_unicode_column_names_work() -> None:
    schema = Schema(
        stay_id="Fall№",
        time="時間",
        sequence_length=2,
        features=(NumericalFeature(name="Größe (µg/l)"),),
        labels=(Label(name="décès", categories=("0", "1")),),
    )
    frame = pd.DataFrame(
        {"Fall№": [1, 1, 2, 2], "時間": [0, 1, 0, 1], "Größe (µg/l)": [1.0, 2, 3, 4], "décès": [0, 0, 1, 1]}
    )
    arranged = arrange(frame, schema)
    assert arranged.stays.numerical[:, :, 0].tolist() == [[1, 2], [3, 4]]
    assert to_frame(arranged.stays, schema, arranged.layout).columns.tolist() == frame.columns.tolist()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_complete_tables_make_the_round_trip(data: st.DataObject) -> None:
    n, length = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 5))
    start, step = data.draw(st.integers(-50, 50)), data.draw(st.sampled_from([1, 5, 60]))
    tenths = st.lists(st.integers(-99_999, 99_999), min_size=n * length, max_size=n * length)
    words = st.lists(st.sampled_from(["no", "yes"]), min_size=n * length, max_size=n * length)
    frame = pd.DataFrame(
        {
            "hour": np.tile(start + step * np.arange(length), n),
            "stay": np.repeat(np.arange(n), length),
            "ventilated": data.draw(words),
            "heart_rate": np.array(data.draw(tenths)) / 10,
            "died": np.repeat(np.arange(n) % 2 == 0, length),
        }
    )
    features = (NumericalFeature(name="heart_rate"), CategoricalFeature(name="ventilated", categories=("no", "yes")))
    label = Label(name="died", categories=("false", "true"))
    schema = with_schema(sequence_length=length, features=features, labels=(label,))
    shuffled = frame.sample(frac=1, random_state=0)
    arranged = arrange(shuffled, schema)
    pd.testing.assert_frame_equal(to_frame(arranged.stays, schema, arranged.layout), frame)


def test_challenge_2012_is_arranged_in_less_than_a_second(challenge2012: Path) -> None:
    frame = pd.read_parquet(challenge2012)
    features = tuple(NumericalFeature(name=name) for name in frame.columns[2:-1])
    labels = (Label(name="in_hospital_death", categories=("0", "1")),)
    schema = Schema(stay_id="stay_id", time="hour", sequence_length=25, features=features, labels=labels)
    start = time.process_time()
    arranged = arrange(frame, schema)
    assert time.process_time() - start < 1
    assert arranged.summary.label_counts == {"in_hospital_death": {"0": 10_293, "1": 1_707}}
    written = to_frame(arranged.stays, schema, arranged.layout)
    pd.testing.assert_frame_equal(written.drop(columns="stay_id"), frame.drop(columns="stay_id"))


@pytest.mark.parametrize("stray", [-60, 31])
def test_one_stray_time_that_empties_the_grid_is_refused(stray: int) -> None:
    """Twelve steps of an hour, in minutes: with one time far before, or off the hour, most stays would be cut."""
    minutes = np.tile(np.arange(12) * 60, 30)
    minutes[5] = stray * (60 if stray < 0 else 1)
    frame = pd.DataFrame({"stay": np.repeat(np.arange(30), 12), "hour": minutes, "heart_rate": 80.0})
    schema = with_schema(sequence_length=12, features=SCHEMA.numerical, labels=())
    with pytest.raises(DataError, match="stays go beyond the first 12 steps") as caught:
        arrange(frame, schema)
    assert caught.value.column == "hour"


def static_schema() -> Schema:
    features = (
        NumericalFeature(name="age", min=0, max=120, static=True),
        CategoricalFeature(name="unit", categories=("medical", "surgical"), static=True),
    )
    return with_schema(features=(*SCHEMA.features, *features), sequence_length=3)


def test_a_static_feature_has_the_value_of_its_stay_at_every_step() -> None:
    frame = table(age=[NAN, 60.0, NAN, NAN], unit=["surgical", None, None, None])
    arranged = arrange(frame, static_schema())
    assert arranged.stays.numerical[0, :, 1].tolist() == [60, 60, 60]  # also where the stay has no row
    assert np.isnan(arranged.stays.numerical[1, :, 1]).all()
    assert arranged.stays.categorical[:, :, 1].tolist() == [[1, 1, 1], [-1, -1, -1]]
    assert arranged.summary.missing_rate["age"] == 0.5
    assert arranged.summary.missing_rate["heart_rate"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("name", "values"), [("age", [60.0, 61.0, 70.0, 70.0]), ("unit", ["medical", "surgical"] * 2)])
def test_a_static_feature_that_changes_is_an_error_that_counts_stays(name: str, values: list[object]) -> None:
    columns = {"age": 60.0, "unit": "medical"} | {name: values}
    stays = "2 stays" if name == "unit" else "1 stay"
    with pytest.raises(DataError, match=f"static feature '{name}': changes within {stays}; it must be constant$") as e:
        arrange(table(**columns), static_schema())
    assert e.value.column == name


def test_a_static_value_in_a_row_that_is_cut_is_the_value_of_the_stay() -> None:
    frame = table(age=[NAN, 60.0, NAN, 70.0], unit="medical")
    stays = arrange(frame, static_schema().model_copy(update={"sequence_length": 1})).stays
    assert stays.numerical[:, 0, 1].tolist() == [60, 70]


def ragged_table() -> pd.DataFrame:
    """Stay 7 lasts for two hours, stay 9 for four, of which the third has no row."""
    return pd.DataFrame(
        {
            "stay": [7, 7, 9, 9, 9],
            "hour": [0, 1, 0, 1, 3],
            "heart_rate": [80.0, NAN, 90.0, 91.0, 93.0],
            "ventilated": ["no", "yes", "no", "no", None],
            "died": [0, 0, 1, 1, 1],
        }
    )


def test_with_variable_length_a_stay_ends_with_its_last_row() -> None:
    arranged = arrange(ragged_table(), with_schema(variable_length=True, sequence_length=4))
    assert arranged.stays.n_steps.tolist() == [2, 4]
    assert arranged.summary.n_short_stays == 1
    assert arranged.summary.missing_rate == {"heart_rate": 2 / 6, "ventilated": 2 / 6}  # of the steps that there are
    padded = arrange(ragged_table(), with_schema(sequence_length=4))
    assert padded.stays.lengths is None
    assert padded.summary.missing_rate == {"heart_rate": 4 / 8, "ventilated": 4 / 8}


def test_longer_stays_are_cut_to_the_sequence_length() -> None:
    arranged = arrange(ragged_table(), with_schema(variable_length=True, sequence_length=3))
    assert arranged.stays.n_steps.tolist() == [2, 3]
    assert (arranged.summary.n_cut_stays, arranged.summary.n_short_stays) == (1, 1)


def test_a_static_value_ends_with_its_stay() -> None:
    frame = ragged_table().assign(age=[60.0, 60.0, 70.0, 70.0, 70.0], unit="medical")
    schema = static_schema().model_copy(update={"variable_length": True, "sequence_length": 4})
    stays = arrange(frame, schema).stays
    assert np.array_equal(stays.numerical[0, :, 1], [60, 60, NAN, NAN], equal_nan=True)
    assert stays.categorical[0, :, 1].tolist() == [0, 0, -1, -1]
    assert stays.numerical[1, :, 1].tolist() == [70] * 4
