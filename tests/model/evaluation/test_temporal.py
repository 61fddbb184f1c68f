import numpy as np
import pytest

from model.evaluation.space import Floats, NotAvailable
from model.evaluation.temporal import acf, acf_mse, transition_distance, transition_matrix

RNG = np.random.default_rng(0)


def test_transition_matrix_of_a_known_sequence() -> None:
    codes = np.array([[0, 0, 1, 0], [1, 0, 0, 0]])
    np.testing.assert_allclose(transition_matrix(codes, 3), np.array([[3 / 4, 1 / 4, 0], [1, 0, 0], [0, 0, 0]]))


def test_always_staying_against_always_changing_is_the_maximum() -> None:
    stays = np.tile([[0], [1]], (1, 6))
    changes = np.tile([0, 1], (4, 3))
    p, q = transition_matrix(stays, 2), transition_matrix(changes, 2)
    assert transition_distance([p], [q]) == pytest.approx(2)
    assert transition_distance([p, p], [p, q]) == pytest.approx(1)
    assert transition_distance([p], [p]) == 0


def test_unknown_rows_count_as_equal_and_nothing_known_is_not_available() -> None:
    p, q = np.array([[np.nan, np.nan], [0.5, 0.5]]), np.array([[1.0, 0], [0.5, 0.5]])
    assert transition_distance([p], [q]) == 0
    with pytest.raises(NotAvailable, match="one time step"):
        transition_distance([np.full((2, 2), np.nan)], [np.full((2, 2), np.nan)])
    with pytest.raises(NotAvailable, match="no categorical"):
        transition_distance([], [])


def test_stays_of_one_step_have_no_course() -> None:
    codes, values = np.zeros((5, 1), dtype=np.int64), np.zeros((5, 1, 2), dtype=np.float32)
    with pytest.raises(NotAvailable, match="one time step"):
        transition_distance([transition_matrix(codes, 2)], [transition_matrix(codes, 2)])
    with pytest.raises(NotAvailable, match="one time step"):
        acf_mse(acf(values), acf(values))


def test_acf_of_an_alternating_stay() -> None:
    values = np.tile([1.0, -1.0], (3, 2))[:, :, None].astype(np.float32)
    np.testing.assert_allclose(acf(values), [[-3 / 4, 2 / 4, -1 / 4]])


def test_acf_is_the_mean_over_stays_that_vary() -> None:
    alternating = np.tile([1.0, -1.0], (1, 2))
    flat = np.ones((5, 4))
    values = np.concatenate([alternating, flat])[:, :, None].astype(np.float32)
    np.testing.assert_allclose(acf(values), [[-3 / 4, 2 / 4, -1 / 4]])


def test_acf_of_a_feature_that_never_changes_is_one_and_of_no_stays_unknown() -> None:
    np.testing.assert_array_equal(acf(np.full((5, 4, 1), 7, dtype=np.float32)), [[1, 1, 1]])
    assert np.isnan(acf(np.zeros((0, 4, 1), dtype=np.float32))).all()


def test_acf_has_at_most_24_lags() -> None:
    assert acf(RNG.normal(size=(3, 40, 2)).astype(np.float32)).shape == (2, 24)


def test_acf_mse_does_not_depend_on_the_order_of_the_stays() -> None:
    x, y = RNG.normal(size=(2, 30, 6, 2)).astype(np.float32)
    assert acf_mse(acf(x), acf(x[::-1])) == pytest.approx(0, abs=1e-12)
    assert acf_mse(acf(x), acf(y)) > 0


def test_flat_against_moving_is_a_difference() -> None:
    flat, moving = acf(np.ones((4, 3, 1), dtype=np.float32)), np.array([[0.5, 0.0]])
    assert acf_mse(flat, moving) == pytest.approx((0.5**2 + 1) / 2)
    assert acf_mse(flat, flat) == 0


def test_a_constant_has_no_autocorrelation_at_lags_that_no_stay_is_longer_than() -> None:
    inside = np.arange(6) < np.array([[3], [1], [2]])
    flat = acf(np.where(inside[:, :, None], np.float32(7), np.float32(0)), inside)
    np.testing.assert_array_equal(flat, [[1, 1, np.nan, np.nan, np.nan]])


def test_what_is_untold_on_either_side_is_left_out_of_acf_mse() -> None:
    told, half = np.array([[0.5, 0.0], [0.2, 0.1]]), np.array([[np.nan, np.nan], [0.2, 0.3]])
    assert acf_mse(told, half) == acf_mse(half, told) == pytest.approx(0.2**2 / 2)
    with pytest.raises(NotAvailable, match="no numerical"):
        acf_mse(told[:1], half[:1])


@pytest.mark.parametrize("written_and_read", [np.zeros((0, 0)), np.zeros((0, 7))])
def test_without_numerical_features_acf_mse_is_not_available(written_and_read: Floats) -> None:
    with pytest.raises(NotAvailable, match="no numerical"):
        acf_mse(acf(np.zeros((5, 8, 0), dtype=np.float32)), written_and_read)
