import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation import dtw as module
from model.evaluation.dtw import nearest
from model.evaluation.space import Floats, Inputs, NotAvailable, to_table
from model.spec.schema import Schema

RNG = np.random.default_rng(0)


def dtw(a: Inputs, b: Inputs) -> Floats:
    """Of stays of one length."""
    return module.dtw(a, b, n_steps=a.shape[1])


def step_at(place: int, length: int = 20) -> Inputs:
    return (np.arange(length) >= place).astype(np.float32)[None, :, None]


def test_identical_stays_have_no_distance() -> None:
    x = RNG.normal(size=(5, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.diag(dtw(x, x)), np.zeros(5))


def test_a_step_some_hours_later_is_the_same_course_unless_it_is_far() -> None:
    assert dtw(step_at(8), step_at(12))[0, 0] == 0
    assert np.abs(step_at(8) - step_at(12)).sum() == 4
    assert dtw(step_at(2), step_at(18))[0, 0] > 0.5


def test_a_constant_offset_is_its_size_whatever_length_and_number_of_features() -> None:
    for length, width in ((5, 1), (24, 3)):
        a = np.zeros((1, length, width), np.float32)
        assert dtw(a, a + 2)[0, 0] == pytest.approx(2)


def test_it_is_the_textbook_recursion() -> None:
    a, b = RNG.normal(size=(2, 6, 2)).astype(np.float32)
    cost = np.full((7, 7), np.inf)
    cost[0, 0] = 0
    for i in range(6):
        for j in range(6):
            if abs(i - j) <= 2:
                before = min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
                cost[i + 1, j + 1] = before + float(((a[i] - b[j]) ** 2).sum())
    assert dtw(a[None], b[None])[0, 0] == pytest.approx(np.sqrt(cost[6, 6] / 12), rel=1e-5)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 3))
def test_it_never_exceeds_the_root_mean_square_difference(seed: int, length: int, width: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 1, length, width)).astype(np.float32)
    found = dtw(a, b)[0, 0]
    assert 0 <= found <= np.sqrt(((a - b) ** 2).mean()) + 1e-6
    assert found == pytest.approx(dtw(b, a)[0, 0], abs=1e-6)


def test_many_stays_are_computed_in_parts() -> None:
    a, b = RNG.normal(size=(250, 4, 1)).astype(np.float32), RNG.normal(size=(7, 4, 1)).astype(np.float32)
    whole = dtw(a, b)
    assert whole.shape == (250, 7)
    np.testing.assert_allclose(whole[120:130], dtw(a[120:130], b))


def test_nearest_grows_with_noise_and_is_zero_for_the_same_table(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(80, 1)
    table = to_table(stays, ward_codec)
    assert nearest(table, table, n_subject=20, n_real=60, seed=3).max() == 0
    found = []
    for noise in (0.5, 2.0, 8.0):
        numerical = (stays.numerical + RNG.normal(0, noise, stays.numerical.shape)).astype(np.float32)
        noisy = to_table(Stays(numerical, stays.categorical, stays.labels), ward_codec)
        found.append(nearest(noisy, table, n_subject=80, n_real=80, seed=0).mean())
    assert 0 < found[0] < found[1] < found[2]


def test_nothing_after_the_end_of_a_stay_is_compared(ward: Callable[..., Stays], ward_schema: Schema) -> None:
    schema = ward_schema.model_copy(update={"variable_length": True})
    stays = replace(ward(80, 1), lengths=np.tile([2, 8], 40)).ended()
    codec = Codec.fit(stays, schema)
    one = stays.take(np.array([0]))
    high = replace(one, numerical=one.numerical + np.array([0, 30], np.float32))
    away = 30 / codec.state.numerical[1].scale  # a constant offset of one of two features, at both steps
    found = nearest(to_table(high, codec), to_table(one, codec), n_subject=1, n_real=1, seed=0)
    assert found == pytest.approx(away / np.sqrt(2), rel=1e-5)  # and not a quarter of it, over 8 steps


def test_of_two_lengths_the_longer_one_counts() -> None:
    a, b = [np.zeros((2, 1), np.float32)], [np.array([[0], [0], [0], [3]], np.float32)]
    assert module.dtw(a, b, n_steps=8)[0, 0] == pytest.approx(np.sqrt(9 / 4))


def test_long_stays_are_thinned() -> None:
    calls = np.zeros((3, 272, 1), np.float32)
    assert calls[:, :: -(-272 // 50)].shape[1] <= 50
    assert dtw(calls[:, ::6], calls[:, ::6]).max() == 0


def test_what_cannot_be_compared_says_why(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotAvailable, match="no numerical feature"):
        dtw(np.zeros((2, 3, 0), np.float32), np.zeros((2, 3, 0), np.float32))
    table = to_table(ward(20, 1), ward_codec)
    with pytest.raises(NotAvailable, match="no stays"):
        nearest(table.take(slice(0)), table, n_subject=5, n_real=5, seed=0)
    monkeypatch.setitem(sys.modules, "dtaidistance", None)
    with pytest.raises(NotAvailable, match="dtaidistance"):
        nearest(table, table, n_subject=5, n_real=5, seed=0)
