import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.data.imputation import impute, impute_codes

NAN = float("nan")


def series(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(1, -1, 1)


@pytest.mark.parametrize(
    ("given_values", "filled"),
    [
        ((1, NAN, NAN, 4), (1, 1, 1, 4)),  # the last observation is carried forward
        ((NAN, 2, NAN, 6), (4, 2, 2, 6)),  # before the first one: the stay's mean of what was observed
        ((NAN, NAN, NAN), (7, 7, 7)),  # nothing in this stay: the training mean
        ((1, 2, 3), (1, 2, 3)),
    ],
)
def test_impute_fills_by_the_rule(given_values: tuple[float, ...], filled: tuple[float, ...]) -> None:
    result = impute(series(*given_values), np.array([7.0]))
    assert result.ravel().tolist() == list(filled)
    assert result.dtype == np.float32


def test_impute_keeps_stays_and_features_apart() -> None:
    numerical = np.full((2, 2, 2), np.nan, dtype=np.float32)
    numerical[0, 0, 0] = 5
    numerical[1, 1, 1] = 9
    filled = impute(numerical, np.array([1.0, 2.0]))
    assert filled.tolist() == [[[5, 2], [5, 2]], [[1, 9], [1, 9]]]


def test_impute_does_not_change_its_argument_and_takes_no_features() -> None:
    numerical = series(NAN, 1)
    impute(numerical, np.array([0.0]))
    assert np.isnan(numerical[0, 0, 0])
    assert impute(np.empty((3, 4, 0), dtype=np.float32), np.empty(0)).shape == (3, 4, 0)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.just(NAN) | st.floats(-9, 9, width=32),
    )
)
def test_impute_keeps_what_was_observed_and_leaves_nothing_missing(numerical: np.ndarray) -> None:
    filled = impute(numerical, np.zeros(numerical.shape[2]))
    observed = ~np.isnan(numerical)
    assert not np.isnan(filled).any()
    assert np.array_equal(filled[observed], numerical[observed])
    assert np.array_equal(impute(filled, np.ones(numerical.shape[2])), filled)


@pytest.mark.parametrize(
    ("codes", "filled"),
    [
        ([0, -1, 2, -1], [0, 0, 2, 2]),  # forward
        ([-1, -1, 1, -1], [1, 1, 1, 1]),  # backward before the first
        ([-1, -1], [3, 3]),  # nothing observed: the training mode
    ],
)
def test_impute_codes_fills_by_the_rule(codes: list[int], filled: list[int]) -> None:
    result = impute_codes(np.array(codes).reshape(1, -1, 1), np.array([3]))
    assert result.ravel().tolist() == filled
