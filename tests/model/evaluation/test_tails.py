import numpy as np

from model.data.stays import Stays
from model.evaluation.tails import Ends, common_tails, exact_ends, tail_distances, tails_told

NAN = np.nan


def test_ends_are_exact_and_of_eleven_stays_or_more() -> None:
    values = np.random.default_rng(0).normal(size=(30, 4, 2)).astype(np.float32)
    values[10:, :, 1] = NAN
    ends = exact_ends(Stays(values, np.zeros((30, 4, 0), np.int64), np.zeros((30, 0), np.int64)))
    np.testing.assert_allclose(ends[0], np.quantile(values[:, :, 0].astype(np.float64), [0.001, 0.999]))
    assert np.isnan(ends[1]).all()


def test_only_common_tails_are_compared() -> None:
    a, b, c = np.array([[1, 2], [3, NAN]]), np.array([[0, 0], [0, 0]]), np.array([[0, NAN], [0, 0]])
    assert common_tails(a, b, None).tolist() == [[True, True], [True, False]]
    assert common_tails(a, b, c).tolist() == [[True, False], [True, False]]
    distances = tail_distances(Ends(a, b, common_tails(a, b, c)), (2.0, None))
    np.testing.assert_array_equal(distances, [[0.5, NAN], [NAN, NAN]])
    assert tails_told(distances) == "1 of 4 tails"
    assert tails_told(np.zeros((2, 2))) is None
