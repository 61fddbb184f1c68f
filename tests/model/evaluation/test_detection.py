from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.detection import Discriminator, auc_interval, c2st_auc
from model.evaluation.space import NotAvailable, to_table

ALL: tuple[Discriminator, ...] = ("logistic", "mlp", "lstm")


@pytest.mark.parametrize("discriminator", ALL)
def test_stays_of_one_distribution_cannot_be_told_apart(
    ward: Callable[..., Stays], ward_codec: Codec, discriminator: Discriminator
) -> None:
    a, b = to_table(ward(200, 1), ward_codec), to_table(ward(200, 2), ward_codec)
    figure = c2st_auc(a, b, discriminator=discriminator, seed=0)
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
    assert c2st_auc(shifted, real, discriminator=discriminator, seed=0).value > 0.97


def test_labels_are_no_input(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    real, synthetic = ward(100, 1), ward(100, 2)
    turned = Stays(synthetic.numerical, synthetic.categorical, 1 - synthetic.labels)
    figures = [
        c2st_auc(to_table(one, ward_codec), to_table(real, ward_codec), discriminator="logistic", seed=0)
        for one in (synthetic, turned)
    ]
    assert figures[0] == figures[1]


@pytest.mark.usefixtures("short_training")
def test_the_same_seed_gives_the_same_figure(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    a, b = to_table(ward(30, 1), ward_codec), to_table(ward(40, 2), ward_codec)
    first, second = (c2st_auc(a, b, discriminator="lstm", seed=5) for _ in range(2))
    assert first == second


def test_too_few_stays(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    few, many = to_table(ward(29, 1), ward_codec), to_table(ward(100, 2), ward_codec)
    with pytest.raises(NotAvailable, match="there are 29"):
        c2st_auc(few, many, discriminator="logistic", seed=0)


def test_the_progress_goes_from_start_to_end(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    told: list[float] = []
    a, b = to_table(ward(40, 1), ward_codec), to_table(ward(40, 2), ward_codec)
    c2st_auc(a, b, discriminator="mlp", seed=0, tick=told.append)
    assert told[0] == 0
    assert told == sorted(told)
    assert 2 / 3 < told[-1] <= 1


def test_the_interval_of_an_auc() -> None:
    # Hanley & McNeil 1982, table II: 51 abnormal and 58 normal images, area .893, standard error .032.
    low, high = auc_interval(0.893, 51, 58)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=0.001)
    np.testing.assert_allclose(auc_interval(1.0, 50, 50), (1, 1))
