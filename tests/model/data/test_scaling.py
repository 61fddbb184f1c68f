import numpy as np
import pytest

from model.data.scaling import N_KNOTS, fit_knots, from_scores, to_scores

RNG = np.random.default_rng(0)
SKEWED = RNG.lognormal(0, 1, 20_000).astype(np.float32)
CLUMPED = np.where(RNG.random(20_000) < 0.6, 97.0, RNG.normal(95, 2, 20_000)).astype(np.float32)


def knots_of(values: np.ndarray) -> tuple[tuple[float, float], ...]:
    return fit_knots(values, low=float(values.min()), high=float(values.max()))


def test_scores_of_a_skewed_feature_are_normal() -> None:
    scores = to_scores(SKEWED, knots_of(SKEWED))
    assert scores.mean() == pytest.approx(0, abs=1e-3)
    assert scores.std() == pytest.approx(1, abs=1e-3)
    assert np.quantile(scores, [0.025, 0.16, 0.5, 0.84, 0.975]) == pytest.approx([-1.96, -1, 0, 1, 1.96], abs=0.05)


@pytest.mark.parametrize("values", [SKEWED, CLUMPED])
def test_there_and_back(values: np.ndarray) -> None:
    knots = knots_of(values)
    assert from_scores(to_scores(values, knots), knots) == pytest.approx(values, rel=1e-4)


def test_values_that_many_share_have_one_knot() -> None:
    knots = knots_of(CLUMPED)
    assert len(knots) < 0.6 * N_KNOTS
    assert [at for at, _ in knots] == sorted({at for at, _ in knots})
    assert to_scores(CLUMPED, knots).std() == pytest.approx(1, abs=1e-3)


def test_what_lies_beyond_the_last_knot_goes_on_at_its_slope() -> None:
    knots = ((0.0, -1.0), (1.0, 0.0), (3.0, 1.0))
    assert to_scores(np.array([-1, 5], np.float32), knots).tolist() == [-2, 2]
    assert from_scores(np.array([-2, 2], np.float32), knots).tolist() == [-1, 5]


def test_a_constant_has_no_knots_and_a_missing_value_stays_missing() -> None:
    assert knots_of(np.full(100, 7, np.float32)) == ()
    assert fit_knots(np.full(100, 36.6, np.float32), low=25, high=45) == ()  # the schema's bounds
    assert to_scores(np.array([7], np.float32), ()).tolist() == [7]
    assert np.isnan(to_scores(np.array([np.nan], np.float32), knots_of(SKEWED))).all()
