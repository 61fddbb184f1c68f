from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.space import NotAvailable, Table, to_table
from model.evaluation.utility import macro_auc, trtr, tstr


def table(stays: Stays, codec: Codec) -> Table:
    return to_table(stays, codec)


def test_a_label_that_shows_in_the_values_is_learned_and_one_that_does_not_is_not(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    train, holdout = table(ward(200, 1), ward_codec), table(ward(300, 2), ward_codec)
    death = tstr(train, holdout, label=0, n_stays=10_000, seed=0)
    sex = tstr(train, holdout, label=1, n_stays=80, seed=0)
    assert 0.65 < death.value < 0.9
    assert sex.value == pytest.approx(0.5, abs=0.12)
    assert death.low is not None
    assert death.low > 0.6


def test_stays_with_turned_labels_teach_the_opposite(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(120, 1)
    turned = table(Stays(stays.numerical, stays.categorical, 1 - stays.labels), ward_codec)
    assert tstr(turned, table(ward(200, 2), ward_codec), label=0, n_stays=200, seed=0).value < 0.35


def test_training_on_real_stays_is_the_same_measure_and_repeatable(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    train, holdout = table(ward(80, 1), ward_codec), table(ward(80, 2), ward_codec)
    real = trtr(train, holdout, label=0, n_stays=60, seed=3)
    assert real == tstr(train, holdout, label=0, n_stays=60, seed=3)


def test_one_class_or_too_few_stays(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(60, 1)
    alive = table(Stays(stays.numerical, stays.categorical, np.zeros_like(stays.labels)), ward_codec)
    holdout = table(ward(60, 2), ward_codec)
    with pytest.raises(NotAvailable, match="table to train on has fewer than two categories"):
        tstr(alive, holdout, label=0, n_stays=60, seed=0)
    with pytest.raises(NotAvailable, match="the holdout has fewer than two"):
        tstr(holdout, alive, label=0, n_stays=60, seed=0)
    with pytest.raises(NotAvailable, match="has 9 stays"):
        tstr(table(ward(9, 1), ward_codec), holdout, label=0, n_stays=60, seed=0)


def test_macro_auc_of_perfect_opposite_and_absent_categories() -> None:
    truth = np.array([0, 0, 1, 1, 3, 3])
    right = np.eye(4)[truth]
    assert macro_auc(truth, right) == 1
    assert macro_auc(truth, -right) == 0
    assert macro_auc(truth, np.full((6, 4), 0.25)) == 0.5
    assert macro_auc(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])) == 1
