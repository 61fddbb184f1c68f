from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.augmentation import Gains, Mixture, augmentation, mean_gain, mixtures
from model.evaluation.space import NotAvailable, Table, to_table
from model.evaluation.utility import Task, auc_on, train

TASK = Task(label=0, n_classes=2, kind="bilstm", n_stays=10_000, seed=0)


def test_the_mixtures_add_up() -> None:
    assert mixtures(1000, 5000) == (
        Mixture(0.10, 100, 900),
        Mixture(0.25, 250, 750),
        Mixture(0.50, 500, 500),
        Mixture(1.00, 1000, 1000),
        Mixture(1.00, 1000, 2000),
    )


def test_where_synthetic_stays_do_not_suffice_all_are_added_and_no_mixture_is_told_twice() -> None:
    assert mixtures(1000, 800) == (
        Mixture(0.10, 100, 800),
        Mixture(0.25, 250, 750),
        Mixture(0.50, 500, 500),
        Mixture(1.00, 1000, 800),
    )
    assert mixtures(1000, 0) == ()


@pytest.fixture
def tables(ward: Callable[..., Stays], ward_codec: Codec) -> tuple[Table, Table, Table]:
    real, synthetic, holdout = (to_table(ward(n, seed), ward_codec) for n, seed in ((400, 1), (400, 3), (150, 2)))
    return real, synthetic, holdout


def test_more_stays_of_the_same_kind_help_where_there_are_few(tables: tuple[Table, Table, Table]) -> None:
    found = augmentation(*tables, TASK, label="death")
    assert [(row.n_real, row.n_synthetic) for row in found.rows] == [(40, 360), (100, 300), (200, 200), (400, 400)]
    assert [row.real_share for row in found.rows] == [0.1, 0.25, 0.5, 1.0]
    assert all(row.low <= row.value <= row.high for row in found.rows)
    assert found.rows[0].value > found.rows[0].real_only
    np.testing.assert_allclose(found.gains[:, 0], [row.value - row.real_only for row in found.rows])


@pytest.mark.usefixtures("short_training")
def test_all_real_stays_alone_are_trtr(tables: tuple[Table, Table, Table]) -> None:
    real, synthetic, holdout = tables
    task = TASK._replace(n_seeds=2)
    rows = augmentation(real, synthetic, holdout, task, label="death").rows
    assert rows[-1].real_only == pytest.approx(auc_on(train(real, task._replace(n_stays=400)), holdout).value)


@pytest.mark.usefixtures("short_training")
def test_nothing_to_mix_or_to_learn(tables: tuple[Table, Table, Table]) -> None:
    real, synthetic, holdout = tables
    with pytest.raises(NotAvailable, match="no stays to mix"):
        augmentation(real, synthetic.take(slice(0)), holdout, TASK, label="death")
    with pytest.raises(NotAvailable, match="at least 30 are needed"):
        augmentation(real.take(slice(50)), synthetic, holdout, TASK, label="death")


def test_the_mean_gain_and_its_interval_over_seeds() -> None:
    found = [Gains((), np.array([[0.1, 0.3], [0.1, 0.3]])), Gains((), np.array([[0.1, 0.3]]))]
    figure = mean_gain(found)
    assert figure.value == pytest.approx(0.2)
    assert figure.spread == pytest.approx(0.1 * 2**0.5)
    assert figure.high is not None
    assert figure.high - figure.value == pytest.approx(12.706 * 0.1, rel=1e-3)  # t(0.975) of one degree of freedom
    alone = mean_gain([Gains((), np.array([[0.05], [0.15]]))])
    assert alone.value == pytest.approx(0.1)
    assert (alone.low, alone.high) == (None, None)
