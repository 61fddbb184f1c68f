import numpy as np
import pytest

from model.data.scaling import N_KNOTS, Knots, fit_knots, from_scores, to_scores

RNG = np.random.default_rng(0)
SKEWED = RNG.lognormal(0, 1, (4_000, 5)).astype(np.float32)
CLUMPED = np.where(RNG.random((4_000, 5)) < 0.6, 97.0, RNG.normal(95, 2, (4_000, 5))).astype(np.float32)
NAN = np.float32(np.nan)


def knots_of(values: np.ndarray) -> Knots:
    return fit_knots(values, values, low=float(values.min()), high=float(values.max()), shared_by=11)


def test_scores_of_a_skewed_feature_are_normal() -> None:
    scores = to_scores(SKEWED, knots_of(SKEWED))
    assert scores.dtype == np.float32
    assert scores.mean() == pytest.approx(0, abs=1e-3)
    assert scores.std() == pytest.approx(1, abs=1e-3)
    assert np.quantile(scores, [0.025, 0.16, 0.5, 0.84, 0.975]) == pytest.approx([-1.96, -1, 0, 1, 1.96], abs=0.05)
    assert len(knots_of(SKEWED)) == N_KNOTS + 2


@pytest.mark.parametrize("values", [SKEWED, CLUMPED])
def test_there_and_back(values: np.ndarray) -> None:
    knots = knots_of(values)
    assert from_scores(to_scores(values, knots), knots) == pytest.approx(values, rel=1e-4)


def test_values_that_many_share_have_one_knot() -> None:
    knots = knots_of(CLUMPED)
    assert len(knots) < 0.6 * N_KNOTS
    assert [at for at, _ in knots] == sorted({at for at, _ in knots})
    assert to_scores(CLUMPED, knots).std() == pytest.approx(1, abs=1e-3)


def test_what_lies_beyond_the_last_knot_has_its_score() -> None:
    """Two knots may be near to each other: at the slope between them, an outlier would have an absurd score."""
    knots = ((0.0, -1.0), (0.001, 0.0), (3.0, 1.0))
    assert to_scores(np.array([-50, 5], np.float32), knots).tolist() == [-1, 1]
    assert from_scores(np.array([-2, 2], np.float32), knots).tolist() == [0, 3]


def test_without_knots_values_stay_as_they_are_and_a_missing_value_stays_missing() -> None:
    assert to_scores(np.array([7], np.float32), ()).tolist() == [7]
    assert from_scores(np.array([7], np.float32), ()).tolist() == [7]
    assert np.isnan(to_scores(np.array([NAN]), knots_of(SKEWED))).all()


@pytest.mark.parametrize("share", [0.0, 0.012, 1.0])
@pytest.mark.parametrize("bounds", [(7.0, 7.0), (0.0, 100.0), (8.0, 100.0)])
def test_a_constant_has_no_knots_however_often_it_was_measured(share: float, bounds: tuple[float, float]) -> None:
    """Also within bounds from elsewhere: those of the schema, where few stays were measured."""
    filled = np.full((1_000, 4), 7, np.float32)
    measured = np.where(np.arange(1_000)[:, None] < 1_000 * share, filled, NAN)
    assert fit_knots(filled, measured, low=bounds[0], high=bounds[1], shared_by=11) == ()


def smallest_company(knots: Knots, measured: np.ndarray) -> int:
    """The fewest stays that have values from one knot to the next."""
    at = np.array([value for value, _ in knots])
    inside = (measured[..., None] > at[:-1]) & (measured[..., None] <= at[1:])
    return int(inside.any(axis=1).sum(axis=0).min())


@pytest.mark.parametrize("n_stays", [30, 60, 300])
def test_from_each_knot_to_the_next_there_are_values_of_eleven_stays(n_stays: int) -> None:
    values = np.random.default_rng(1).normal(50, 10, (n_stays, 25)).astype(np.float32)
    knots = fit_knots(values, values, low=30.0, high=70.0, shared_by=11)
    assert len(knots) > 10
    assert smallest_company(knots, values) >= 11


def test_knots_of_a_few_stays_do_not_tell_what_each_has() -> None:
    """One value in each of 30 stays: 11th and 20th are the bounds, and 9 between them are too few for a knot."""
    values = np.repeat(np.arange(30, dtype=np.float32)[:, None], 25, axis=1)
    assert fit_knots(values, values, low=10.0, high=19.0, shared_by=11) == ()
    knots = fit_knots(values, values, low=-1.0, high=30.0, shared_by=11)
    assert [value for value, _ in knots] == [-1, 10, 30]


def test_knots_of_a_feature_that_twelve_stays_have_do_not_tell_them_apart() -> None:
    """Most of the filled values are the mean. A knot there would part the twelve."""
    measured = np.full((1_000, 5), NAN)
    measured[:12] = np.random.default_rng(2).normal(7, 1, (12, 1))
    filled = np.where(np.isnan(measured), np.float32(7), measured)
    assert fit_knots(filled, measured, low=0.0, high=20.0, shared_by=11) == ()
