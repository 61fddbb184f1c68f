from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.distributions import (
    describe,
    feature_reports,
    mean_distance,
    with_synthetic,
)
from model.evaluation.space import NotAvailable
from model.spec.figures import FeatureReport


def test_a_numerical_feature_in_figures() -> None:
    values = np.tile(np.arange(100, dtype=np.float32), (30, 1))
    values[:, 50:] = np.nan
    stays = Stays(values[:, :, None], np.zeros((30, 100, 0), np.int64), np.zeros((30, 0), np.int64))
    feature = FeatureReport(name="x", type="numerical", edges=(-0.5, 9.5, 24.5, 49.5))
    told = describe(stays, feature, column=0, real=True)
    np.testing.assert_allclose(told.shares, [0.2, 0.3, 0.5])
    assert told.n_values == 1500
    assert told.missing_rate == pytest.approx(0.5)
    assert told.missing_by_step == (0.0,) * 50 + (1.0,) * 50
    assert told.quantiles == {"0.1": 0, "5": 2, "25": 12, "50": 24.5, "75": 37, "95": 47, "99.9": 49}


def test_values_beyond_the_edges_are_in_the_outermost_bins() -> None:
    values = np.resize(np.array([-100, 100], np.float32), (200, 1, 1))
    stays = Stays(values, np.zeros((200, 1, 0), np.int64), np.zeros((200, 0), np.int64))
    feature = FeatureReport(name="x", type="numerical", edges=(0.0, 1.0, 2.0))
    assert describe(stays, feature, column=0, real=False).shares == (0.5, 0.5)


def test_a_quantile_that_few_stays_reach_is_not_told_of_real_stays() -> None:
    feature = FeatureReport(name="x", type="numerical", edges=(-1.0, 30.0))
    for n, is_told in ((200, False), (400, True)):  # 10 and 20 stays lie beyond the 95 % quantile
        values = np.arange(n, dtype=np.float32)[:, None, None]
        stays = Stays(values, np.zeros((n, 1, 0), np.int64), np.zeros((n, 0), np.int64))
        real, synthetic = (describe(stays, feature, column=0, real=real) for real in (True, False))
        assert synthetic.quantiles["95"] is not None
        assert (real.quantiles["95"] is not None) == is_told


def test_missing_rates_of_few_stays_are_told_as_none_or_all() -> None:
    feature = FeatureReport(name="x", type="numerical", edges=(-1.0, 1.0))
    for n_missing, told in ((10, 0.0), (11, 0.11), (89, 0.89), (90, 1.0)):
        values = np.zeros((100, 2, 1), np.float32)
        values[:n_missing] = np.nan
        stays = Stays(values, np.zeros((100, 2, 0), np.int64), np.zeros((100, 0), np.int64))
        real, synthetic = (describe(stays, feature, column=0, real=real) for real in (True, False))
        assert real.missing_rate == pytest.approx(told)
        assert real.missing_by_step == pytest.approx((told, told))
        assert synthetic.missing_rate == pytest.approx(n_missing / 100)


@pytest.mark.parametrize(("real", "told"), [(True, (0.5, 0.5, None, None)), (False, (0.5, 0.5, 0.5, None))])
def test_a_step_that_no_stay_lasts_until_has_no_missing_rate(real: bool, told: tuple[float | None, ...]) -> None:
    """60 of 70 stays last for 2 steps, 10 for 3 of 4; in every other one everything is missing."""
    values = np.where(np.arange(70)[:, None, None] % 2 == 0, np.nan, np.zeros((70, 4, 1))).astype(np.float32)
    lengths = np.repeat([2, 3], [60, 10])
    stays = Stays(values, np.zeros((70, 4, 0), np.int64), np.zeros((70, 0), np.int64), lengths=lengths).ended()
    feature = FeatureReport(name="x", type="numerical", edges=(-1.0, 1.0))
    assert describe(stays, feature, column=0, real=real).missing_by_step == told


@pytest.mark.parametrize("kind", ["numerical", "categorical"])
def test_no_total_gives_away_a_step_that_is_not_told(kind: Literal["numerical", "categorical"]) -> None:
    values, codes = np.zeros((100, 2, 1), np.float32), np.zeros((100, 2, 1), np.int64)
    values[:20, 0], codes[:20, 0] = np.nan, -1
    values[:7, 1], codes[:7, 1] = np.nan, -1
    stays = Stays(values, codes, np.zeros((100, 0), np.int64))
    feature = FeatureReport(name="x", type=kind, edges=(-1.0, 1.0), categories=("a",))
    real, synthetic = (describe(stays, feature, column=0, real=real) for real in (True, False))
    assert real.missing_by_step == pytest.approx((0.2, 0))
    assert (real.missing_rate, real.n_values) == pytest.approx((0.1, 180))
    assert (synthetic.missing_rate, synthetic.n_values) == pytest.approx((0.135, 173))


def test_a_categorical_feature_in_figures() -> None:
    codes = np.resize([0, 0, 1, -1], (100, 1)).astype(np.int64)
    stays = Stays(np.zeros((100, 1, 0), np.float32), codes[:, :, None], np.zeros((100, 0), np.int64))
    feature = FeatureReport(name="x", type="categorical", categories=("a", "b", "c"))
    told = describe(stays, feature, column=0, real=True)
    np.testing.assert_allclose(told.shares, [2 / 3, 1 / 3, 0])
    assert told.missing_rate == pytest.approx(0.25)
    assert told.n_values == 75


def test_distances_of_draws_of_one_distribution_are_small(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    features = feature_reports(ward(1000, 1), ward(1000, 2), ward_codec)
    assert [feature.name for feature in features] == ["temperature", "rhythm", "heart_rate"]
    for feature in features:
        assert feature.holdout_distance is not None
        assert 0 < feature.holdout_distance < 0.06
    shifted = with_synthetic(ward(300, 3, shift=9.0), features, ward_codec)
    assert shifted[0].distance is not None
    assert shifted[0].distance > 0.9
    assert mean_distance(shifted, "synthetic") > 0.9
    assert mean_distance(shifted, "holdout") < 0.06


def test_a_side_without_values_has_no_distance(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    features = feature_reports(ward(100, 1), None, ward_codec)
    assert features[0].holdout_distance is None
    with pytest.raises(NotAvailable):
        mean_distance(features, "holdout")


def test_a_sparse_holdout_has_an_exact_distance_but_no_shares(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    holdout = ward(200, 2)
    holdout.numerical[60:, :, 0] = np.nan
    temperature = feature_reports(ward(1000, 1), holdout, ward_codec)[0]
    assert temperature.holdout is not None
    assert (temperature.holdout.n_values, any(temperature.holdout.shares)) == (0, False)
    assert temperature.training is not None
    assert len(temperature.training.shares) > 10
    assert temperature.holdout_distance is not None
    assert temperature.holdout_distance < 0.2


def test_without_real_stays_the_bins_are_the_synthetic_ones_own(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    temperature = with_synthetic(ward(300, 1), None, ward_codec)[0]
    assert len(temperature.edges) > 10
    assert temperature.distance is None


def test_a_handful_of_real_stays_is_not_told(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    for feature in feature_reports(ward(10, 1), None, ward_codec):
        assert feature.training is not None
        assert not any(feature.training.shares)
        assert not any(feature.training.missing_by_step)
        assert not any(feature.training.quantiles.values())
