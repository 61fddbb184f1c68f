import numpy as np
import pytest

from model.evaluation import disclosure
from model.evaluation.disclosure import safe_rates, safe_shares, stays_per_cell


def test_shares_of_many_stays_are_exact() -> None:
    np.testing.assert_allclose(safe_shares(np.array([30.0, 10]), np.array([30, 11]), total=41), [0.75, 0.25])


def test_a_cell_of_ten_stays_is_told_as_none() -> None:
    told = safe_shares(np.array([500.0, 480, 10]), np.array([500, 480, 10]), total=990)
    assert told[2] == 0
    assert told.sum() == pytest.approx(1)
    np.testing.assert_allclose(told, [0.51, 0.49, 0], atol=0.01)


@pytest.mark.parametrize("small", range(1, 11))
def test_shares_do_not_say_how_small_the_hidden_cell_was(small: int) -> None:
    told = safe_shares(np.array([600.0, 400 - small, small]), np.array([600, 400 - small, small]), total=1000)
    np.testing.assert_allclose(told, [0.6, 0.4, 0], atol=0.011)
    of_one = safe_shares(np.array([600.0, 399, 1]), np.array([600, 399, 1]), total=1000)
    np.testing.assert_allclose(told, of_one, atol=0.011)


def test_nothing_left_is_all_zero() -> None:
    np.testing.assert_array_equal(safe_shares(np.array([5.0, 4]), np.array([5, 4]), total=9), [0, 0])
    np.testing.assert_array_equal(safe_shares(np.zeros(2), np.zeros(2, np.int64), total=0), [0, 0])


def test_rates_near_zero_and_one_are_told_as_zero_and_one() -> None:
    np.testing.assert_allclose(safe_rates(np.array([0, 10, 11, 89, 90, 100]), total=100), [0, 0, 0.11, 0.89, 1, 1])
    np.testing.assert_array_equal(safe_rates(np.array([3, 7]), total=10), [0, 0])


def test_stays_per_cell_counts_a_stay_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = np.array([[0, 0, 2], [2, -1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(stays_per_cell(cells, 4), [1, 0, 2, 0])
    np.testing.assert_array_equal(stays_per_cell(np.zeros((0, 3), np.int64), 2), [0, 0])
    big = np.random.default_rng(0).integers(-1, 5, (100, 7))
    whole = stays_per_cell(big, 5)
    monkeypatch.setattr(disclosure, "CELLS_AT_ONCE", 18)
    np.testing.assert_array_equal(stays_per_cell(big, 5), whole)


def test_shares_can_be_rounded_for_the_sake_of_others() -> None:
    told = safe_shares(np.array([607.0, 393]), np.array([607, 393]), total=1000, rounded=True)
    np.testing.assert_allclose(told, [0.61, 0.39])
