import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.missingness import co_missing, co_missing_mae, gaps, marks, run_shares, runs_distance
from model.evaluation.space import NotAvailable, to_table
from model.spec.schema import CategoricalFeature, NumericalFeature, Schema

RNG = np.random.default_rng(0)


def from_text(*rows: str) -> np.ndarray:
    """`x` is missing."""
    return np.array([[mark == "x" for mark in row] for row in rows])


def test_gaps_end_where_a_value_follows_or_the_stay_ends() -> None:
    found = gaps(from_text("x.xx.", "..xxx", "....."))
    np.testing.assert_array_equal(found, [[0, -1, -1, 1, -1], [-1, -1, -1, -1, 2], [-1] * 5])


@pytest.mark.parametrize(
    ("length", "kind"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (16, 4), (17, 5), (40, 5)]
)
def test_gaps_by_length(length: int, kind: int) -> None:
    shares = run_shares(np.array([[False, *[True] * length, False]]), real=False)
    np.testing.assert_array_equal(shares, np.eye(6)[kind])


def test_shares_of_gaps_counted_by_hand() -> None:
    shares = run_shares(from_text("x.xx.x", "xxxxx."), real=False)
    np.testing.assert_allclose(shares, [2 / 4, 1 / 4, 0, 1 / 4, 0, 0])
    assert run_shares(from_text("...."), real=False).shape == (0,)
    assert run_shares(np.zeros((0, 4), dtype=bool), real=True).shape == (0,)


def test_gaps_of_ten_stays_are_not_told() -> None:
    missing = np.zeros((500, 6), dtype=bool)
    missing[:300, 0] = True
    missing[:10, 2:5] = True
    np.testing.assert_array_equal(run_shares(missing, real=True), [1, 0, 0, 0, 0, 0])
    assert run_shares(missing, real=False)[2] > 0
    np.testing.assert_array_equal(run_shares(missing[:10], real=True), np.zeros(6))


def test_distance_of_gap_lengths() -> None:
    ones, twos = np.eye(6)[0], np.eye(6)[1]
    assert runs_distance(ones, ones) == 0
    assert runs_distance(ones, twos) == 1
    assert runs_distance(ones, np.zeros(0)) == 1
    assert np.isnan(runs_distance(np.zeros(0), np.zeros(0)))
    assert np.isnan(runs_distance(ones, np.zeros(6)))


def test_phi_of_equal_opposite_and_independent_marks() -> None:
    a = RNG.random((400, 10)) < 0.4
    b = RNG.random((400, 10)) < 0.4
    phi = co_missing(np.stack([a, a, ~a, b], axis=2), real=False)
    assert phi[0, 1] == pytest.approx(1)
    assert phi[0, 2] == pytest.approx(-1)
    assert abs(phi[0, 3]) < 0.06


def test_phi_is_that_of_the_four_field_table() -> None:
    a, b = from_text("xxxx......").T, from_text("xx..x.....").T
    expected = (0.2 - 0.4 * 0.3) / np.sqrt(0.4 * 0.6 * 0.3 * 0.7)
    assert co_missing(np.stack([a, b], axis=2), real=False)[0, 1] == pytest.approx(expected)


def test_what_is_never_missing_is_missing_with_nothing() -> None:
    a = RNG.random((50, 4)) < 0.5
    np.testing.assert_allclose(co_missing(np.stack([a, np.zeros_like(a)], axis=2), real=False), [[1, 0], [0, 0]])


@pytest.mark.parametrize("few", range(1, 11))
def test_phi_does_not_say_how_few_stays_miss_only_one_of_two(few: int) -> None:
    a = RNG.random((2000, 8)) < 0.5
    b = a.copy()
    b[:few, 0] = ~b[:few, 0]
    told = co_missing(np.stack([a, b], axis=2), real=True)
    np.testing.assert_allclose(told, 1, atol=0.02)
    same = co_missing(np.stack([a, a], axis=2), real=True)
    np.testing.assert_allclose(told, same, atol=0.02)
    exact = co_missing(np.stack([a, b], axis=2), real=False)[0, 1]
    assert told[0, 1] != pytest.approx(exact, abs=1e-9)


def test_phi_of_few_stays_is_not_told() -> None:
    missing = RNG.random((10, 5, 2)) < 0.5
    assert np.isnan(co_missing(missing, real=True)).all()
    missing = RNG.random((30, 5, 2)) < 0.5
    missing[:, :, 1] = missing[:, :, 0]
    missing[0, 0, 1] ^= True
    assert np.isnan(co_missing(missing, real=True)[0, 1])


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.floats(0, 1))
def test_properties_of_phi(seed: int, n: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    missing = rng.random((n, 4, 3)) < rate
    phi = co_missing(missing, real=False)
    assert co_missing_mae(phi, phi) == 0
    np.testing.assert_allclose(co_missing(missing[rng.permutation(n)], real=False), phi, atol=1e-9)
    assert (np.abs(phi) <= 1).all()


def test_the_difference_leaves_out_what_is_not_told() -> None:
    a = np.array([[1, 0.5, 0.1], [0.5, 1, 0.2], [0.1, 0.2, 1]])
    b = np.array([[1, np.nan, 0.3], [np.nan, 1, 0.2], [0.3, 0.2, 1]])
    assert co_missing_mae(a, b) == pytest.approx(0.1)
    with pytest.raises(NotAvailable, match="fewer than two"):
        co_missing_mae(a[:1, :1], b[:1, :1])
    with pytest.raises(NotAvailable, match="not measured"):
        co_missing_mae(a, np.zeros((0, 0)))


def test_marks_are_of_all_features_that_can_be_missing() -> None:
    schema = Schema(
        stay_id="s",
        time="t",
        sequence_length=2,
        features=(
            NumericalFeature(name="x"),
            CategoricalFeature(name="c", categories=("a", "b")),
            CategoricalFeature(name="d", categories=("a", "b")),
        ),
    )
    codes = np.array([[[0, 1], [-1, 0]]])
    stays = Stays(np.array([[[np.nan], [1.0]]], np.float32), codes, np.zeros((1, 0), np.int64))
    names, missing = marks(to_table(stays, Codec.fit(stays, schema)))
    assert names == ("c", "x")
    np.testing.assert_array_equal(missing[0], [[False, True], [True, False]])
