from dataclasses import replace

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.private import noise, statistics
from model.private.units import Units
from model.spec.errors import SchemaError
from model.spec.schema import NumericalFeature
from tests.model.private.conftest import N_BLOCKS, SCHEMA, made_up


def found(stays: Stays, *, noise_multiplier: float) -> statistics.Statistics:
    released = statistics.release(stays, Units.of(stays), SCHEMA, noise_multiplier=noise_multiplier)
    return statistics.statistics(released, SCHEMA, noise_multiplier=noise_multiplier)


@pytest.mark.parametrize("n_patients", [None, 30])
def test_one_unit_more_changes_the_sums_by_no_more_than_is_reckoned(n_patients: int | None) -> None:
    stays = made_up(200, n_patients=n_patients)
    units = Units.of(stays)
    sensitivity = found(stays, noise_multiplier=1.0).noise
    assert sensitivity == pytest.approx(N_BLOCKS**0.5)
    changes = []
    for first, size in zip(units.first, units.sizes, strict=True):
        own = stays.take(units.stays[first : first + size])
        changes.append(float(np.linalg.norm(np.concatenate(statistics.sums(own, Units.of(own).weights(), SCHEMA)))))
    assert max(changes) <= sensitivity + 1e-9
    assert max(changes) > 0.5 * sensitivity


def test_a_stay_with_the_same_value_throughout_changes_them_by_the_whole_of_it() -> None:
    numerical = np.full((1, 6, 2), 90, dtype=np.float32)
    steady = Stays(numerical, np.zeros((1, 6, 1), dtype=np.int64), np.zeros((1, 2), dtype=np.int64))
    own = np.concatenate(statistics.sums(steady, np.ones(1), SCHEMA))
    assert np.linalg.norm(own) == pytest.approx(N_BLOCKS**0.5)


def test_the_noise_is_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    stays = made_up(50)
    clean = np.concatenate(statistics.sums(stays, np.ones(50), SCHEMA))
    monkeypatch.setattr(noise, "normal", np.ones)
    noisy = statistics.release(stays, Units.of(stays), SCHEMA, noise_multiplier=3.0)
    assert np.allclose(noisy - clean, 3 * N_BLOCKS**0.5)


def test_without_noise_the_statistics_are_those_of_the_stays() -> None:
    stays = made_up(4000)
    known = found(stays, noise_multiplier=1e-6)
    codec = statistics.codec_state(known, SCHEMA)
    heart_rate, spo2 = codec.numerical
    assert heart_rate.center == pytest.approx(90, abs=0.5)
    assert heart_rate.scale == pytest.approx(15, rel=0.05)
    assert (heart_rate.low, heart_rate.high, spo2.low, spo2.high) == (0, 300, 0, 100)
    assert spo2.center == pytest.approx(97, abs=0.5)
    assert [(state.mode, state.has_missing) for state in codec.categorical] == [("sinus", True)]
    joint = statistics.joint_counts(known)
    assert joint.shape == (2, 3)
    assert joint.sum() == 4000
    assert joint[1].sum() == 1000
    assert joint[:, 2].sum() == 0
    marginals = np.exp(statistics.log_marginals(known, SCHEMA))
    assert np.allclose(marginals[0], [0.5, 0.2, 0.1, 0.2], atol=0.02)  # the rhythm, missing last
    assert np.allclose(marginals[1, :2], [0.3, 0.7], atol=0.02)  # heart rate measured
    assert marginals[3, 0] == pytest.approx(0.75)
    assert marginals[4, 2] == pytest.approx(0.5 / 4000.5, rel=0.01)  # never seen
    assert marginals[5, 1] == pytest.approx(stays.n_steps.mean() / 6)


def test_where_noise_hides_everything_a_scale_is_that_of_the_bounds() -> None:
    state = statistics.codec_state(found(made_up(20), noise_multiplier=0.0001)._replace(noise=1e9), SCHEMA)
    assert state.numerical[0].center == pytest.approx(150)
    assert state.numerical[0].scale == pytest.approx(300 / 12**0.5)


def test_noisy_counts_are_never_negative_nor_all_zero() -> None:
    known = found(made_up(20), noise_multiplier=0.1)._replace(labels=np.array([[-3.0, 0.4, -1], [-0.2, -9, 0]]))
    assert (statistics.joint_counts(known) == 1).all()
    assert np.isfinite(statistics.log_marginals(known, SCHEMA)).all()


def test_stays_can_be_encoded_by_it() -> None:
    stays = made_up(50)
    encoded = Codec(statistics.codec_state(found(stays, noise_multiplier=2.0), SCHEMA)).encode(stays)
    assert encoded.categorical.shape == (50, 6, 6)
    assert np.isfinite(encoded.numerical).all()


def test_a_feature_without_bounds_is_refused_by_name() -> None:
    open_ended = SCHEMA.model_copy(update={"features": (NumericalFeature(name="lactate", min=0), *SCHEMA.features[1:])})
    with pytest.raises(SchemaError, match=r"feature 'lactate'.*min and max"):
        statistics.release(made_up(20), Units.of(made_up(20)), open_ended, noise_multiplier=1.0)


def test_the_end_of_a_stay_is_counted() -> None:
    stays = replace(made_up(10), lengths=np.full(10, 3)).ended()
    end = statistics.sums(stays, np.ones(10), SCHEMA)[-2]
    assert end.tolist() == [5, 5]
