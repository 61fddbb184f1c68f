from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.features import compared_features, deviations, real_features, sorted_values, with_courses
from model.spec.figures import FeatureReport


def known(train: Stays, holdout: Stays | None, codec: Codec) -> tuple[FeatureReport, ...]:
    acf = np.array([[0.5, 0.25], [np.nan, np.nan]])
    return real_features(train, holdout, codec, acf={"training": acf})


def compare(synthetic: Stays, train: Stays, codec: Codec, *, gone: bool = False) -> tuple[FeatureReport, ...]:
    values = None if gone else sorted_values(train)
    real = known(train, train.take(slice(150)), codec)
    return compared_features(synthetic, real, codec, units=deviations(train), training_values=values)


def test_deviations_are_those_of_the_measured_values(ward: Callable[..., Stays]) -> None:
    stays = ward(200, 1)
    stays.numerical[:, :, 1] = 80
    found = deviations(stays)
    assert found[0] == pytest.approx(np.nanstd(stays.numerical[:, :, 0]), rel=1e-4)
    assert found[1] is None
    stays.numerical[10:, :, 0] = np.nan
    assert deviations(stays)[0] is None
    assert deviations(stays.take(slice(0))) == (None, None)


@pytest.mark.parametrize("gone", [False, True])
def test_a_shift_by_a_deviation_is_a_distance_of_one(gone: bool, ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train = ward(2000, 1)
    unit = deviations(train)[1]
    assert unit is not None
    moved = train.numerical.copy()
    moved[:, :, 1] += round(unit / 2)
    temperature, _, rate = compare(Stays(moved, train.categorical, train.labels), train, ward_codec, gone=gone)
    assert temperature.wasserstein == pytest.approx(0, abs=1e-9)
    assert rate.wasserstein == pytest.approx(round(unit / 2) / unit, abs=0.06 if gone else 1e-6)
    assert rate.holdout_wasserstein is not None
    assert rate.holdout_wasserstein < 0.2


def test_courses_and_autocorrelations_of_both_sides_are_told(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, synthetic = ward(300, 1), ward(200, 2)
    features = compare(synthetic, train, ward_codec)
    temperature, rhythm, rate = with_courses(features, synthetic, ward_codec, acf=np.array([[0.4, 0.2], [0.1, 0.0]]))
    assert temperature.acf == {"synthetic": (0.4, 0.2), "training": (0.5, 0.25)}
    assert rate.acf == {"synthetic": (0.1, 0)}
    assert rhythm.acf == {}
    told = [(one.side, one.label, one.category) for one in temperature.trajectories]
    by_label = [("death", "0"), ("death", "1"), ("sex", "F"), ("sex", "M")]
    assert told == [(side, *about) for side in ("synthetic", "training") for about in by_label]
    assert rhythm.trajectories == ()
    assert [part.n_synthetic for part in rhythm.by_label[2:]] == np.bincount(synthetic.labels[:, 1]).tolist()


def test_without_real_stays_the_synthetic_ones_are_described(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    features = compared_features(ward(200, 1), None, ward_codec, units=(), training_values=None)
    assert all(feature.synthetic is not None for feature in features)
    assert all(feature.wasserstein is None for feature in features)
    assert features[0].by_label[0].synthetic is not None


def test_no_synthetic_stays_have_no_distance(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    for feature in compare(ward(0, 1), ward(200, 1), ward_codec):
        assert feature.wasserstein is None
        assert feature.distance is None


@pytest.mark.parametrize(("n", "is_told"), [(1, False), (10, False), (11, True)])
def test_few_synthetic_stays_are_not_told(n: int, is_told: bool, ward: Callable[..., Stays], ward_codec: Codec) -> None:
    synthetic = ward(n, 2)
    features = with_courses(compare(synthetic, ward(300, 1), ward_codec), synthetic, ward_codec, acf=np.zeros((2, 3)))
    for feature in features:
        assert (feature.synthetic is not None) == (feature.distance is not None) == is_told
        numerical = feature.type == "numerical"
        assert (feature.wasserstein is not None) == (is_told and numerical)
        assert ("synthetic" in feature.acf) == (is_told and numerical)
        assert any(one.side == "synthetic" for one in feature.trajectories) == (is_told and numerical)
        assert all(part.synthetic is None for part in feature.by_label if part.n_synthetic < 11)
        assert feature.training is not None
