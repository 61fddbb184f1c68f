from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.data.arrange import arrange
from model.data.codec import Codec
from model.data.inference import infer_schema
from model.data.readers import read_table
from model.data.stays import Stays
from model.evaluation.detection import GRID, Discriminator, auc_interval, auc_interval_of, auc_variance, c2st
from model.evaluation.space import NotAvailable, to_table

ALL: tuple[Discriminator, ...] = ("logistic", "mlp", "lstm")


@pytest.mark.parametrize("discriminator", ALL)
def test_stays_of_one_distribution_cannot_be_told_apart(
    ward: Callable[..., Stays], ward_codec: Codec, discriminator: Discriminator
) -> None:
    a, b = to_table(ward(200, 1), ward_codec), to_table(ward(200, 2), ward_codec)
    figure = c2st(a, b, discriminator=discriminator, seed=0).figure
    assert figure.value == pytest.approx(0.5, abs=0.12)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < figure.value < figure.high


@pytest.mark.usefixtures("short_training")
@pytest.mark.parametrize("discriminator", ALL)
def test_shifted_stays_are_told_apart(
    ward: Callable[..., Stays], ward_codec: Codec, discriminator: Discriminator
) -> None:
    shifted, real = to_table(ward(60, 1, shift=6.0), ward_codec), to_table(ward(60, 2), ward_codec)
    found = c2st(shifted, real, discriminator=discriminator, seed=0)
    assert found.figure.value > 0.97
    assert found.curve[10] > 0.9


def test_labels_are_no_input(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    real, synthetic = ward(100, 1), ward(100, 2)
    turned = Stays(synthetic.numerical, synthetic.categorical, 1 - synthetic.labels)
    figures = [
        c2st(to_table(one, ward_codec), to_table(real, ward_codec), discriminator="logistic", seed=0).figure
        for one in (synthetic, turned)
    ]
    assert figures[0] == figures[1]


@pytest.mark.usefixtures("short_training")
def test_the_same_seed_gives_the_same_figure(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    a, b = to_table(ward(30, 1), ward_codec), to_table(ward(40, 2), ward_codec)
    first, second = (c2st(a, b, discriminator="lstm", seed=5).figure for _ in range(2))
    assert first == second


def test_too_few_stays(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    few, many = to_table(ward(29, 1), ward_codec), to_table(ward(100, 2), ward_codec)
    with pytest.raises(NotAvailable, match="there are 29"):
        c2st(few, many, discriminator="logistic", seed=0)


def test_the_progress_goes_from_start_to_end(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    told: list[float] = []
    a, b = to_table(ward(40, 1), ward_codec), to_table(ward(40, 2), ward_codec)
    c2st(a, b, discriminator="mlp", seed=0, tick=told.append)
    assert told[0] == 0
    assert told == sorted(told)
    assert 2 / 3 < told[-1] <= 1


def test_the_curve_runs_from_one_corner_to_the_other_and_has_the_area_of_the_auc(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    shifted, real = to_table(ward(300, 1, shift=0.5), ward_codec), to_table(ward(300, 2), ward_codec)
    figure, curve = c2st(shifted, real, discriminator="logistic", seed=0)
    assert curve.shape == (101,)
    assert (curve[0], curve[-1]) == (0, 1)
    assert (np.diff(curve) >= 0).all()
    assert np.trapezoid(curve, GRID) == pytest.approx(figure.value, abs=0.01)


def test_several_seeds_give_their_mean_and_spread(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    a, b = to_table(ward(90, 1, shift=0.3), ward_codec), to_table(ward(80, 2), ward_codec)
    alone = [c2st(a, b, discriminator="logistic", seed=5 + 1_000 * k).figure for k in range(3)]
    together = c2st(a, b, discriminator="logistic", seed=5, n_seeds=3).figure
    values = [figure.value for figure in alone]
    assert together.value == pytest.approx(np.mean(values))
    assert together.spread == pytest.approx(np.std(values, ddof=1))
    assert alone[0].spread is None
    assert together.sample == "80 synthetic and 80 real stays; 3 folds, 3 seeds"


@pytest.mark.usefixtures("short_training")
@pytest.mark.parametrize("discriminator", ALL)
def test_the_order_of_stays_changes_nothing_but_chance(
    ward: Callable[..., Stays], ward_codec: Codec, discriminator: Discriminator
) -> None:
    shifted, real = ward(60, 1, shift=6.0), ward(60, 2)
    turned = real.take(slice(None, None, -1))
    figures = [
        c2st(to_table(shifted, ward_codec), to_table(one, ward_codec), discriminator=discriminator, seed=0).figure
        for one in (real, turned)
    ]
    assert figures[0].value == pytest.approx(figures[1].value, abs=0.02)


def test_noise_that_leaves_every_distribution_of_values_as_it_is_is_seen_by_the_lstm(ward_codec: Codec) -> None:
    """Two vitals that rise or stay; in the synthetic stays they jump about within the same limits."""
    rng = np.random.default_rng(0)
    steps = np.sort(rng.normal(80, 10, (240, 8)), axis=1)
    jumping = rng.permuted(steps[120:], axis=1)
    tables = []
    for values in (steps[:120], jumping):
        numerical = np.stack([values / 80 * 37, values], axis=2).astype(np.float32)
        stays = Stays(numerical, np.zeros((120, 8, 1), dtype=np.int64), np.zeros((120, 2), dtype=np.int64))
        tables.append(to_table(stays, ward_codec))
    assert c2st(tables[1], tables[0], discriminator="lstm", seed=0).figure.value > 0.95


def test_the_interval_covers_the_test_set_and_what_the_folds_vary_beyond_it() -> None:
    even = np.full((1, 3), 0.8)
    np.testing.assert_allclose(auc_interval_of(even, 300), auc_interval(0.8, 300, 300))
    uneven = np.array([[0.6, 0.8, 1.0]])
    low, _ = auc_interval_of(uneven, 300)
    excess = (0.2**2 - auc_variance(0.8, 100, 100)) / 3
    assert (0.8 - low) / 1.96 == pytest.approx((auc_variance(0.8, 300, 300) + excess) ** 0.5)
    many = auc_interval_of(np.repeat(uneven, 5, axis=0), 300)
    assert low < many[0] < auc_interval(0.8, 300, 300)[0]  # seeds average out the networks' luck, not the stays'


def test_the_interval_of_an_auc() -> None:
    # Hanley & McNeil 1982, table II: 51 abnormal and 58 normal images, area .893, standard error .032.
    low, high = auc_interval(0.893, 51, 58)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=0.001)
    np.testing.assert_allclose(auc_interval(1.0, 50, 50), (1, 1))


@pytest.mark.slow
def test_noise_on_real_vitals_is_seen_by_the_lstm(challenge2012: Path) -> None:
    """15 % of each vital's standard deviation: too little for its distribution, or for any two steps, to show it."""
    frame = read_table(challenge2012)
    schema = infer_schema(frame)
    stays = arrange(frame, schema).stays
    train, holdout = stays.take(slice(9_600)), stays.take(slice(9_600, None))
    codec, rng = Codec.fit(train, schema), np.random.default_rng(0)
    noise = 0.15 * np.nanstd(train.numerical, axis=(0, 1)) * rng.normal(size=train.numerical.shape)
    noisy = Stays((train.numerical + noise).astype(np.float32), train.categorical, train.labels)
    tables = [to_table(side, codec) for side in (noisy, train, holdout)]
    assert c2st(tables[0], tables[2], discriminator="lstm", seed=0).figure.value > 0.8
    floor = c2st(tables[1], tables[2], discriminator="lstm", seed=0).figure
    assert floor.value == pytest.approx(0.5, abs=0.03)
