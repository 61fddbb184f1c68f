import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.privacy.intervals import GATE_TAIL, balanced, difference, lower, upper


def test_bounds_of_a_share_are_the_textbook_ones() -> None:
    assert lower(0, 10) == 0.0
    assert upper(10, 10) == 1.0
    assert upper(0, 100) == pytest.approx(1 - 0.025 ** (1 / 100))  # the rule of three, exactly
    assert (lower(5, 50), upper(5, 50)) == pytest.approx((0.0333, 0.2181), abs=1e-4)
    assert (lower(0, 0), upper(0, 0)) == (0.0, 1.0)


def test_a_bound_is_beyond_the_truth_as_rarely_as_said() -> None:
    seen = np.random.default_rng(0).binomial(200, 0.1, 4_000)
    beyond = np.mean([lower(k, 200) > 0.1 for k in seen])
    assert beyond <= 0.03


def test_odds_are_divided_by_those_of_chance() -> None:
    assert balanced(0.8, 0.8) == pytest.approx(0.5)
    assert balanced(0.5, 0.5) == pytest.approx(0.5)
    assert balanced(0.9, 0.8) == pytest.approx(2.25 / 3.25)
    assert (balanced(0.0, 0.8), balanced(1.0, 0.8), balanced(1.0, 1.0)) == (0.0, 1.0, 0.5)


@given(k=st.integers(0, 100), base=st.integers(0, 100))
def test_the_interval_of_a_difference_holds_it_and_the_gates_is_wider(k: int, base: int) -> None:
    low, high = difference(k, 100, base, 100)
    assert low <= (k - base) / 100 <= high
    assert difference(k, 100, base, 100, tail=GATE_TAIL)[0] <= low
