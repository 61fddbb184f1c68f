import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.stays import Stays
from model.evaluation.trajectories import quartiles, trajectories
from model.spec.schema import Label, NumericalFeature, Schema

RNG = np.random.default_rng(0)


def schema(*labels: Label) -> Schema:
    return Schema(stay_id="s", time="t", sequence_length=3, features=(NumericalFeature(name="x"),), labels=labels)


def stays(values: np.ndarray, labels: np.ndarray) -> Stays:
    return Stays(values.astype(np.float32)[:, :, None], np.zeros((*values.shape, 0), np.int64), labels)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0, 0.9))
def test_quartiles_are_numpys_of_what_is_measured(seed: int, n: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 3)).astype(np.float32)
    values[rng.random((n, 3)) < missing] = np.nan
    found = quartiles(values, fewest=1)
    for step in range(3):
        measured = values[~np.isnan(values[:, step]), step].astype(np.float64)
        expected = np.quantile(measured, [0.25, 0.5, 0.75]) if len(measured) else [np.nan] * 3
        np.testing.assert_allclose(found[:, step], expected, atol=1e-6)
    np.testing.assert_array_equal(quartiles(values[::-1], fewest=1), found)


@pytest.mark.parametrize(("n", "told"), [(10, (False, False, False)), (22, (False, True, False)), (44, (True,) * 3)])
def test_a_quartile_of_real_stays_has_eleven_of_them_on_either_side(n: int, told: tuple[bool, ...]) -> None:
    values = np.repeat(np.arange(n)[:, None], 3, axis=1)
    course = trajectories(stays(values, np.zeros((n, 0), np.int64)), 0, side="training", schema=schema())[0]
    assert tuple(curve[0] is not None for curve in (course.low, course.median, course.high)) == told


def test_one_course_for_each_category_of_a_label() -> None:
    labels = np.repeat([0, 1], 50)[:, None]
    values = np.repeat(np.where(labels == 1, 5.0, 1.0), 3, axis=1)
    values[:, 2] = np.nan
    label = Label(name="y", categories=("a", "b"))
    found = trajectories(stays(values, labels), 0, side="synthetic", schema=schema(label))
    assert [(one.label, one.category, one.median) for one in found] == [
        ("y", "a", (1, 1, None)),
        ("y", "b", (5, 5, None)),
    ]


def test_without_a_label_of_few_categories_there_is_one_of_all_stays() -> None:
    many = Label(name="y", categories=tuple("abcdefg"))
    values, labels = RNG.normal(size=(60, 3)), np.zeros((60, 1), np.int64)
    for side in ("synthetic", "training"):
        (course,) = trajectories(stays(values, labels), 0, side=side, schema=schema(many))
        assert (course.label, course.category) == (None, None)
        assert None not in course.median


def test_no_stays_have_an_empty_course() -> None:
    (course,) = trajectories(stays(np.zeros((0, 3)), np.zeros((0, 0), np.int64)), 0, side="synthetic", schema=schema())
    assert course.median == (None, None, None)


@pytest.mark.parametrize(("n", "is_told"), [(1, False), (10, False), (11, True)])
def test_a_quartile_of_synthetic_stays_is_of_eleven_at_its_step(n: int, is_told: bool) -> None:
    values = RNG.normal(size=(40, 3))
    values[n:, 1] = np.nan
    (course,) = trajectories(stays(values, np.zeros((40, 0), np.int64)), 0, side="synthetic", schema=schema())
    for curve in (course.low, course.median, course.high):
        assert [value is not None for value in curve] == [True, is_told, True]
