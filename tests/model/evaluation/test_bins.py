import numpy as np
import numpy.typing as npt

from model.evaluation.bins import bins_of, full_bins, shared_edges

RNG = np.random.default_rng(0)


def column(values: list[float] | npt.NDArray[np.int64], n: int = 200) -> npt.NDArray[np.float32]:
    return np.resize(np.array(values, dtype=np.float32), (n, 1))


def test_edges_lie_between_whole_numbers() -> None:
    edges = shared_edges([column(np.arange(60, 100), 4000)])
    assert edges[0] == 59.5
    assert edges[-1] == 99.5
    np.testing.assert_allclose(np.diff(edges), 1)


def test_edges_have_a_round_width_where_values_are_not_rounded() -> None:
    edges = shared_edges([RNG.normal(0, 1, (4000, 1)).astype(np.float32)])
    np.testing.assert_allclose(np.unique(np.round(np.diff(edges)[3:-3], 9)), [0.2])
    assert len(edges) < 42


def test_every_bin_holds_eleven_stays_of_each_side() -> None:
    train, holdout = (RNG.standard_t(2, (n, 3)).astype(np.float32) for n in (500, 150))
    edges = np.array(shared_edges([train, holdout]))
    for side in (train, holdout):
        index = np.searchsorted(edges[1:-1], side, side="right")
        assert min((index == i).any(axis=1).sum() for i in range(len(edges) - 1)) >= 11


def test_constant_and_absent_values_have_edges_that_make_sense() -> None:
    low, high = shared_edges([column([5.0])])
    assert low < 5 < high
    assert shared_edges([column([np.nan])]) == ()
    assert shared_edges([column([1.0, 2.0], 10)]) == ()


def test_values_find_their_bin() -> None:
    values = np.array([[-5.0, 0.0, 0.9, 1.0, 7.0, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(bins_of(values, np.array([0.0, 1.0, 2.0])), [[0, 0, 0, 1, 1, -1]])


def test_bins_are_merged_until_each_group_fills_them() -> None:
    first = np.zeros((40, 4), dtype=bool)
    first[:20, 0] = first[20:, 2] = True
    second = np.zeros((30, 4), dtype=bool)
    second[:15, 1] = second[15:, 3] = True
    np.testing.assert_array_equal(full_bins([first]), [0, 1, 4])
    np.testing.assert_array_equal(full_bins([first, second]), [0, 2, 4])
    np.testing.assert_array_equal(full_bins([first[:10]]), [0, 4])


def test_a_bin_may_be_empty_for_a_group_where_that_is_allowed() -> None:
    first, second = np.zeros((40, 4), dtype=bool), np.zeros((40, 4), dtype=bool)
    first[:, :2] = second[:, 2:] = True
    np.testing.assert_array_equal(full_bins([first, second], or_empty=True), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(full_bins([first, second]), [0, 4])
    second[0, 3] = first[0, 3] = True  # one stay of the first group among the second
    np.testing.assert_array_equal(full_bins([first, second], or_empty=True), [0, 1, 4])
