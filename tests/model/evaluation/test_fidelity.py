import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.fidelity import (
    binned_wasserstein,
    correlation,
    correlation_mae,
    frequencies,
    marginal_ks,
    mmd,
    total_variation,
    wasserstein,
)
from model.evaluation.space import NotAvailable

RNG = np.random.default_rng(0)


def test_total_variation_of_equal_and_of_disjoint_columns() -> None:
    codes = RNG.integers(0, 3, (20, 5))
    p = frequencies(codes, 4)
    assert total_variation([p], [p]) == 0
    assert total_variation([frequencies(codes, 6)], [frequencies(codes + 3, 6)]) == pytest.approx(1)


def test_total_variation_is_the_share_of_entries_to_change() -> None:
    p, q = np.array([0.5, 0.5]), np.array([0.6, 0.4])
    assert total_variation([p, p], [q, p]) == pytest.approx(0.05)


def test_total_variation_leaves_out_what_is_unknown() -> None:
    unknown = np.full(2, np.nan)
    assert total_variation([unknown, np.array([1.0, 0])], [np.array([0.5, 0.5]), np.array([0, 1.0])]) == 1
    with pytest.raises(NotAvailable, match="no categorical feature"):
        total_variation([], [])


def test_marginal_ks_of_equal_disjoint_and_shifted_histograms() -> None:
    p, q = np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.5, 0.5])
    assert marginal_ks(p, p) == 0
    assert marginal_ks(p, q) == 1
    assert marginal_ks(p, np.array([0.25, 0.5, 0.25, 0])) == pytest.approx(0.25)


def test_correlation_agrees_with_numpy() -> None:
    x = RNG.normal(size=(40, 6, 3)).astype(np.float32)
    x[:, :, 1] += x[:, :, 0]
    np.testing.assert_allclose(correlation(x), np.corrcoef(x.reshape(-1, 3).T), atol=1e-6)


def test_correlation_mae_from_together_to_opposite_is_two() -> None:
    x = RNG.normal(size=(50, 4, 1)).astype(np.float32)
    together, opposite = np.concatenate([x, x], axis=2), np.concatenate([x, -x], axis=2)
    assert correlation_mae(correlation(together), correlation(opposite)) == pytest.approx(2)
    assert correlation_mae(correlation(together), correlation(together)) == 0


def test_a_feature_constant_on_one_side_counts_as_uncorrelated() -> None:
    x = RNG.normal(size=(50, 4, 1)).astype(np.float32)
    together, half = np.concatenate([x, x], axis=2), np.concatenate([x, np.ones_like(x)], axis=2)
    assert correlation_mae(correlation(together), correlation(half)) == pytest.approx(1)
    np.testing.assert_allclose(correlation(half), [[1, 0], [0, 0]], atol=1e-6)
    assert correlation_mae(correlation(half), correlation(half)) == 0
    with pytest.raises(NotAvailable, match="fewer than two"):
        correlation_mae(correlation(x), correlation(x))


def test_correlations_untold_on_either_side_are_left_out() -> None:
    told = np.array([[1, 0.5, 0.3], [0.5, 1, 0], [0.3, 0, 1]])
    other = np.array([[np.nan, np.nan, np.nan], [np.nan, 1, 0.2], [np.nan, 0.2, 1]])
    assert correlation_mae(told, other) == correlation_mae(other, told) == pytest.approx(0.2)
    with pytest.raises(NotAvailable, match="fewer than two"):
        correlation_mae(told, np.full((3, 3), np.nan))


def test_mmd_of_equal_sets_is_zero_and_of_far_ones_about_its_maximum() -> None:
    x = RNG.normal(size=(60, 5)).astype(np.float32)
    assert mmd(x, x) == pytest.approx(0, abs=1e-6)
    points = np.zeros((40, 5), dtype=np.float32)
    # Two points, as far apart as the median says: k = 1 within and exp(-1) between.
    assert mmd(points, points[:41] + 1) == pytest.approx(np.sqrt(2 - 2 * np.exp(-1)))


def test_mmd_is_the_textbook_sum_whatever_the_order_of_the_stays() -> None:
    a, b = RNG.normal(size=(7, 3)), RNG.normal(1, 1, size=(11, 3))
    both = np.concatenate([a, b])
    squared = ((both[:, None] - both[None]) ** 2).sum(axis=2)
    kernel = np.exp(-squared / np.median(squared[np.triu_indices(18, 1)]))
    expected = kernel[:7, :7].mean() + kernel[7:, 7:].mean() - 2 * kernel[:7, 7:].mean()
    found = mmd(a.astype(np.float32), b.astype(np.float32))
    assert found == pytest.approx(np.sqrt(expected), abs=1e-5)
    assert mmd(a[::-1].astype(np.float32), b.astype(np.float32)) == pytest.approx(found)


def test_mmd_of_identical_points_everywhere_is_zero() -> None:
    assert mmd(np.ones((5, 2), np.float32), np.ones((6, 2), np.float32)) == 0
    with pytest.raises(NotAvailable):
        mmd(np.ones((0, 2), np.float32), np.ones((6, 2), np.float32))


def test_wasserstein_of_shifted_normals_is_the_shift() -> None:
    a, b = RNG.normal(0, 1, 50_000), RNG.normal(1, 1, 40_000)
    assert wasserstein(a, b) == pytest.approx(1, abs=0.03)
    assert wasserstein(a, a) == 0
    assert np.isnan(wasserstein(a, np.zeros(0)))


def test_wasserstein_is_the_mean_way_of_the_values() -> None:
    assert wasserstein(np.array([0.0, 1.0, 3.0]), np.array([5.0, 6.0, 8.0])) == pytest.approx(5)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.floats(-10, 10), st.floats(0, 1))
def test_wasserstein_grows_with_the_shift_and_knows_no_order(values: list[float], shift: float, share: float) -> None:
    a = np.array(values)
    assert wasserstein(a, a + shift) == pytest.approx(abs(shift), abs=1e-9)
    assert wasserstein(a, a[::-1] + share * shift) <= wasserstein(a, a + shift) + 1e-9


def test_binned_wasserstein_moves_a_bin_to_the_next() -> None:
    edges = np.array([0.0, 1.0, 2.0, 4.0])
    assert binned_wasserstein(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), edges) == pytest.approx(1)
    assert binned_wasserstein(np.array([0, 1.0, 0]), np.array([0, 0, 1.0]), edges) == pytest.approx(1.5)
    assert binned_wasserstein(np.ones(3) / 3, np.ones(3) / 3, edges) == 0


def test_binned_wasserstein_is_that_of_values_spread_within_the_bins() -> None:
    edges, p, q = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.5, 0.0, 0.5]), np.array([0.1, 0.8, 0.1])
    grid = np.linspace(0, 3, 30_001)
    cdf = [np.interp(grid, edges, np.concatenate([[0], np.cumsum(w)])) for w in (p, q)]
    assert binned_wasserstein(p, q, edges) == pytest.approx(np.abs(cdf[0] - cdf[1]).mean() * 3, abs=1e-3)
